// bench/results.json as tables and charts: the generated parts of docs/PEERS.md, and docs/charts/.
// `node bench/report/report.mjs` writes them again.
// Does not know: how anything was measured.

import { mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { fileURLToPath, pathToFileURL } from "node:url";
import { readResults } from "../results.mjs";
import { growthParts } from "./growth.mjs";
import { peersParts } from "./peers.mjs";

const docs = fileURLToPath(new URL("../../docs/", import.meta.url));

/** Puts what was measured last between the marks, and writes the charts. */
export function writeReport() {
  const { peers, growth } = readResults();
  const parts = [...(peers ? [peersParts(peers)] : []), ...(growth ? [growthParts(growth)] : [])];
  const path = `${docs}PEERS.md`;
  let text = readFileSync(path, "utf8");
  mkdirSync(`${docs}charts`, { recursive: true });
  for (const { name, markdown, charts } of parts) {
    text = between(text, name, markdown);
    for (const [file, svg] of Object.entries(charts)) writeFileSync(`${docs}charts/${file}`, svg);
  }
  writeFileSync(path, text);
}

/** The text with a new part between its marks. */
function between(text, name, part) {
  const [begin, end] = [`<!-- ${name}: begin -->`, `<!-- ${name}: end -->`];
  const [from, to] = [text.indexOf(begin), text.indexOf(end)];
  if (from < 0 || to < from) throw new Error(`docs/PEERS.md has lost its marks of ${name}.`);
  return `${text.slice(0, from + begin.length)}\n${part}\n${text.slice(to)}`;
}

if (import.meta.url === pathToFileURL(process.argv[1]).href) writeReport();
