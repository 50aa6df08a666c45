// A grammar as an automaton over bytes whose states are made when they are first needed. Knows
// nothing of tokens.
//
// A continuation is what is still to be written: a part, and the continuation behind it (cells.ts).
// The list is the stack; calling a rule puts its body in its place, so that a call in the last
// place pushes nothing, and a loop keeps on the list how many rounds may be left, from one number
// to another. A state is the set of all continuations that the text so far leaves open, each
// beginning plainly (heads.ts); END, the empty one, makes it accept. Parts that nothing can match
// are never entered, so from every state some text leads to the end.
//
// Continuations that differ in rounds only are points of boxes: those that lie in others are left
// out, and those that make one box together become one (boxes.ts). So `(a|aa){0,1000}` has one
// continuation behind any text, and loops in loops have a few, not one for each way to count.

import { joinedAlike } from "./alike";
import { Cells, END } from "./cells";
import { copied, near } from "./copies";
import { FILLED, NULLABLE } from "./facts";
import { HEAD, addFirst, onlyFirst, restBehind, spell } from "./heads";
import { KIND, tooComplex } from "./parts";
import { compile, type Program } from "./program";
import { grown } from "./records";
import { States, sortUnique } from "./states";
import type { Grammar } from "./syntax";

/** The state that no text leaves open. */
export const DEAD = -1;
/** Parts entered in one step, at most: some milliseconds. What is found by then is kept. */
const STEP_WORK_MAX = 2 ** 17;
/** Limits of one automaton; with all of them reached it takes some 50 MB. */
const CELLS_MAX = 2 ** 19;
const MEMBERS_MAX = 2 ** 20;
const TRANSITIONS_MAX = 2 ** 22;

export class Automaton {
  readonly program: Program;
  readonly start: number;
  /** Classes of bytes; a state's row of `table` has as many numbers. */
  readonly width: number;
  /** By state and class: 0 not known yet, else the next state + 2. Another array after growth. */
  table: Int32Array;
  /** Parts entered so far: what the steps cost. */
  work = 0;
  readonly #cells = new Cells();
  readonly #states = new States();
  /** The step in which a continuation was last opened, or entered. */
  #opened = new Int32Array(1024);
  #entered = new Int32Array(1024);
  /** The step in which a part was last found to begin a continuation. */
  readonly #met: Int32Array;
  #step = 0;
  /** The work behind which the step ends. */
  #limit = 0;
  /** The continuations of the state that is being made. */
  #ready: number[] = [];
  readonly #open: number[] = [];
  /** The continuations behind the byte of the step. */
  readonly #ways: number[] = [];

  /** Throws BAD_GRAMMAR, GRAMMAR_EMPTY or GRAMMAR_TOO_COMPLEX. */
  constructor(grammar: Grammar | Program) {
    this.program = "facts" in grammar ? grammar : compile(grammar);
    this.width = this.program.classCount;
    this.table = new Int32Array(64 * this.width);
    this.#met = new Int32Array(this.program.facts.length);
    this.#begin();
    if (!this.#close(this.#cell(this.program.rules[0] as number, END))) {
      throw tooComplex(`a text can begin in more than ${STEP_WORK_MAX} ways`);
    }
    this.start = this.#finish();
  }

  /** The state behind a byte, or DEAD. Throws GRAMMAR_TOO_COMPLEX. */
  step(state: number, byte: number): number {
    const at = state * this.width + (this.program.classes[byte] as number);
    const known = this.table[at] as number;
    if (known !== 0) return known - 2;
    const next = this.#move(state, byte);
    this.table[at] = next + 2;
    return next;
  }

  /** Whether the text may end here. */
  isAccepting(state: number): boolean {
    return this.#states.members[this.#states.starts[state] as number] === END;
  }

  /** Whether the text must end here. */
  isComplete(state: number): boolean {
    const { starts, members } = this.#states;
    const at = starts[state] as number;
    return members[at] === END && starts[state + 1] === at + 1;
  }

