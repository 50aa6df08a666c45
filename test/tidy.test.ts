// Style as a failing test: which room may look into which, what every file says first, how long
// things may be, and what must not be there at all. Where reality teaches better, change the code,
// docs/ARCHITECTURE.md and the tables here together.
// Does not know: what the code does.

import { existsSync, readFileSync, readdirSync } from "node:fs";
import { dirname, join, relative, sep } from "node:path";
import { fileURLToPath } from "node:url";
import { gzipSync } from "node:zlib";
import ts from "typescript";
import { describe, expect, it } from "vitest";
import type { EngineExports } from "../host/engine";

const root = fileURLToPath(new URL("..", import.meta.url));

/** The ranks: a file imports only from lower ones of its own tree, never from its own. */
const RANKS: Record<string, string[][]> = {
  assembly: [
    ["errors", "half", "simd", "blocks", "text", "threads", "tokenizer/alphabet",
      "tokenizer/unicode-runs"],
    ["known", "math", "sha256", "plan", "sentences", "superblocks", "xxhash"],
    ["kernels/add", "kernels/attention", "kernels/attention3", "kernels/divide", "kernels/embed",
      "kernels/matmul", "kernels/matvec", "kernels/quantize", "kernels/rmsnorm", "kernels/rope",
      "kernels/softmax", "kernels/swiglu", "quantize", "sums", "tokenizer/unicode"],
    ["gguf", "identity", "search", "tokenizer/pretokens"],
    ["metadata", "values"],
    ["parts", "patches"],
    ["config"],
    ["places", "session", "tokenizer/settings"],
    ["batch", "model", "random", "sampling", "tokenizer/tokens"],
    ["attend", "idle", "observe", "repack", "snapshot", "tokenizer/byte", "tokenizer/control",
      "tokenizer/joins", "tokenizer/specials"],
    ["candidates", "multiply", "tokenizer/merges"],
    ["block", "dry", "tokenizer/merging", "tokenizer/vocabulary"],
    ["bytepool", "embedding", "sampler", "tokenizer/bpe", "tokenizer/spm", "tokenizer/words"],
    ["facts", "forward", "tokenizer/index"],
    ["load"],
    ["index", "kernels/index"],
    ["tools"],
    ["wasi/characters", "wasi/embedded", "wasi/numbers", "wasi/system"],
    ["wasi/output"],
    ["wasi/arguments"],
    ["wasi/model", "wasi/prompt", "wasi/stops"],
    ["wasi/logits", "wasi/run", "wasi/show", "wasi/tokenize"],
    ["wasi"],
  ],
  host: [
    ["completion", "errors", "grammar/boxes", "grammar/points", "grammar/records",
      "grammar/syntax", "lookup", "noise", "repeated", "turns", "waiting"],
    ["grammar/cells", "grammar/choices", "grammar/pattern", "grammar/spelling", "grammar/states",
      "pool", "questions", "schema", "text"],
    ["grammar/alike", "grammar/parts"],
    ["options", "value"],
    ["engine", "grammar/facts", "grammar/gbnf", "grammar/regex", "settings"],
    ["grammar/copies", "grammar/heads", "grammar/leftmost"],
    ["grammar/program"],
    ["grammar/automaton"],
    ["grammar/json/ahead", "grammar/json/decimals", "grammar/json/formats", "grammar/json/limits",
      "grammar/json/values"],
    ["grammar/json/language", "grammar/json/measure", "grammar/json/schema"],
    ["grammar/json/apart", "grammar/json/keywords", "grammar/json/machine",
      "grammar/json/negation"],
    ["grammar/json/strings"],
    ["grammar/json/judge", "grammar/json/numbers", "grammar/json/read"],
    ["grammar/json/merged", "grammar/json/references"],
    ["grammar/json/branches"],
    ["grammar/json/finite", "grammar/json/maker"],
    ["grammar/json/arrays", "grammar/json/names"],
    ["grammar/json/objects"],
    ["grammar/schema"],
    ["builds", "controls", "draft", "grammar/trie", "info", "passes", "source", "step", "tokens"],
    ["breakers", "chat", "grammar/mask", "head", "kept", "recommended", "snapshot", "threads"],
    ["grammar/constraint", "sampling", "split"],
    ["grammar/forced", "load", "shapes", "shards"],
    ["writer"],
    ["session"],
    ["continuations", "extract", "score"],
    ["choose"],
    ["classify"],
    ["model"],
    ["open", "remote", "sessions"],
    ["ai", "index"],
    ["server/html.d", "server/metrics", "server/refusal", "server/replies", "server/writings"],
    ["server/body", "server/durable", "server/fields", "server/key", "server/paths",
      "server/running", "server/speller", "server/stream", "server/whole"],
    ["server/sampling", "server/shape"],
    ["server/jobs", "server/parameters"],
    ["server"],
    ["platform/addresses", "platform/fetched", "platform/files", "platform/message",
      "platform/once", "platform/thread", "platform/threads", "platform/wasm.d",
      "platform/webthreads", "platform/workerd"],
    ["platform/browser", "platform/deno", "platform/node", "platform/workers",
      "platform/workers-relaxed"],
    ["platform/bun", "platform/worker"],
    ["convert/files", "convert/tools", "convert/words"],
    ["convert/bytepairs", "convert/header", "convert/safetensors", "convert/sentencepiece"],
    ["convert/family", "convert/plan", "convert/vocabulary"],
    ["convert/gguf", "convert/places"],
    ["convert/checkpoint", "convert/write"],
    ["convert/calibrate"],
    ["cli/disk", "cli/files", "cli/nearest", "cli/progress"],
    ["cli/arguments", "cli/lines"],
    ["cli/sampling", "cli/shape"],
    ["cli/bench", "cli/chat", "cli/convert", "cli/eval", "cli/logits", "cli/run", "cli/serve",
      "cli/show", "cli/tokenize"],
    ["cli/main"],
  ],
};

