// Runs the WASI program as a page or a Worker would, without a host of its own: node shim.mjs
// PROGRAM [ARGUMENT ...], with the files of the current folder, and of no other, in memory.

import { readFileSync, readdirSync } from "node:fs";
import { join } from "node:path";
import {
  ConsoleStdout, Directory, File, OpenFile, PreopenDirectory, WASI,
} from "@bjorn3/browser_wasi_shim";

/** Files and folders by name, two levels deep. */
function contents(folder, depth = 2) {
  return new Map(readdirSync(folder, { withFileTypes: true }).flatMap((entry) => {
    const path = join(folder, entry.name);
    if (entry.isFile()) return [[entry.name, new File(readFileSync(path))]];
    return entry.isDirectory() && depth > 1
      ? [[entry.name, new Directory(contents(path, depth - 1))]] : [];
  }));
}

const [program, ...rest] = process.argv.slice(2);
const wasi = new WASI([program, ...rest], [], [
  new OpenFile(new File(readFileSync(0))),
  new ConsoleStdout((bytes) => process.stdout.write(bytes.slice())),
  new ConsoleStdout((bytes) => process.stderr.write(bytes.slice())),
  new PreopenDirectory(".", contents(process.cwd())),
], { debug: false });
const module = new WebAssembly.Module(readFileSync(program));
const instance = new WebAssembly.Instance(module, { wasi_snapshot_preview1: wasi.wasiImport });
process.exitCode = wasi.start(instance);
