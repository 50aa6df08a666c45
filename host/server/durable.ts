// Sessions in the SQLite storage of a Durable Object, in pieces, since a value has at most 2 MB.
// Knows nothing of what is in them.

import type { SessionStore } from "../sessions";

/** The part of a Durable Object's `ctx.storage` that is needed. */
export interface DurableStorage {
  sql: { exec(query: string, ...values: (string | number | ArrayBuffer)[]):
  Iterable<Record<string, unknown>> };
  transactionSync<T>(work: () => T): T;
}

/** Well below the limit of a value, since a row counts its other columns, too. */
const PIECE_BYTES = 1_000_000;

/** A store in a table of its own, `nibble_sessions`. */
export function durableStore(storage: DurableStorage): SessionStore {
  const { sql } = storage;
  sql.exec("CREATE TABLE IF NOT EXISTS nibble_sessions "
    + "(id TEXT, piece INTEGER, bytes BLOB, PRIMARY KEY (id, piece))");
  const forget = (id: string, from: number): void => {
    sql.exec("DELETE FROM nibble_sessions WHERE id = ? AND piece >= ?", id, from);
  };
  const sizeOf = (id: string): number => {
    const [row] = sql.exec(
      "SELECT TOTAL(LENGTH(bytes)) AS size FROM nibble_sessions WHERE id = ?", id);
    return row?.["size"] as number;
  };
  return {
    async read(id) {
      const size = sizeOf(id);
      if (size === 0) return undefined;
      // One piece at a time: an isolate has little memory, and the model most of it.
      const saved = new Uint8Array(size);
      let at = 0;
      for (const { bytes } of sql.exec(
        "SELECT bytes FROM nibble_sessions WHERE id = ? ORDER BY piece", id)) {
        saved.set(new Uint8Array(bytes as ArrayBuffer), at);
        at += (bytes as ArrayBuffer).byteLength;
      }
      return saved;
    },
    async write(id, saved) {
      storage.transactionSync(() => {
        let piece = 0;
        for (let at = 0; at < saved.length; at += PIECE_BYTES, piece++) {
          // Rows that are changed leave the index alone, and every row that is written costs.
          sql.exec("INSERT INTO nibble_sessions VALUES (?, ?, ?) "
            + "ON CONFLICT (id, piece) DO UPDATE SET bytes = excluded.bytes", id, piece,
          saved.slice(at, at + PIECE_BYTES).buffer as ArrayBuffer);
        }
        forget(id, piece);
      });
    },
    async delete(id) {
      const had = sizeOf(id) > 0;
      forget(id, 0);
      return had;
    },
  };
}