  /** The bytes that may come next, into eight words: bit `byte & 31` of word `byte >> 5`. */
  allowed(state: number, all = new Uint32Array(8)): Uint32Array {
    const { starts, members } = this.#states;
    all.fill(0);
    const end = starts[state + 1] as number;
    for (let i = starts[state] as number; i < end; i++) {
      const member = members[i] as number;
      if (member !== END) addFirst(this.program, this.#cells.rows[member << 2] as number, all);
    }
    return all;
  }

  /**
   * Adds to `bytes` those that must come behind a state, until there are `most`; the state behind
   * them. Of those inside what one continuation spells out no states are made. Throws
   * GRAMMAR_TOO_COMPLEX.
   */
  spell(state: number, bytes: number[], most: number): number {
    while (bytes.length < most) {
      const byte = this.#only(state);
      if (byte < 0) break;
      if (this.countOf(state) > 1) {
        bytes.push(byte);
        state = this.step(state, byte);
        continue;
      }
      const { starts, members } = this.#states;
      const at = (members[starts[state] as number] as number) << 2;
      const rest = spell(this.program, this.#cells.rows[at] as number, bytes, most);
      this.#ways.length = 0;
      this.#ways.push(this.#cell(rest, this.#cells.rows[at + 2] as number));
      state = this.#arrive();
    }
    return state;
  }

  /** The only byte that may come next; -1 when there are several, or the text may end. */
  #only(state: number): number {
    const { starts, members } = this.#states;
    let byte = -1;
    const end = starts[state + 1] as number;
    for (let i = starts[state] as number; i < end; i++) {
      const member = members[i] as number;
      if (member === END) return -1;
      const own = onlyFirst(this.program, this.#cells.rows[member << 2] as number);
      if (own < 0 || (byte >= 0 && own !== byte)) return -1;
      byte = own;
    }
    return byte;
  }

  /** How many continuations a state has. */
  countOf(state: number): number {
    return (this.#states.starts[state + 1] as number) - (this.#states.starts[state] as number);
  }

  /** Memory that its states take, without the program. */
  get byteLength(): number {
    return this.#cells.byteLength + this.#states.byteLength + this.table.byteLength
      + this.#opened.byteLength + this.#entered.byteLength + this.#met.byteLength;
  }

  /** What the memory goes into: continuations, how many the states have, and transitions. */
  get size(): { states: number; cells: number; members: number; transitions: number } {
    const states = this.#states.count;
    return { states, cells: this.#cells.count, members: this.#states.starts[states] as number,
      transitions: states * this.width };
  }

  /**
   * The state whose next `depth` bytes go as those of `state`, with as little else as possible:
   * rounds that are left beyond it are as good as few, and what is deeper on the stack is left out.
   * So many states have one horizon, and what it takes to look ahead is done once. The texts that
   * it allows behind `depth` bytes mean nothing.
   */
  horizon(state: number, depth: number): number {
    this.#begin();
    const { starts, members } = this.#states;
    const end = starts[state + 1] as number;
    for (let i = starts[state] as number; i < end; i++) {
      this.#ready.push(near(this.#cells, members[i] as number, this.program.facts, depth));
    }
    return this.#finish();
  }

  /** The state here that is `state` of another automaton of the same program. */
  moved(from: Automaton, state: number): number {
    this.#begin();
    const { starts, members } = from.#states;
    const known = new Map<number, number>();
    const end = starts[state + 1] as number;
    for (let i = starts[state] as number; i < end; i++) {
      this.#ready.push(copied(from.#cells, members[i] as number, this.#cells, known));
    }
    return this.#finish();
  }

  #move(state: number, byte: number): number {
    const { starts, members } = this.#states;
    const ways = this.#ways;
    ways.length = 0;
    const end = starts[state + 1] as number;
    for (let i = starts[state] as number; i < end; i++) {
      const member = members[i] as number;
      if (member === END) continue;
      const rest = restBehind(this.program, this.#cells.rows[member << 2] as number, byte);
      if (rest < 0) continue;
      ways.push(this.#cell(rest, this.#cells.rows[(member << 2) + 2] as number));
    }
    return this.#arrive();
  }

  /** The state behind `ways`; DEAD when there are none. */
  #arrive(): number {
    if (this.#closeAll()) return this.#finish();
    // Too many: as many as there is time for. Any of them leads to the end, so that the text will
    // match; their order is that of what they say, so that the text is the same whatever this
    // automaton has met before.
    this.#ways.sort((a, b) => this.#cells.compare(a, b));
    this.#closeAll();
    if (this.#ready.length > 0) return this.#finish();
    throw tooComplex(`one byte can be meant in more than ${STEP_WORK_MAX} ways`);
  }

  /** A new state of what is behind all ways; false if not all of it was found. */
  #closeAll(): boolean {
    this.#begin();
    for (const way of this.#ways) if (!this.#close(way)) return false;
    return true;
  }

  #begin(): void {
    this.#step++;
    this.#limit = this.work + STEP_WORK_MAX;
    this.#ready.length = 0;
  }

  /** A part, and then what comes next. */
  #cell(part: number, next: number): number {
    const { rows, facts } = this.program;
    const at = part << 2;
    const kind = rows[at] as number;
    if (kind === KIND.empty) return next;
    if (kind !== KIND.loop) return this.#cells.intern(part, 0, next, 0);
    const inner = rows[at + 1] as number;
    // Rounds that may be empty may be left out.
    const least = ((facts[inner] as number) & NULLABLE) !== 0 ? 0 : rows[at + 2] as number;
    return this.#cells.loop(inner, least, next, rows[at + 3] as number);
  }

  /**
   * Adds all the ways to go on with a continuation to the state that is being made. False when the
   * step has taken too much work before they were all found.
   */
  #close(from: number): boolean {
    const open = this.#open;
    const ready = this.#ready;
    open.push(from);
    for (let top = open.pop(); top !== undefined; top = open.pop()) {
      if (this.#cells.count > this.#opened.length - 8) this.#roomForCells();
      if (top >= 0) {
        // A continuation: its first part, or nothing of it and then the rest.
        if (this.#opened[top] === this.#step) continue;
        this.#opened[top] = this.#step;
        if (top === END) {
          ready.push(END);
          continue;
        }
        const fact = this.#factOf(top);
        if ((fact & NULLABLE) !== 0) open.push(this.#cells.rows[(top << 2) + 2] as number);
        if ((fact & FILLED) !== 0) open.push(~top);
        continue;
      }
      const cell = ~top;
      if (this.#entered[cell] === this.#step) continue;
      this.#entered[cell] = this.#step;
      if (++this.work > this.#limit) {
        open.length = 0;
        return false;
      }
      this.#enter(cell);
    }
    return true;
  }

  /** What is known of the first part of a continuation. */
  #factOf(cell: number): number {
    const { facts } = this.program;
    const part = this.#cells.rows[cell << 2] as number;
    if (part >= 0) return facts[part] as number;
    const isFree = this.#cells.rows[(cell << 2) + 1] === 0;
    return ((facts[~part] as number) & FILLED) | (isFree ? NULLABLE : 0);
  }

  /** Opens the first part of a continuation, of which at least a byte must come. */
  #enter(cell: number): void {
    const { rows, facts, rules } = this.program;
    const at = cell << 2;
    const part = this.#cells.rows[at] as number;
    if (part < 0) {
      this.#push(~part, this.#cells.behindRound(cell));
      return;
    }
    if (((facts[part] as number) & HEAD) !== 0) {
      if (rows[part << 2] !== KIND.bytes) this.work++; // the set that it begins with is a part, too
      this.#ready.push(cell);
      return;
    }
    const next = this.#cells.rows[at + 2] as number;
    const a = rows[(part << 2) + 1] as number;
    const b = rows[(part << 2) + 2] as number;
    switch (rows[part << 2]) {
      case KIND.sequence:
        if (((facts[a] as number) & NULLABLE) !== 0) this.#push(b, next);
        this.#push(a, this.#cell(b, next));
        return;
      case KIND.choice:
        this.#push(b, next);
        this.#push(a, next);
        return;
      case KIND.rule:
        this.#push(rules[a] as number, next);
        return;
      default: // NONEMPTY
        this.#push(a, next);
    }
  }

  /**
   * To be entered, if anything but the empty string can match it. Of a choice its options are, so
   * that lists of them need no continuations of their own.
   */
  #push(part: number, next: number): void {
    const { rows, facts } = this.program;
    while (rows[part << 2] === KIND.choice && ((facts[part] as number) & HEAD) === 0) {
      const option = rows[(part << 2) + 1] as number;
      if (((facts[option] as number) & FILLED) !== 0) this.#open.push(~this.#cell(option, next));
      part = rows[(part << 2) + 2] as number;
      this.work++;
    }
    if (((facts[part] as number) & FILLED) !== 0) this.#open.push(~this.#cell(part, next));
  }

  #roomForCells(): void {
    if (this.#cells.count >= CELLS_MAX - 8) {
      this.#open.length = 0;
      throw tooComplex(`the text can be continued in more than ${CELLS_MAX} ways`);
    }
    this.#opened = grown(this.#opened, this.#cells.count + 8);
    this.#entered = grown(this.#entered, this.#cells.count + 8);
  }

  /** The state of the continuations that were found; DEAD when there are none. */
  #finish(): number {
    const ready = this.#ready;
    if (ready.length === 0) return DEAD;
    if (ready.length > 1) {
      if (this.#hasAlike()) {
        const fewer = joinedAlike(this.#cells, ready);
        ready.length = 0;
        for (const cell of fewer) ready.push(cell);
      }
      sortUnique(ready);
    }
    const known = this.#states.find(ready);
    if (known >= 0) return known;
    this.#checkRoom(ready.length);
    const state = this.#states.add(ready);
    const transitions = this.#states.count * this.width;
    if (transitions > this.table.length) this.table = grown(this.table, transitions);
    return state;
  }

  /** Whether some of the continuations that were found begin alike, and may differ in rounds. */
  #hasAlike(): boolean {
    for (const cell of this.#ready) {
      if (cell === END) continue;
      const part = this.#cells.rows[cell << 2] as number;
      if (this.#met[part] === this.#step) return true;
      this.#met[part] = this.#step;
    }
    return false;
  }

  /** Throws before anything is changed: what there is can still be used. */
  #checkRoom(count: number): void {
    const members = (this.#states.starts[this.#states.count] as number) + count;
    if (members <= MEMBERS_MAX && (this.#states.count + 1) * this.width <= TRANSITIONS_MAX) return;
    throw tooComplex("the text can be continued in too many ways");
  }
}