/** What a kernel may know. */
const KERNEL_KNOWLEDGE = ["assembly/simd", "assembly/math", "assembly/blocks"];
/** Files that nothing imports, because something outside starts them. */
const ENTRIES = ["assembly/index", "assembly/kernels/index", "assembly/tools", "assembly/wasi",
  "host/ai", "host/cli/main", "host/platform/browser", "host/platform/bun", "host/platform/deno",
  "host/platform/node", "host/platform/thread", "host/platform/wasm.d", "host/platform/worker",
  "host/platform/workers", "host/platform/workers-relaxed", "host/server/html.d"];
/** A platform is thin: what it brings, and no more. */
const PLATFORM_LINES_MAX = 80;
/** The one file of the engine's tree that sees a machine, and how it sees it. */
const MACHINE = { file: "assembly/wasi/system",
  bindings: "@assemblyscript/wasi-shim/assembly/bindings/wasi_snapshot_preview1" };
/** A sentence that is cut is hard to search for, so these templates stand on one line each. */
const LONG_LINES = { file: "assembly/sentences", line: /^ {4}case errors\.[A-Z_]+: return "/ };
const COLUMNS_MAX = 100;
const FUNCTION_LINES_MAX = 70;
const FILE_LINES_MAX = 400;
const WASM_BYTES_MAX = 100_000;
const WASM_GZIP_MAX = 40_000;

interface SourceFile {
  /** Path without its ending, from the root, with slashes. */
  name: string;
  lines: string[];
  text: string;
  tree: ts.SourceFile;
  /** Files of this repository that it imports, in the same form. */
  imports: string[];
  /** Everything it imports, as written. */
  specifiers: string[];
}

function readSource(path: string): SourceFile {
  const text = readFileSync(path, "utf8");
  const tree = ts.createSourceFile(path, text, ts.ScriptTarget.Latest, true);
  const specifiers = tree.statements.flatMap((statement) => (
    (ts.isImportDeclaration(statement) || ts.isExportDeclaration(statement))
      && statement.moduleSpecifier && ts.isStringLiteral(statement.moduleSpecifier)
      ? [statement.moduleSpecifier.text] : []));
  // The engine lies beside the host only once both are built; a page is bundled as text.
  const isSource = (specifier: string): boolean => /^\.(?!.*\.(wasm|html)$)/.test(specifier);
  const imports = specifiers.filter(isSource).map(
    (specifier) => nameOf(join(dirname(path), specifier)));
  return { name: nameOf(path), lines: text.split("\n"), text, tree, imports, specifiers };
}

function nameOf(path: string): string {
  return relative(root, path).split(sep).join("/").replace(/\.ts$/, "");
}

function sourcesOf(folder: string): SourceFile[] {
  const place = join(root, folder);
  if (!existsSync(place)) return [];
  return readdirSync(place, { recursive: true, encoding: "utf8" })
    .filter((path) => path.endsWith(".ts") && !path.includes("node_modules"))
    .map((path) => readSource(join(place, path)));
}

const assembly = sourcesOf("assembly");
const host = sourcesOf("host");
const product = [...assembly, ...host];
const all = [...product, ...sourcesOf("test"), ...sourcesOf("bench")];

/** `file:line` of every line that matches. */
function linesOf(sources: SourceFile[], matches: (line: string, source: SourceFile) => boolean) {
  return sources.flatMap((source) => source.lines.flatMap((line, index) => (
    matches(line, source) ? [`${source.name}.ts:${index + 1}`] : [])));
}

/** Every node of a file. */
function* nodesOf(node: ts.Node): Generator<ts.Node> {
  yield node;
  for (const child of node.getChildren()) yield* nodesOf(child);
}

function place(source: SourceFile, node: ts.Node): string {
  const { line } = source.tree.getLineAndCharacterOfPosition(node.getStart());
  return `${source.name}.ts:${line + 1}`;
}

describe("the rooms", () => {
  const ranks = new Map<string, number>();
  for (const [tree, rows] of Object.entries(RANKS)) {
    rows.forEach((row, rank) => row.forEach((name) => ranks.set(`${tree}/${name}`, rank)));
  }

  it("are all in the table, and the table names no others", () => {
    expect([...ranks.keys()].sort()).toEqual(product.map(({ name }) => name).sort());
  });

  it("look only into lower ones of their own tree", () => {
    const wrong = product.flatMap(({ name, imports }) => imports.filter((target) => {
      if (target.split("/")[0] !== name.split("/")[0]) return true;
      return !((ranks.get(target) ?? Infinity) < (ranks.get(name) ?? -1));
    }).map((target) => `${name} -> ${target}`));
    expect(wrong).toEqual([]);
  });

  it("have no circles, in the tests neither", () => {
    const imports = new Map(all.map((source) => [source.name, source.imports]));
    const done = new Set<string>();
    const circles: string[] = [];
    const visit = (name: string, path: string[]): void => {
      if (path.includes(name)) circles.push([...path.slice(path.indexOf(name)), name].join(" -> "));
      if (path.includes(name) || done.has(name)) return;
      for (const next of imports.get(name) ?? []) visit(next, [...path, name]);
      done.add(name);
    };
    for (const name of imports.keys()) visit(name, []);
    expect(circles).toEqual([]);
  });

  it("for kernels know only simd, math and blocks", () => {
    const wrong = assembly.filter(({ name }) => name.startsWith("assembly/kernels/")
      && name !== "assembly/kernels/index").flatMap(({ name, imports }) => (
      imports.filter((target) => !KERNEL_KNOWLEDGE.includes(target))
        .map((target) => `${name} -> ${target}`)));
    expect(wrong).toEqual([]);
  });

  it("are all used", () => {
    const used = new Set(product.flatMap(({ imports }) => imports));
    const unused = product.map(({ name }) => name)
      .filter((name) => !used.has(name) && !ENTRIES.includes(name));
    expect(unused).toEqual([]);
  });

  it("know of a platform only in platform/ and cli/", () => {
    const wrong = host.filter(({ name }) => !/^host\/(platform|cli)\//.test(name))
      .filter(({ text, specifiers }) => specifiers.some((it) => it.startsWith("node:"))
        || /\b(process|Buffer|require|Deno|Bun)\./.test(text));
    expect(wrong.map(({ name }) => name)).toEqual([]);
    const named = assembly.filter(({ name, specifiers }) => specifiers.some((it) => (
      !it.startsWith(".") && !(name === MACHINE.file && it === MACHINE.bindings))));
    expect(named.map(({ name }) => name)).toEqual([]);
  });

  it("are thin where they adapt to a platform", () => {
    expect(host.filter(({ name, lines }) => name.startsWith("host/platform/")
      && lines.length - 1 > PLATFORM_LINES_MAX).map(({ name }) => name)).toEqual([]);
  });

  it("import by names without endings", () => {
    const wrong = product.filter(({ specifiers }) => specifiers.some((it) => (
      it.startsWith(".") && /\.(ts|js)$/.test(it))));
    expect(wrong.map(({ name }) => name)).toEqual([]);
  });
});

describe("every file", () => {
  it("says first what it is, in sentences", () => {
    // The comment runs up to the first line that is none.
    const wrong = all.filter(({ text }) => !/^(#!.*\n)?\/\/ \S(.*\n\/\/)*.*\.( |\n)/.test(text));
    expect(wrong.map(({ name }) => name)).toEqual([]);
  });

  it("is at most 400 lines long, 100 columns wide, and ends with a newline", () => {
    expect(all.filter(({ lines }) => lines.length - 1 > FILE_LINES_MAX)
      .map(({ name, lines }) => `${name}: ${lines.length - 1}`)).toEqual([]);
    expect(linesOf(all, (line, { name }) => (
      [...line].length > COLUMNS_MAX && !(name === LONG_LINES.file && LONG_LINES.line.test(line))
    ))).toEqual([]);
    expect(all.filter(({ text }) => !text.endsWith("\n") || text.endsWith("\n\n"))
      .map(({ name }) => name)).toEqual([]);
    expect(linesOf(all, (line) => /[ \t\r]$/.test(line) || line.includes("\t"))).toEqual([]);
  });

  it("has functions of at most 70 lines", () => {
    const wrong = all.flatMap((source) => [...nodesOf(source.tree)].filter((node) => {
      if (!ts.isFunctionLike(node) || !("body" in node) || !node.body) return false;
      // The body of a `describe` is a list of tests, not a function that is read in one go.
      if (isDescribe(node.parent)) return false;
      const from = source.tree.getLineAndCharacterOfPosition(node.getStart()).line;
      const to = source.tree.getLineAndCharacterOfPosition(node.end).line;
      return to - from + 1 > FUNCTION_LINES_MAX;
    }).map((node) => place(source, node)));
    expect(wrong).toEqual([]);
  });

  it("leaves nothing to be done, and silences no checker", () => {
    const undone = new RegExp(`\\b(${"TO" + "DO"}|${"FIX" + "ME"}|${"X".repeat(3)})\\b`);
    expect(linesOf(all, (line) => undone.test(line))).toEqual([]);
    const ignored = new RegExp(`@ts-(${"ignore"}|expect-error|nocheck)|eslint-disable`);
    expect(linesOf(all, (line, { name }) => ignored.test(line)
      && !(name.startsWith("assembly/") && line.trim() === "// @ts-ignore: decorator")
      && name !== "test/tidy.test")).toEqual([]);
  });

  it("has no type any", () => {
    const wrong = all.flatMap((source) => [...nodesOf(source.tree)]
      .filter((node) => node.kind === ts.SyntaxKind.AnyKeyword)
      .map((node) => place(source, node)));
    expect(wrong).toEqual([]);
  });

  it("uses none of the words that say nothing", () => {
    const empty = /\b(util|utils|helper|helpers|common|manager)\b/;
    expect(product.filter(({ name }) => empty.test(name)).map(({ name }) => name)).toEqual([]);
  });
});

function isDescribe(node: ts.Node | undefined): boolean {
  if (!node || !ts.isCallExpression(node)) return false;
  return /^describe\b/.test(node.expression.getText());
}

it("the lock file names no registry", () => {
  const folders = ["", "test/oracle/", "test/platforms/", "test/platforms/arm64/",
    "test/bundlers/", "test/clients/", "bench/peers/"];
  for (const file of folders.map((folder) => `${folder}package-lock.json`)) {
    const path = join(root, file);
    if (!existsSync(path)) continue;
    const { packages } = JSON.parse(readFileSync(path, "utf8")) as {
      packages: Record<string, { resolved?: string }>;
    };
    expect(Object.entries(packages).filter(([, entry]) => entry.resolved).map(([name]) => name),
      file).toEqual([]);
  }
});

/** What each build is made for, by its file. */
const BUILDS = [
  { file: "nibble.wasm", imports: [] },
  { file: "nibble-relaxed.wasm", imports: [] },
  { file: "nibble-threads.wasm", imports: ["env.memory"] },
  { file: "nibble-relaxed-threads.wasm", imports: ["env.memory"] },
];

describe.each(BUILDS)("the engine's file $file", ({ file, imports }) => {
  const bytes = readFileSync(join(root, "dist", file));

  it("is small", () => {
    expect(bytes.length).toBeLessThanOrEqual(WASM_BYTES_MAX);
    expect(gzipSync(bytes).length).toBeLessThanOrEqual(WASM_GZIP_MAX);
  });

  it("imports nothing but a memory to share, and exports what the host's table says", () => {
    // Where the runtime does not know relaxed SIMD there is no module to ask.
    if (!WebAssembly.validate(bytes)) return expect(file).toContain("relaxed");
    const module = new WebAssembly.Module(bytes);
    expect(WebAssembly.Module.imports(module).map((entry) => `${entry.module}.${entry.name}`))
      .toEqual(imports);
    const table = membersOf("EngineExports");
    const exported = WebAssembly.Module.exports(module).map(({ name }) => name);
    expect(exported.sort()).toEqual(table.sort());
  });
});

describe("the engine's codes", () => {
  const bytes = readFileSync(join(root, "dist", "nibble.wasm"));
  const module = new WebAssembly.Module(bytes);

  it("has a name and a sentence for every code, which the host knows by the same name", () => {
    const engine = new WebAssembly.Instance(module).exports as unknown as EngineExports;
    const errors = readFileSync(join(root, "assembly", "errors.ts"), "utf8");
    const last = Number(/LAST_CODE: i32 = (-\d+)/.exec(errors)?.[1]);
    expect(last).toBeLessThan(-40);
    const known = literalsOf("EngineErrorCode");
    const names = ["INTERNAL"];
    for (let code = -2; code >= last; code--) {
      const length = engine.messageLength(code);
      const message = String(Buffer.from(engine.memory.buffer, engine.messageAddress(), length));
      const [name, sentence] = message.split("|");
      expect(message, `code ${code}`).toMatch(/^[A-Z_]+\|\w[^\n$]+\.$/);
      expect(`${name}${sentence}`).not.toMatch(/undefined|null/);
      expect(new RegExp(`${name}: i32 = (-\\d+)`).exec(errors)?.[1]).toBe(String(code));
      names.push(name ?? "");
    }
    expect(names.sort()).toEqual(known.sort());
  });
});

/** Members of an interface of the host, by name. */
function membersOf(name: string): string[] {
  const found = host.flatMap(({ tree }) => [...nodesOf(tree)]).find((node) => (
    ts.isInterfaceDeclaration(node) && node.name.text === name));
  if (!found || !ts.isInterfaceDeclaration(found)) throw new Error(`there is no interface ${name}`);
  return found.members.map((member) => member.name?.getText() ?? "");
}

/** The texts of a union type of the host. */
function literalsOf(name: string): string[] {
  const found = host.flatMap(({ tree }) => [...nodesOf(tree)]).find((node) => (
    ts.isTypeAliasDeclaration(node) && node.name.text === name));
  if (!found) throw new Error(`there is no type ${name}`);
  return [...nodesOf(found)].filter(ts.isStringLiteral).map((literal) => literal.text);
}
