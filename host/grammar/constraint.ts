// A grammar for the texts of one model, and the way of one text through it: which tokens may come,
// what must come, and whether it may end. Knows nothing of sessions or sampling.

import type { Engine } from "../engine";
import { NibbleError } from "../errors";
import { Automaton, DEAD } from "./automaton";
import { Masks } from "./mask";
import { sizeOfProgram, type Program } from "./program";
import type { Grammar } from "./syntax";
import { vocabularyOf, type Vocabulary } from "./trie";

/** An automaton that has grown to this is left to the texts that it has (automaton.ts). */
const CELLS_CROWDED = 2 ** 17;
const MEMBERS_CROWDED = 2 ** 18;
const TRANSITIONS_CROWDED = 2 ** 20;

/** Bytes that must come, and the state behind them. */
interface Stretch {
  readonly bytes: Uint8Array<ArrayBuffer>;
  readonly behind: number;
}

/** Stretches that are kept for texts that come to their beginnings again; of a kilobyte at most. */
const STRETCHES_MAX = 256;
const NOTHING = new Uint8Array(0);

/** An automaton and the masks of its states. */
interface Workshop {
  readonly automaton: Automaton;
  readonly inside: Masks;
  readonly first: Masks;
  /** By the state that they begin at. */
  readonly stretches: Map<number, Stretch>;
}

/** What texts of one model may be. Many texts can be written under it, also at once. */
export class Constraint {
  readonly #program: Program;
  #workshop: Workshop;

  /** @internal They come from `constrain`. */
  constructor(readonly vocabulary: Vocabulary, grammar: Grammar) {
    const automaton = new Automaton(grammar);
    this.#program = automaton.program;
    this.#workshop = workshopOf(automaton, vocabulary);
  }

  /** The way of one text, from its beginning. `endings` end it besides the model's own. */
  guide(endings: Iterable<number> = []): Guide {
    return new Guide(this, [...new Set([...this.vocabulary.endings, ...endings])]);
  }

