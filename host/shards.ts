// A model in pieces, for places that limit how large one file may be: a manifest names byte shards
// that lie beside it, and they are read as one file. Knows nothing of what the bytes mean.
//
//   NAME.shards.json: {"size": 50, "sha256": "...", "shards": [{"file": "a", "size": 20}, ...]}
//
// Each piece must have the size that the manifest says. Where all pieces have a "sha256" of their
// own, as `nibble convert` writes them, each must have that, too: it names the piece that is wrong,
// as soon as it has come, and says no less than a hash of the whole, which decides otherwise.

import { NibbleError } from "./errors";
import { partsOf, splitSource } from "./split";
import {
  openSource, type Means, type Source, type SourceInput, type Stretch,
} from "./source";

/** Pieces of 4 MB, as many as the 4 GB that the memory of an engine can have. */
export const SHARDS_MAX = 1024;
const NAME_CHARACTERS_MAX = 200;
/** The most shards with the longest names, their hashes and as much again still fit. */
const MANIFEST_BYTES_MAX = 512 << 10;

interface Shard {
  file: string;
  size: number;
  sha256?: string;
}

interface Manifest {
  size: number;
  sha256: string;
  shards: Shard[];
}

/**
 * A source from any input; an address or path that ends in .shards.json is a manifest, one that
 * ends in -00001-of-0000N.gguf the first of N files. Throws what
 * openSource throws, or BAD_SHARDS; reading throws SHARD_SIZE.
 */
export async function openInput(input: SourceInput, means: Means): Promise<Source> {
  const place = typeof input === "string" || input instanceof URL ? String(input) : "";
  const parts = partsOf(place);
  if (parts) return splitSource(place, parts.map((part) => () => openSource(part, means)));
  const source = await openSource(input, means);
  if (!/\.shards\.json([?#].*)?$/i.test(place)) return source;
  try {
    const manifest = parseManifest(await readManifest(source), source.name);
    return joined(source.name, manifest, ({ file }) => openSource(beside(place, file), means));
  } finally {
    await source.close();
  }
}

/** The address or path of a file in the same folder. */
function beside(place: string, file: string): string {
  if (/^[a-z]+:\/\//i.test(place)) return new URL(file, place).href;
  return place.replace(/[^\\/]*$/, "") + file;
}

async function readManifest(source: Source): Promise<string> {
  const bytes = new Uint8Array(MANIFEST_BYTES_MAX + 1);
  let length = 0;
  for (let count = -1; count !== 0 && length < bytes.length; length += count) {
    count = await source.read(bytes.subarray(length));
  }
  if (length < bytes.length) return new TextDecoder().decode(bytes.subarray(0, length));
  throw bad(source.name, `it is longer than ${MANIFEST_BYTES_MAX} bytes, more than the names of `
    + `${SHARDS_MAX} shards need`);
}

function bad(name: string, what: string): NibbleError {
  return new NibbleError("BAD_SHARDS", `${name} is no list of shards: ${what}.`);
}

function parseManifest(text: string, name: string): Manifest {
  let manifest: Partial<Manifest> | null;
  try {
    manifest = JSON.parse(text) as Partial<Manifest> | null;
  } catch {
    throw bad(name, /^\s*</.test(text) ? "it is a web page; check the address" : "it is not JSON");
  }
  const { size, sha256, shards } = manifest ?? {};
  if (!isSize(size)) throw bad(name, "its size is not a whole number above 0");
  if (!isHash(sha256)) throw bad(name, "its sha256 is not 64 hex digits");
  if (!Array.isArray(shards) || shards.length === 0 || shards.length > SHARDS_MAX) {
    throw bad(name, `it needs 1 to ${SHARDS_MAX} shards`);
  }
  let sum = 0;
  shards.forEach((shard: Partial<Shard> | null, i) => {
    const { file, size: bytes, sha256: hash } = shard ?? {};
    if (typeof file !== "string" || file.length > NAME_CHARACTERS_MAX
      || !/^\w[\w.-]*$/.test(file)) {
      throw bad(name, `the file of shard ${i + 1} must be a plain name in the same folder, of `
        + `letters, digits and . _ -, at most ${NAME_CHARACTERS_MAX}`);
    }
    if (!isSize(bytes)) throw bad(name, `the size of ${file} is not a whole number above 0`);
    if (hash !== undefined && !isHash(hash)) {
      throw bad(name, `the sha256 of ${file} is not 64 hex digits`);
    }
    sum += bytes;
  });
  if (sum !== size) throw bad(name, `its shards have ${sum} bytes together, its size is ${size}`);
  return manifest as Manifest;
}

function isSize(size: unknown): size is number {
  return Number.isSafeInteger(size) && (size as number) > 0;
}

function isHash(hash: unknown): hash is string {
  return typeof hash === "string" && /^[0-9a-f]{64}$/i.test(hash);
}

/** The shards one after the other, each opened when its turn comes. */
function joined(
  name: string, { size, sha256, shards }: Manifest, open: (shard: Shard) => Promise<Source>,
): Source {
  const waiting = [...shards];
  const stretches = shards.filter((shard): shard is Shard & Stretch => isHash(shard.sha256));
  let current: Source | undefined;
  let wanted = 0;
  let left = 0;
  let isClosed = false;

  async function next(): Promise<void> {
    if (current && await current.read(new Uint8Array(1)) > 0) {
      throw wrongSize(current.name, `more than ${wanted}`, wanted);
    }
    await current?.close();
    current = undefined;
    const shard = waiting.shift();
    if (!shard) return;
    current = await open(shard);
    wanted = left = shard.size;
    if (isClosed) await current.close();
    const { size: found = wanted } = current;
    if (found !== wanted) throw wrongSize(current.name, String(found), wanted);
  }

  return {
    size,
    ...(stretches.length === shards.length ? { stretches } : { sha256 }),
    // What the engine does not like is in the piece that is being read.
    get name() {
      return current?.name ?? name;
    },
    async read(target) {
      if (left === 0) await next();
      if (!current) return 0;
      const count = await current.read(target.subarray(0, left));
      if (count === 0) throw wrongSize(current.name, `only ${wanted - left}`, wanted);
      left -= count;
      return count;
    },
    async close() {
      isClosed = true;
      await current?.close();
    },
  };
}

function wrongSize(name: string, found: string, wanted: number): NibbleError {
  return new NibbleError("SHARD_SIZE",
    `${name} has ${found} bytes, not ${wanted} as the list of shards says; copy it again.`);
}
