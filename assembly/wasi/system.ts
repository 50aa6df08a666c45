// The machine as WASI preview 1 shows it: arguments, files in the folders that were given, standard
// streams, random numbers, the exit. The one place that calls it. Knows nothing of models, and of
// failures only their numbers. Calls that wasmtime, WasmEdge and WAMR all have, and no others.

import {
  args_get, args_sizes_get, errno, fd_fdstat_get, fd_filestat_get, fd_prestat_dir_name,
  fd_prestat_get, fd_read, fd_seek, fd_write, fdstat, filestat, filetype, iovec, lookupflags,
  path_open, prestat, prestat_dir, preopentype, proc_exit, random_get, rights, whence,
} from "@assemblyscript/wasi-shim/assembly/bindings/wasi_snapshot_preview1";

export const STDIN: i32 = 0;
export const STDOUT: i32 = 1;
export const STDERR: i32 = 2;
/** The first folder that a program is given. */
const FIRST_FOLDER: i32 = 3;
/** Longest name of a folder: Linux's PATH_MAX. */
const FOLDER_BYTES_MAX: i32 = 4096;

export const NO_ENTRY: i32 = 44;
export const NOT_DIRECTORY: i32 = 54;
export const IS_DIRECTORY: i32 = 31;
export const NO_ACCESS: i32 = 2;
export const NOT_PERMITTED: i32 = 63;
export const NOT_CAPABLE: i32 = 76;
/** Ours: no folder was given that the path could lie in. */
export const NO_FOLDER: i32 = 1000;

const piece = changetype<iovec>(memory.data(8, 8));
const counts = memory.data(16, 8); // u32[2], or u64
const status = memory.data(64, 8); // fdstat or filestat
const folder = memory.data(4096); // FOLDER_BYTES_MAX

/** Ends the program; does not return. */
export function exit(code: i32): void {
  proc_exit(code);
}

/** How many arguments there are, the program's name among them. */
export function argumentCount(): i32 {
  return args_sizes_get(counts, counts + 4) == errno.SUCCESS ? load<i32>(counts) : 0;
}

/** Bytes of all arguments, a zero behind each. */
export function argumentBytes(): i32 {
  return args_sizes_get(counts, counts + 4) == errno.SUCCESS ? load<i32>(counts, 4) : 0;
}

/**
 * The arguments, one behind the other, a zero behind each.
 *   addresses   u32[argumentCount()], which is filled, too
 */
export function readArguments(addresses: usize, target: usize): void {
  args_get(addresses, target);
}

/** Writes everything, in as few calls as the stream allows. A reader that left ends the program. */
export function write(stream: i32, address: usize, length: i32): void {
  while (length > 0) {
    piece.buf = address;
    piece.buf_len = length;
    const failed = fd_write(stream, changetype<usize>(piece), 1, counts);
    if (failed == errno.AGAIN || failed == errno.INTR) continue;
    if (failed != errno.SUCCESS) exit(failed == errno.PIPE ? 0 : 1);
    address += load<u32>(counts);
    length -= load<i32>(counts);
  }
}

/** Reads into `target`; returns how many bytes, 0 at the end, or a negative errno. */
export function read(file: i32, target: usize, length: i32): i32 {
  piece.buf = target;
  piece.buf_len = length;
  let failed = fd_read(file, changetype<usize>(piece), 1, counts);
  while (failed == errno.AGAIN || failed == errno.INTR) {
    failed = fd_read(file, changetype<usize>(piece), 1, counts);
  }
  return failed == errno.SUCCESS ? load<i32>(counts) : -<i32>failed;
}

/** Continues reading at `offset`. */
export function seek(file: i32, offset: i64): i32 {
  return -<i32>fd_seek(file, offset, whence.SET, counts);
}

/** Whether someone sits at the other end, who would have to be asked. */
export function isTerminal(file: i32): bool {
  if (fd_fdstat_get(file, changetype<fdstat>(status)) != errno.SUCCESS) return true;
  return changetype<fdstat>(status).filetype == filetype.CHARACTER_DEVICE;
}

/** Bytes of a file; 0 of what has no size, -IS_DIRECTORY of a folder. */
export function sizeOf(file: i32): i64 {
  const found = changetype<filestat>(status);
  if (fd_filestat_get(file, found) != errno.SUCCESS) return 0;
  if (found.filetype == filetype.DIRECTORY) return -IS_DIRECTORY;
  return found.filetype == filetype.REGULAR_FILE ? <i64>found.size : 0;
}

/** 32 random bits. */
export function random(): u32 {
  random_get(counts, 4);
  return load<u32>(counts);
}

/** Opens a file for reading, by a path that ends with a zero; a descriptor or a negative errno. */
export function openFile(path: usize): i32 {
  let best: i32 = -1;
  let bestLength: i32 = -1;
  const given = changetype<prestat>(counts);
  for (let at = FIRST_FOLDER; fd_prestat_get(at, given) == errno.SUCCESS; at++) {
    const length = <i32>changetype<prestat_dir>(counts).name_len;
    if (given.type != preopentype.DIR || length > FOLDER_BYTES_MAX) continue;
    if (fd_prestat_dir_name(at, folder, length) != errno.SUCCESS) continue;
    const matched = matchFolder(path, length);
    if (matched <= bestLength) continue;
    best = at;
    bestLength = matched;
  }
  if (best < 0) return -NO_FOLDER;
  return openIn(best, withoutDots(path + bestLength));
}

/** Bytes of the path that name the folder in `folder`; -1 when the path lies elsewhere. */
function matchFolder(path: usize, length: i32): i32 {
  // Some hosts count the zero behind the name.
  while (length > 0 && load<u8>(folder + length - 1) == 0) length--;
  const isHere = length == 0 || (length == 1 && load<u8>(folder) == 0x2e);
  if (isHere) return load<u8>(path) == 0x2f ? -1 : 0;
  while (length > 0 && load<u8>(folder + length - 1) == 0x2f) length--;
  if (memory.compare(path, folder, length) != 0) return -1;
  const next = load<u8>(path + length);
  return next == 0x2f || next == 0 ? length : -1;
}

/** The path without the "./" and slashes that it begins with: folders want relative ones. */
function withoutDots(path: usize): usize {
  while (true) {
    if (load<u8>(path) == 0x2f) path++;
    else if (load<u8>(path) == 0x2e && load<u8>(path, 1) == 0x2f) path += 2;
    else return path;
  }
}

function openIn(folderFile: i32, path: usize): i32 {
  let length: usize = 0;
  while (load<u8>(path + length) != 0) length++;
  if (length == 0) {
    store<u8>(folder, 0x2e);
    path = folder;
    length = 1;
  }
  const wanted = rights.FD_READ | rights.FD_SEEK | rights.FD_FILESTAT_GET;
  const failed = path_open(folderFile, lookupflags.SYMLINK_FOLLOW, path, length, 0, wanted, 0, 0,
    counts);
  return failed == errno.SUCCESS ? load<i32>(counts) : -<i32>failed;
}