  /** Memory that it takes by now, without the texts that are being written. */
  get byteLength(): number {
    const { automaton, inside, first, stretches } = this.#workshop;
    let bytes = 0;
    for (const stretch of stretches.values()) bytes += stretch.bytes.length;
    return sizeOfProgram(this.#program) + automaton.byteLength + inside.byteLength
      + (first === inside ? 0 : first.byteLength) + bytes;
  }

  /** @internal An automaton that has room, the same for all as long as it has. */
  workshop(): Workshop {
    if (isCrowded(this.#workshop.automaton)) {
      this.#workshop = workshopOf(new Automaton(this.#program), this.vocabulary);
    }
    return this.#workshop;
  }
}

/**
 * A grammar for the texts of a loaded model. Throws BAD_GRAMMAR, GRAMMAR_EMPTY or
 * GRAMMAR_TOO_COMPLEX. Keep what it returns for as long as texts of this form are written: it
 * learns as it goes.
 */
export function constrain(engine: Engine, grammar: Grammar): Constraint {
  return new Constraint(vocabularyOf(engine), grammar);
}

function workshopOf(automaton: Automaton, vocabulary: Vocabulary): Workshop {
  const { size, inside, first, byteTokens } = vocabulary;
  const masks = new Masks(automaton, size, inside, byteTokens);
  return { automaton, inside: masks, stretches: new Map(),
    first: first === inside ? masks : new Masks(automaton, size, first, byteTokens) };
}

/** `deep` continuations are one text's own stack, which no other automaton could do without. */
function isCrowded(automaton: Automaton, deep = 0): boolean {
  const { cells, members, transitions } = automaton.size;
  return cells > Math.max(CELLS_CROWDED, deep) || members > MEMBERS_CROWDED
    || transitions > TRANSITIONS_CROWDED;
}

function isEmpty(mask: Uint8Array): boolean {
  for (let i = 0; i < mask.length; i++) if (mask[i] !== 0) return false;
  return true;
}

/** One text's way. */
export class Guide {
  #workshop: Workshop;
  #state: number;
  /** Bytes that must come behind the state, how many of them have come, and the state behind. */
  #ahead: Uint8Array<ArrayBuffer> = NOTHING;
  #come = 0;
  #behind = DEAD;
  /** The automaton's work when it was last seen whether that has room. */
  #work = 0;
  /** Twice the continuations that it took along when it last moved. */
  #deep = 0;

  constructor(readonly constraint: Constraint, readonly endings: readonly number[]) {
    this.#workshop = constraint.workshop();
    this.#state = this.#workshop.automaton.start;
  }

  /** Whether the text may end here. */
  get isAccepting(): boolean {
    this.#arrive();
    return this.#workshop.automaton.isAccepting(this.#state);
  }

  /** Whether the text must end here. */
  get isComplete(): boolean {
    this.#arrive();
    return this.#workshop.automaton.isComplete(this.#state);
  }

  /** Goes on by bytes that were written. Throws BAD_OPTION when they may not come here. */
  advance(bytes: Uint8Array): void {
    if (this.#ahead.length > 0 && this.#isAhead(bytes)) {
      this.#come += bytes.length;
      return;
    }
    this.#arrive();
    const { automaton } = this.#workshop;
    let state = this.#state;
    for (let i = 0; i < bytes.length; i++) {
      state = automaton.step(state, bytes[i] as number);
      if (state === DEAD) {
        throw new NibbleError("BAD_OPTION", "The text that was begun does not match the grammar of "
          + "the answer; resume it with the one that it began with.");
      }
    }
    this.#state = state;
    this.#settle();
  }

  /**
   * Which tokens may come next, into `mask`; those that end the text where it may end. `isFirst`
   * when the conversation begins here. Throws GRAMMAR_TOO_COMPLEX, or GRAMMAR_UNSPELLABLE when none
   * may.
   */
  mask(mask: Uint8Array, isFirst: boolean): void {
    this.#arrive();
    const { inside, first } = this.#workshop;
    const text = (isFirst ? first : inside).of(this.#state);
    mask.set(text);
    const ends = this.isAccepting;
    for (const token of this.endings) {
      const bit = 1 << (token & 7);
      const byte = mask[token >> 3] as number;
      mask[token >> 3] = ends ? byte | bit : byte & ~bit;
    }
    if (isEmpty(mask)) {
      throw new NibbleError("GRAMMAR_UNSPELLABLE", "None of the model's tokens can spell what the "
        + "grammar of the answer wants next; use characters that the model knows.");
    }
  }

  /** The bytes that must come next, at most so many, and whether the text must end behind them. */
  forced(most: number): { bytes: Uint8Array<ArrayBuffer>; isComplete: boolean } {
    this.#arrive();
    const { bytes, behind } = this.#stretch(most);
    this.#ahead = bytes;
    this.#behind = behind;
    return { bytes, isComplete: this.#workshop.automaton.isComplete(behind) };
  }

  /** What must come behind the state, as it was found once, or else found now. */
  #stretch(most: number): Stretch {
    const { automaton, stretches } = this.#workshop;
    const known = stretches.get(this.#state);
    if (known && known.bytes.length <= most) return known;
    const bytes: number[] = [];
    const behind = automaton.spell(this.#state, bytes, most);
    if (bytes.length === 0) return { bytes: NOTHING, behind };
    const stretch = { bytes: new Uint8Array(bytes), behind };
    // One that was cut short is not all there is.
    if (bytes.length < most) {
      if (stretches.size === STRETCHES_MAX) stretches.clear();
      stretches.set(this.#state, stretch);
    }
    return stretch;
  }

  /** Whether bytes that come are those that must. */
  #isAhead(bytes: Uint8Array): boolean {
    if (bytes.length > this.#ahead.length - this.#come) return false;
    for (let i = 0; i < bytes.length; i++) {
      if (bytes[i] !== this.#ahead[this.#come + i]) return false;
    }
    return true;
  }

  /** Takes the state to where the text is. */
  #arrive(): void {
    const come = this.#come;
    if (come === 0) return;
    const { automaton } = this.#workshop;
    this.#state = come === this.#ahead.length ? this.#behind
      : automaton.spell(this.#state, [], come);
    this.#settle();
  }

  /** Nothing is known of what comes behind a new state, and it needs room. */
  #settle(): void {
    this.#ahead = NOTHING;
    this.#come = 0;
    const { automaton } = this.#workshop;
    if (automaton.work === this.#work) return; // it has not grown
    this.#work = automaton.work;
    if (isCrowded(automaton, this.#deep)) this.#move();
  }

  /** Takes its state along to an automaton that has room. */
  #move(): void {
    const old = this.#workshop.automaton;
    this.#workshop = this.constraint.workshop();
    if (this.#workshop.automaton === old) return;
    this.#state = this.#workshop.automaton.moved(old, this.#state);
    this.#deep = this.#workshop.automaton.size.cells * 2;
  }
}
