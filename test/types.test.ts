// The types that are shipped, used by a strict program under Node's own resolution, as a module and
// as CommonJS, and under that of bundlers for other platforms. Does not know: what the functions
// do.

import { execFileSync } from "node:child_process";
import { cpSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { createRequire } from "node:module";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { expect, it } from "vitest";

const root = fileURLToPath(new URL("../", import.meta.url));
const tsc = join(dirname(createRequire(import.meta.url).resolve("typescript/package.json")),
  "bin/tsc");

/** In two pieces: here it would be an excuse, in the program it is the check. */
const EXPECT_ERROR = ["@ts", "expect-error"].join("-");
const PROGRAM = `
import { load, NibbleError, type GenerateOptions, type Model,
  type StandardSchema } from "nibble-lm";
const model: Model = await load("x.gguf", { context: 64 });
const options: GenerateOptions = { seed: 7 };
for await (const text of model.generate("a", options)) { const same: string = text; void same; }
// ${EXPECT_ERROR} a misspelt option
await model.complete("a", { sede: 1 });
const { finishReason, text } = await model.complete("a", { regex: "a+" });
void [finishReason, text];
const chosen = await model.complete("a", { choices: ["yes", "no"] });
if (chosen.finishReason === "stop") { const same: "yes" | "no" = chosen.value; void same; }
// ${EXPECT_ERROR} a text that was cut has no value
const never: "yes" | "no" = chosen.value; void never;
const person = await model.complete("a", { seed: 1, schema: {
  type: "object", required: ["name", "tags"], properties: {
    name: { type: "string" }, age: { type: ["integer", "null"] },
    tags: { type: "array", items: { enum: ["x", 1] } },
  } } });
if (person.finishReason === "stop") {
  const same: { name: string; age?: number | null; tags: ("x" | 1)[] } = person.value; void same;
  // ${EXPECT_ERROR} a member that the schema does not have
  void person.value.other;
}
// ${EXPECT_ERROR} a misspelt option beside a schema
await model.complete("a", { schema: true, sede: 1 });
interface Halves { readonly half: number }
const halves = null as unknown as StandardSchema<number, Halves>;
const half = await model.completeChat([], { schema: halves });
if (half.finishReason === "stop") { const same: Halves = half.value; void same; }
// ${EXPECT_ERROR} a schema of a library that cannot tell its JSON schema
await model.complete("a", { schema: null as unknown as { "~standard": { version: 1 } } & Date });
const tree = { $defs: { node: { type: "object", required: ["next"], properties: {
  next: { anyOf: [{ $ref: "#/$defs/node" }, { type: "null" }] } } } },
  $ref: "#/$defs/node" } as const;
const found = await model.extract("a", tree);
if (found.value) { const same: object | null | undefined = found.value.next?.next; void same; }
const unknownYet: unknown = (await model.complete("a", options)).value; void unknownYet;
const list = await model.extract("a", { type: "array", items: { type: "null" }, prefixItems: [
  { type: "string" }, { type: "boolean" }] });
// ${EXPECT_ERROR} a list without minItems may be empty
if (list.value) { const none: string = list.value[0]; void none; }
if (list.value) { const third: null | undefined = list.value[2]; void third; }
const pair = await model.extract("a", { type: "array", minItems: 2, prefixItems: [
  { type: "string" }, { type: "boolean" }] });
if (pair.value) { const same: [string, boolean] = pair.value; void same; }
const loose = await model.extract("a", { properties: { n: { type: "null" } }, required: ["n"] });
// ${EXPECT_ERROR} a schema without type may be a number
if (loose.value) void loose.value.n;
const [label] = await model.classify("a", ["good", "bad"]);
const name: "good" | "bad" | undefined = label?.label; void name;
export const error: NibbleError = new NibbleError("BAD_OPTION", "x");
`;

it.each([
  ["nodenext", "nodenext", "ts", "node"], ["node16", "node16", "cts", "node"],
  ["esnext", "bundler", "ts", "workerd"], ["esnext", "bundler", "ts", "browser"],
])(
  "compile with module %s and resolution %s as .%s on %s",
  (module, resolution, ending, platform) => {
    const folder = mkdtempSync(join(tmpdir(), "nibble-types-"));
    try {
      const target = join(folder, "node_modules/nibble-lm");
      mkdirSync(target, { recursive: true });
      cpSync(join(root, "dist"), join(target, "dist"), { recursive: true });
      cpSync(join(root, "package.json"), join(target, "package.json"));
      writeFileSync(join(folder, "package.json"), '{"type":"module"}');
      // CommonJS has no await at its top.
      const program = ending === "ts" ? PROGRAM
        : PROGRAM.replace(/const model[^]*(?=export)/, "export async function main() {$&}\n");
      writeFileSync(join(folder, `program.${ending}`), program);
      const run = (): Buffer => execFileSync(process.execPath, [
        tsc, "--noEmit", "--strict", "--target", "es2022", "--module", module,
        "--moduleResolution", resolution,
        "--lib", "es2023,dom,dom.asynciterable,esnext.disposable",
        ...(platform === "node" ? [] : ["--customConditions", platform]), `program.${ending}`,
      ], { cwd: folder, stdio: "pipe" });
      expect(run().toString()).toBe("");
    } finally {
      rmSync(folder, { recursive: true, force: true });
    }
  });
