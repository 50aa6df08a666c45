// The control tokens of a vocabulary, such as those around the messages of a chat: their names, and
// where a text spells them. Knows nothing of chats.

import type { Engine } from "./engine";

/** More would make every search slow; vocabularies have some hundreds. */
const CONTROLS_MAX = 8192;

/** A stretch of ordinary text, or a control token. */
export type Stretch = string | number;

/** The names of a vocabulary's control tokens. */
export class Controls {
  readonly #ids = new Map<string, number>();
  readonly #names: RegExp | undefined;
  readonly #firstLetters: RegExp | undefined;

  constructor(engine: Engine) {
    const count = engine.fact("vocabulary");
    for (let id = next(engine, 0); id < count; id = next(engine, id + 1)) {
      const name = spelling(engine, id);
      // Names that are no text cannot stand in one.
      if (name && !name.includes("\ufffd")) this.#ids.set(name, id);
      if (this.#ids.size === CONTROLS_MAX) break;
    }
    if (this.#ids.size === 0) return;
    const names = [...this.#ids.keys()].sort((a, b) => b.length - a.length);
    this.#names = new RegExp(names.map(literal).join("|"), "gu");
    const letters = new Set(names.map((name) => String.fromCodePoint(name.codePointAt(0) ?? 0)));
    this.#firstLetters = new RegExp([...letters].map(literal).join("|"), "gu");
  }

  /** The token of this name. */
  idOf(name: string): number | undefined {
    return this.#ids.get(name);
  }

  /** Cuts a text at the names in it; of several that begin at one place, the longest counts. */
  split(text: string): Stretch[] {
    const stretches: Stretch[] = [];
    let at = 0;
    for (const { 0: name, index } of this.#names ? text.matchAll(this.#names) : []) {
      if (index > at) stretches.push(text.slice(at, index));
      stretches.push(this.#ids.get(name) as number);
      at = index + name.length;
    }
    if (at < text.length) stretches.push(text.slice(at));
    return stretches;
  }

  /** The text with `mark` behind every letter that a name could begin with: it spells none. */
  breakUp(text: string, mark: string): string {
    return this.#firstLetters ? text.replace(this.#firstLetters, `$&${mark}`) : text;
  }
}

function next(engine: Engine, from: number): number {
  return engine.call((e) => e.nextControl(from));
}

/** A token's text as the vocabulary spells it, control tokens' too; "" for none. */
export function spelling(engine: Engine, token: number): string {
  if (token < 0) return "";
  const length = engine.call((e) => e.spell(token));
  return new TextDecoder("utf-8", { ignoreBOM: true })
    .decode(engine.bytes(engine.exports.stagingAddress(), length).slice());
}

function literal(text: string): string {
  return text.replace(/[\\^$.*+?()[\]{}|]/g, "\\$&");
}
