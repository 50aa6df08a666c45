// A session as bytes: the engine's part, which assembly/snapshot.ts draws, behind what the host
// knows of it. Knows nothing of where snapshots are kept.
//
//   |u32 bytes of the host's part|host's part|u32 check of both before|engine's part|
//
//   host's part: |i32 first pending token or -1|
//     |u32 flags: 1 has text, 2 a text is unfinished, 4 over, 8 all there is, 16 more pending,
//     32 has a form, 64 has endings of its own|
//   and of an unfinished text
//   |u32 prompt tokens|u32 completion tokens|f64 seed|
//   |u8 bytes of an unfinished character, 0 to 3|u8[3]|u16 held-back units|u16[held-back units]|
//   and of more pending tokens |u32 how many|i32[how many]|
//   and of tokens that end the text |u32 how many|i32[how many]|

import type { DraftState } from "./draft";
import type { Engine } from "./engine";
import { NibbleError } from "./errors";
import { STOP_CHARACTERS_MAX } from "./options";

/** What a session keeps besides the engine's part. */
export interface HostState {
  /** Tokens that were written and shown but are not in the cache yet. */
  pending: readonly number[];
  hasText: boolean;
  draft: DraftState | undefined;
}

const PLAIN_BYTES = 8;
const DRAFT_BYTES = 22;

/** Everything of a session. */
export function saveSession(
  engine: Engine, index: number, state: HostState,
): Uint8Array<ArrayBuffer> {
  const own = encodeState(state);
  let length = 8 + own.length;
  // Counted first: beside a model that fills the memory there may be no room for two copies.
  eachPiece(engine, index, (piece) => {
    length += piece.length;
  });
  const saved = new Uint8Array(length);
  const view = new DataView(saved.buffer);
  view.setUint32(0, own.length, true);
  saved.set(own, 4);
  view.setUint32(4 + own.length, checkOf(saved.subarray(0, 4 + own.length)), true);
  let at = 8 + own.length;
  eachPiece(engine, index, (piece) => {
    saved.set(piece, at);
    at += piece.length;
  });
  return saved;
}

/** The engine's part, piece by piece; each is valid during its call. */
function eachPiece(engine: Engine, index: number, take: (piece: Uint8Array) => void): void {
  engine.call((e) => e.saveBegin(index));
  for (;;) {
    const count = engine.call((e) => e.save());
    if (count === 0) return;
    take(engine.bytes(engine.exports.stagingAddress(), count));
  }
}

/** Puts what the engine has of a session into others as well. */
export function copySession(engine: Engine, from: number, others: readonly number[]): void {
  if (others.length === 0) return;
  const pieces: Uint8Array[] = [];
  // All of them first: the engine saves or restores, not both by turns.
  eachPiece(engine, from, (piece) => void pieces.push(piece.slice()));
  for (const index of others) {
    engine.call((e) => e.restoreBegin(index));
    for (const piece of pieces) restorePiece(engine, piece);
    engine.call((e) => e.restoreEnd());
  }
}

function restorePiece(engine: Engine, piece: Uint8Array): void {
  engine.bytes(engine.exports.stagingAddress(), piece.length).set(piece);
  engine.call((e) => e.restore(piece.length));
}

/**
 * Restores the engine's part and returns the host's. Throws NOT_SNAPSHOT, SNAPSHOT_MISMATCH,
 * SNAPSHOT_DAMAGED or SNAPSHOT_TOO_LONG; then the session is empty.
 */
export function restoreSession(engine: Engine, index: number, snapshot: Uint8Array): HostState {
  const view = new DataView(snapshot.buffer, snapshot.byteOffset, snapshot.length);
  const length = snapshot.length >= 4 ? view.getUint32(0, true) : 0;
  const start = 8 + length;
  if (snapshot.length < start
    || view.getUint32(4 + length, true) !== checkOf(snapshot.subarray(0, 4 + length))) {
    throw damaged();
  }
  const state = decodeState(snapshot.subarray(4, 4 + length));
  const size = engine.fact("vocabulary");
  const tokens = [...state.pending, ...state.draft?.endings ?? []];
  if (tokens.some((token) => token < 0 || token >= size)) throw damaged();
  const room = engine.exports.stagingBytes();
  engine.call((e) => e.restoreBegin(index));
  for (let at = start; at < snapshot.length; at += room) {
    restorePiece(engine, snapshot.subarray(at, at + room));
  }
  engine.call((e) => e.restoreEnd());
  return state;
}

