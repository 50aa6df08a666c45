// Writes a text: token after token, each into the cache before the next is picked, until the model,
// a stop sequence, the form of the text or the room for it ends it. Knows nothing of prompts.

import type { Writing } from "./completion";
import type { Draft } from "./draft";
import type { Engine } from "./engine";
import { NibbleError } from "./errors";
import type { Constraint, Guide } from "./grammar/constraint";
import { forcedTokens, type ForcedToken } from "./grammar/forced";
import { vocabularyOf } from "./grammar/trie";
import type { TokenStep } from "./options";
import type { Settings } from "./settings";
import { forcedStep, stepOf } from "./step";
import { decodeToken } from "./tokens";

/** The session that a text is written in. */
export interface Page {
  readonly engine: Engine;
  readonly index: number;
  /** Tokens that were written and shown but are not in the cache yet. */
  pending: number[];
  /** Whether anything but BOS has come, so that words have their spaces. */
  hasText: boolean;
  /** Throws when the session or its model is gone. */
  check(): void;
  /** Tokens that the context still takes, not counting those that are pending. */
  room(): number;
  /** Reads tokens into the cache; the logits of the last are wanted. */
  read(tokens: readonly number[], signal: AbortSignal | undefined): Promise<void>;
}

/** What a text has to keep to besides its settings. */
export interface Form {
  /** Tokens that end it, besides the model's own. */
  readonly endings?: ReadonlySet<number> | undefined;
  /** What it may be (grammar/constraint.ts). */
  readonly constraint?: Constraint | undefined;
}

/** Writes on until the end. What comes between leaves `draft` and `page` fit to go on from. */
export async function* write(page: Page, settings: Settings, draft: Draft, form: Form): Writing {
  const guide = guideOf(page, draft, form);
  const isOver = (): boolean => draft.isOver || guide?.isComplete === true;
  while (!isOver() && draft.completionTokens < settings.maxTokens) {
    const room = page.room() - page.pending.length;
    if (room < 0) break;
    const most = Math.min(settings.maxTokens - draft.completionTokens, room + 1);
    const forced = guide ? forcedTokens(page.engine, guide, !page.hasText, most) : [];
    const text = guide && forced.length > 0 ? writeForced(page, settings, draft, guide, forced)
      : await writeNext(page, settings, draft, form, guide);
    if (text) yield text;
  }
  const ends = isOver();
  const rest = draft.filter.write(draft.characters.end()) + draft.filter.end();
  if (rest) yield rest;
  const { promptTokens, completionTokens, seed } = draft;
  const finishReason = ends ? "stop" : "length";
  return { finishReason, promptTokens, reusedTokens: 0, completionTokens, seed };
}

/** The way of the text so far; undefined where it has no constraint. */
function guideOf(page: Page, draft: Draft, form: Form): Guide | undefined {
  const { engine, index } = page;
  const { constraint, endings } = form;
  if (!constraint) return undefined;
  if (constraint.vocabulary !== vocabularyOf(engine)) {
    throw new NibbleError("BAD_OPTION",
      "The form of the answer was made for another model; make one for this.");
  }
  const guide = constraint.guide(endings);
  if (draft.completionTokens === 0) return guide;
  // The text that was begun is the end of what the session has read.
  const count = engine.call((e) => e.position(index));
  const bytes = engine.bytes(engine.call((e) => e.tokensAddress(index)), count * 4);
  const all = [...new Int32Array(bytes.buffer, bytes.byteOffset, count), ...page.pending];
  all.slice(all.length - draft.completionTokens).forEach((token, i) => {
    guide.advance(decodeToken(engine, token, draft.isFirst && i === 0));
  });
  return guide;
}

/** Writes tokens that the constraint leaves no choice about. They are read with the next pass. */
function writeForced(
  page: Page, settings: Settings, draft: Draft, guide: Guide, tokens: readonly ForcedToken[],
): string {
  const { engine, index, pending } = page;
  let text = "";
  page.check();
  settings.signal?.throwIfAborted();
  for (const { token, bytes } of tokens) {
    if (draft.isOver) break;
    const step = settings.onToken && forcedStep(engine, index, token, bytes, pending.length);
    guide.advance(bytes);
    text += take(page, settings, draft, token, bytes, step);
  }
  return text;
}

/** Reads what is pending and picks the next token, or the end. */
async function writeNext(
  page: Page, settings: Settings, draft: Draft, form: Form, guide: Guide | undefined,
): Promise<string> {
  const { engine, index } = page;
  if (page.pending.length > 0) {
    await page.read(page.pending, settings.signal);
    page.pending = [];
  }
  page.check();
  settings.signal?.throwIfAborted();
  guide?.mask(maskOf(engine), !page.hasText);
  const token = engine.call((e) => (guide ? e.sampleMasked(index) : e.sample(index)));
  if (engine.exports.endsAt(token) || form.endings?.has(token)) {
    draft.isOver = true;
    return "";
  }
  const bytes = decodeToken(engine, token, !page.hasText);
  const step = settings.onToken && stepOf(engine, index, token, bytes, settings.likeliest);
  guide?.advance(bytes);
  return take(page, settings, draft, token, bytes, step);
}

/** Where the engine looks for the tokens that are allowed. */
function maskOf(engine: Engine): Uint8Array {
  return engine.bytes(engine.exports.maskAddress(), Math.ceil(engine.fact("vocabulary") / 8));
}

/** Adds a token to the text; returns what can be shown. */
function take(
  page: Page, { onToken }: Settings, draft: Draft, token: number, bytes: Uint8Array,
  step: TokenStep | undefined,
): string {
  draft.completionTokens++;
  page.pending.push(token);
  const text = draft.filter.write(draft.characters.write(bytes));
  page.hasText = true;
  if (step) onToken?.(step);
  return text;
}
