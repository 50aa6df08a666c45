// A text that is being written: what has come of it so far, and what is held back of it. It can be
// laid aside and taken up again elsewhere. Knows nothing of sessions or the engine.

import { CharacterStream, StopFilter } from "./text";

/** A text between its prompt and its end. */
export class Draft {
  readonly characters = new CharacterStream();
  readonly filter: StopFilter;
  completionTokens = 0;
  #isOver = false;

  /** `isFirst`: nothing but it is in the conversation, so that its first word has no space. */
  constructor(
    readonly promptTokens: number, readonly seed: number, stop: readonly string[],
    readonly isFirst: boolean,
    /** Whether it keeps to a form, which has to be given again. */
    readonly hasForm: boolean,
    /** Tokens that end it besides the model's own, as those of a chat do. */
    readonly endings: ReadonlySet<number> = new Set(),
  ) {
    this.filter = new StopFilter(stop);
  }

  /** A draft that was laid aside, with the stop sequences that its text began with. */
  static from(state: DraftState, stop: readonly string[]): Draft {
    const draft = new Draft(state.promptTokens, state.seed, stop, state.isFirst,
      state.hasForm, new Set(state.endings));
    draft.completionTokens = state.completionTokens;
    draft.#isOver = state.isOver;
    draft.characters.write(state.tail);
    draft.filter.write(state.held);
    return draft;
  }

  /** Whether the model or a stop sequence has ended the text. */
  get isOver(): boolean {
    return this.#isOver || this.filter.found !== undefined;
  }

  set isOver(is: boolean) {
    this.#isOver = is;
  }

  /** What is needed to take it up again. */
  get state(): DraftState {
    const { promptTokens, completionTokens, seed, isFirst, hasForm, isOver } = this;
    // Nothing comes behind a stop sequence, not even what was begun.
    const tail = isOver ? new Uint8Array(0) : this.characters.unfinished;
    const { held } = this.filter;
    return { promptTokens, completionTokens, seed, isFirst, hasForm, isOver, tail, held,
      endings: [...this.endings] };
  }
}

/** A draft without its settings, which come again when it is taken up. */
export interface DraftState {
  promptTokens: number;
  completionTokens: number;
  seed: number;
  isFirst: boolean;
  hasForm: boolean;
  isOver: boolean;
  endings: readonly number[];
  /** The bytes of an unfinished character. */
  tail: Uint8Array;
  /** Text that may become a stop sequence. */
  held: string;
}
