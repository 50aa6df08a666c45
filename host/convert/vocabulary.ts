// The tokenizer of a checkpoint as GGUF metadata: what llama.cpp's converter would write. Knows
// nothing of how text is cut into tokens.

import { NibbleError } from "../errors";
import { readBytes, readJson, readText, isObject, type Folder, type Json } from "./files";
import { entry } from "./header";
import { bytePairsOf } from "./bytepairs";
import { sentencePiecesOf } from "./sentencepiece";
import { KIND, type Vocabulary } from "./words";
import type { RawEntry } from "./tools";

const SETTINGS = "tokenizer_config.json";

/**
 * The metadata of a folder's tokenizer for an embedding of `rows`. Throws MISSING_TOKENIZER,
 * TOKENIZER_MISMATCH, UNSUPPORTED_TOKENIZER or BAD_CHECKPOINT.
 */
export async function vocabularyEntries(
  folder: Folder, config: Json, rows: number,
): Promise<RawEntry[]> {
  const settings = await readJson(folder, SETTINGS) ?? {};
  const vocabulary = await readVocabulary(folder, rows);
  addTokens(vocabulary, settings, rows);
  const { tokens, types, scores, merges } = vocabulary;
  const unused = Array.from({ length: rows }, (_, id) => tokens[id] === undefined);
  return [
    entry.text("tokenizer.ggml.model", vocabulary.model),
    entry.text("tokenizer.ggml.pre", vocabulary.pre),
    entry.texts("tokenizer.ggml.tokens", Array.from({ length: rows },
      (_, id) => tokens[id] ?? `[PAD${id}]`)),
    ...(scores ? [entry.floats("tokenizer.ggml.scores", Array.from({ length: rows },
      (_, id) => scores[id] ?? (unused[id] ? -10000 : -1000)))] : []),
    entry.integers("tokenizer.ggml.token_type", Array.from({ length: rows },
      (_, id) => (unused[id] ? KIND.unused : types[id] ?? KIND.normal))),
    ...(merges ? [entry.texts("tokenizer.ggml.merges", merges)] : []),
    ...specialEntries(vocabulary, settings, config),
    ...await templateEntries(folder, settings),
  ];
}

async function readVocabulary(folder: Folder, rows: number): Promise<Vocabulary> {
  const pieces = await readBytes(folder, "tokenizer.model");
  if (pieces) return sentencePiecesOf(pieces, rows);
  const file = await readJson(folder, "tokenizer.json");
  if (file) return bytePairsOf(file, rows);
  throw new NibbleError("MISSING_TOKENIZER",
    `${folder.name} has neither tokenizer.json nor tokenizer.model; download it, too.`);
}

/**
 * Tokens that only the settings name; those they call special become control tokens. Training often
 * adds a token for padding that the embedding has no row for: no text ever meets it.
 */
function addTokens(vocabulary: Vocabulary, settings: Json, rows: number): void {
  const added = settings["added_tokens_decoder"];
  if (!isObject(added)) return;
  for (const [key, token] of Object.entries(added)) {
    if (!isObject(token) || typeof token["content"] !== "string") continue;
    if (Number(key) >= rows && token["content"] === settingOf(settings, "pad")) continue;
    vocabulary.add(Number(key), token["content"], rows,
      token["special"] === true ? KIND.control : KIND.userDefined);
  }
}

/** The text of a special token, as the settings have it. */
function settingOf(settings: Json, name: string): unknown {
  const setting = settings[`${name}_token`];
  return isObject(setting) ? setting["content"] : setting;
}

/** Names of special tokens in checkpoints and in GGUF. */
const SPECIAL = { bos: "bos", eos: "eos", unk: "unknown", pad: "padding" } as const;

/**
 * Ids of special tokens. config.json goes first: it is what generation stops at. Where the settings
 * end texts with another token, that one ends answers, too.
 */
function specialEntries(
  { tokens, model, hasSpacePrefix }: Vocabulary, settings: Json, config: Json,
): RawEntry[] {
  const entries: RawEntry[] = [];
  for (const [name, called] of Object.entries(SPECIAL)) {
    const text = settingOf(settings, name);
    const spelled = typeof text === "string" ? tokens.indexOf(text) : -1;
    const given = config[`${name}_token_id`];
    const first = Array.isArray(given) ? given[0] as unknown : given;
    const id = typeof first === "number" && first in tokens ? first : spelled;
    if (id < 0) continue;
    entries.push(entry.whole(`tokenizer.ggml.${called}_token_id`, id));
    if (name === "eos" && spelled >= 0 && spelled !== id) {
      entries.push(entry.whole("tokenizer.ggml.eot_token_id", spelled));
    }
  }
  const asksFor = (key: string): unknown => settings[key];
  const [bos, eos] = [asksFor("add_bos_token"), asksFor("add_eos_token")];
  // What a reader takes for granted differs between vocabularies, so it is said.
  const addsBos = typeof bos === "boolean" ? bos : model === "llama";
  entries.push(entry.flag("tokenizer.ggml.add_bos_token", addsBos));
  if (typeof eos === "boolean") entries.push(entry.flag("tokenizer.ggml.add_eos_token", eos));
  const prefix = asksFor("add_prefix_space");
  entries.push(entry.flag("tokenizer.ggml.add_space_prefix",
    typeof prefix === "boolean" ? prefix : hasSpacePrefix));
  return entries;
}

/** The chat template: a file of its own goes before the settings, where it may have a name. */
async function templateEntries(folder: Folder, settings: Json): Promise<RawEntry[]> {
  const own = await readText(folder, "chat_template.jinja");
  if (own !== undefined) return [entry.text("tokenizer.chat_template", own)];
  const template = settings["chat_template"];
  if (typeof template === "string") return [entry.text("tokenizer.chat_template", template)];
  if (!Array.isArray(template)) return [];
  return (template as unknown[]).flatMap((named) => {
    const { name, template: text } = isObject(named) ? named : {};
    if (typeof name !== "string" || typeof text !== "string") return [];
    const key = name === "default" ? "" : `.${name.replace(/[^\w-]/g, "_")}`;
    return [entry.text(`tokenizer.chat_template${key}`, text)];
  });
}