function encodeState({ pending, hasText, draft }: HostState): Uint8Array {
  const draftBytes = draft ? DRAFT_BYTES + draft.held.length * 2 : 0;
  const lists = [pending.slice(1), draft?.endings ?? []];
  const [more, endings] = lists.map((list) => list.length > 0);
  const listBytes = lists.reduce((sum, { length }) => sum + (length > 0 ? 4 + length * 4 : 0), 0);
  const bytes = new Uint8Array(PLAIN_BYTES + draftBytes + listBytes);
  const view = new DataView(bytes.buffer);
  view.setInt32(0, pending[0] ?? -1, true);
  view.setUint32(4, (hasText ? 1 : 0) | (draft ? 2 : 0) | (draft?.isOver ? 4 : 0)
    | (draft?.isFirst ? 8 : 0) | (more ? 16 : 0) | (draft?.hasForm ? 32 : 0)
    | (endings ? 64 : 0), true);
  if (draft) {
    view.setUint32(8, draft.promptTokens, true);
    view.setUint32(12, draft.completionTokens, true);
    view.setFloat64(16, draft.seed, true);
    bytes[24] = draft.tail.length;
    bytes.set(draft.tail, 25);
    view.setUint16(28, draft.held.length, true);
    for (let i = 0; i < draft.held.length; i++) {
      view.setUint16(30 + i * 2, draft.held.charCodeAt(i), true);
    }
  }
  let at = PLAIN_BYTES + draftBytes;
  for (const list of lists) {
    if (list.length === 0) continue;
    view.setUint32(at, list.length, true);
    list.forEach((token, i) => view.setInt32(at + 4 + i * 4, token, true));
    at += 4 + list.length * 4;
  }
  return bytes;
}

/** Throws SNAPSHOT_DAMAGED. */
function decodeState(bytes: Uint8Array): HostState {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.length);
  const flags = bytes.length >= PLAIN_BYTES ? view.getUint32(4, true) : 128;
  const isDraft = (flags & 2) !== 0;
  const held = isDraft && bytes.length >= PLAIN_BYTES + DRAFT_BYTES ? view.getUint16(28, true) : 0;
  const start = PLAIN_BYTES + (isDraft ? DRAFT_BYTES + held * 2 : 0);
  const rest = (flags & 16) === 0 ? [] : listAt(view, start);
  const after = start + ((flags & 16) === 0 ? 0 : 4 + rest.length * 4);
  const endings = (flags & 64) === 0 ? [] : listAt(view, after);
  const length = after + ((flags & 64) === 0 ? 0 : 4 + endings.length * 4);
  if (flags > 127 || bytes.length !== length || held > STOP_CHARACTERS_MAX
    || (isDraft ? (bytes[24] as number) > 3 : endings.length > 0)) {
    throw damaged();
  }
  const first = view.getInt32(0, true);
  return {
    pending: first < 0 ? rest : [first, ...rest],
    hasText: (flags & 1) !== 0,
    draft: !isDraft ? undefined : {
      promptTokens: view.getUint32(8, true),
      completionTokens: view.getUint32(12, true),
      seed: view.getFloat64(16, true),
      isFirst: (flags & 8) !== 0,
      hasForm: (flags & 32) !== 0,
      isOver: (flags & 4) !== 0,
      endings,
      tail: bytes.slice(25, 25 + (bytes[24] as number)),
      held: String.fromCharCode(...Array.from({ length: held },
        (_, i) => view.getUint16(30 + i * 2, true))),
    },
  };
}

/** A list that is not all there is damaged. */
function listAt(view: DataView, at: number): number[] {
  const count = view.byteLength >= at + 4 ? view.getUint32(at, true) : Infinity;
  if (at + 4 + count * 4 > view.byteLength) throw damaged();
  return Array.from({ length: count }, (_, i) => view.getInt32(at + 4 + i * 4, true));
}

function damaged(): NibbleError {
  return new NibbleError("SNAPSHOT_DAMAGED",
    "The saved session is damaged or cut off; nothing was restored.");
}

/** FNV-1a: against damage, as the engine's part has its own. */
function checkOf(bytes: Uint8Array): number {
  return bytes.reduce((hash, byte) => Math.imul(hash ^ byte, 16777619), 2166136261) >>> 0;
}
