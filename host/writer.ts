// Writes a text: token after token, each into the cache before the next is picked, until the model,
// a stop sequence, the form of the text or the room for it ends it. Where there are guesses, one
// pass reads several tokens, and one more is picked than guesses were right: each from the logits,
// the random numbers and the past that it would have had alone. Knows nothing of prompts.

import type { FinishReason, GenerateResult, Writing } from "./completion";
import type { Draft } from "./draft";
import type { Engine } from "./engine";
import { NibbleError } from "./errors";
import type { Constraint, Guide } from "./grammar/constraint";
import { forcedTokens, type ForcedToken } from "./grammar/forced";
import { vocabularyOf } from "./grammar/trie";
import { Lookup, type Guesser } from "./lookup";
import type { TokenStep } from "./options";
import type { Guesses } from "./passes";
import type { Settings } from "./settings";
import { forcedStep, stepOf } from "./step";
import { decodeToken, tokensOf } from "./tokens";

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
  /** Another number once the rows of the last pass are gone, for whatever reason. */
  pass(): number;
  /** Reads tokens into the cache; the logits of the last are wanted. */
  read(
    tokens: readonly number[], signal: AbortSignal | undefined, guesses?: Guesses,
  ): Promise<void>;
  /** Who guesses at the text, where that is wanted. */
  readonly guesser: Guesser | undefined;
}

/** What was written at once: what can be shown of it, and what failed behind that. */
interface Written {
  text: string;
  failure?: { error: unknown };
}

/** What a text has to keep to besides its settings. */
export interface Form {
  /** Tokens that end it, besides the model's own; those that it was begun with unless said. */
  readonly endings?: ReadonlySet<number> | undefined;
  /** What it may be (grammar/constraint.ts). */
  readonly constraint?: Constraint | undefined;
}

/** Writes on until the end. What comes between leaves `draft` and `page` fit to go on from. */
export async function* write(page: Page, settings: Settings, draft: Draft, given: Form): Writing {
  const form = { ...given, endings: given.endings ?? draft.endings };
  const guide = guideOf(page, draft, form);
  const isOver = (): boolean => draft.isOver || guide?.isComplete === true;
  const pauseAt = draft.completionTokens + settings.pauseTokens;
  while (!isOver() && draft.completionTokens < settings.maxTokens) {
    if (draft.completionTokens >= pauseAt) return resultOf(draft, "paused");
    const room = page.room() - page.pending.length;
    if (room < 0) break;
    const most = Math.min(
      Math.min(settings.maxTokens, pauseAt) - draft.completionTokens, room + 1);
    const forced = guide ? forcedTokens(page.engine, guide, !page.hasText, most) : [];
    const { text, failure }: Written = guide && forced.length > 0
      ? { text: writeForced(page, settings, draft, guide, forced) }
      : await writeNext(page, settings, draft, form, guide, most);
    if (text) yield text;
    if (failure) throw failure.error;
  }
  const ends = isOver();
  const rest = draft.filter.write(draft.characters.end()) + draft.filter.end();
  if (rest) yield rest;
  return resultOf(draft, ends ? "stop" : "length");
}

function resultOf(draft: Draft, finishReason: FinishReason): GenerateResult {
  const { promptTokens, completionTokens, seed } = draft;
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
  const all = [...tokensOf(engine, index), ...page.pending];
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

/** Reads what is pending and picks the next token, or the end; more where guesses were right. */
async function writeNext(
  page: Page, settings: Settings, draft: Draft, form: Form, guide: Guide | undefined, most: number,
): Promise<Written> {
  if (page.pending.length > 0) {
    const settled: Written[] = [];
    // What a constraint makes certain is not even picked: guesses have little to win there.
    const tokens = guide ? [] : guessesOf(page, most - 1);
    await page.read(page.pending, settings.signal, tokens.length === 0 ? undefined : {
      tokens,
      settle: (row, count) => {
        settled.push(settle(page, settings, draft, form, row, tokens.slice(0, count)));
      },
    });
    if (settled[0]) return settled[0];
    page.pending = [];
  }
  page.check();
  settings.signal?.throwIfAborted();
  return { text: pick(page, settings, draft, form, guide) };
}

/** Guesses, `most` of them, that the session has room for. */
function guessesOf(
  { engine, index, pending, guesser, room }: Page, most: number,
): readonly number[] {
  if (!guesser) return [];
  const guesses = guesser.guess(Math.min(most, room() - pending.length));
  const patches = guesses.length > 0 ? engine.fact("patches") : 0;
  if (patches === 0) return guesses;
  // Every byte might close a patch.
  const closed = engine.call((e) => e.patchOf(index, e.position(index)));
  return guesses.slice(0, Math.max(0, patches - closed - pending.length));
}

/**
 * Picks a token behind each row for as long as the guess in the next row was right, then forgets
 * the other rows. Every token finds the session as though it had been read alone. Whoever hears of
 * a token may use the engine for something else: then its rows are no longer these.
 */
function settle(
  page: Page, settings: Settings, draft: Draft, form: Form, row: number,
  guesses: readonly number[],
): Written {
  let text = "";
  let right = 0;
  try {
    const rows = page.pass();
    while (true) {
      page.check();
      page.engine.call((e) => e.keepTo(row + right));
      page.pending = [];
      text += pick(page, settings, draft, form, undefined);
      if (page.pending[0] !== guesses[right] || right === guesses.length || draft.isOver
        || settings.signal?.aborted || page.pass() !== rows) break;
      right++;
    }
    return { text };
  } catch (error) {
    return { text, failure: { error } };
  } finally {
    page.guesser?.settle(guesses.length, right);
  }
}

/** Picks the next token, or the end, from the session's logits; returns what can be shown. */
function pick(
  page: Page, settings: Settings, draft: Draft, form: Form, guide: Guide | undefined,
): string {
  const { engine, index } = page;
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
  page.guesser?.add(token);
  const text = draft.filter.write(draft.characters.write(bytes));
  page.hasText = true;
  if (step) onToken?.(step);
  return text;
}

/** Guesses for what a session writes next. */
export function lookupOf(engine: Engine, index: number, pending: readonly number[]): Lookup {
  // The last token that is written finds no room in the cache any more.
  const lookup = new Lookup(engine.fact("context") + 1);
  for (const token of tokensOf(engine, index)) lookup.add(token);
  for (const token of pending) lookup.add(token);
  return lookup;
}
