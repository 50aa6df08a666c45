// A grammar as an automaton over bytes whose states are made when they are first needed. Knows
// nothing of tokens.
//
// A continuation is what is still to be written: a part, and the continuation behind it (a row of
// `cells`). The list is the stack; calling a rule puts its body in its place, so that a call in the
// last place pushes nothing, and a loop keeps on the list how many rounds are left. A state is the
// set of all continuations that the text so far leaves open, each beginning with a byte; END, the
// empty one, makes it accept. Parts that nothing can match are never entered, so from every state
// some text leads to the end.

import { FILLED, NULLABLE } from "./facts";
import { KIND, tooComplex } from "./parts";
import { compile, type Program } from "./program";
import { Records, grown, stirred } from "./records";
import type { Grammar } from "./syntax";

/** The continuation that wants nothing more. */
const END = 0;
/** The state that no text leaves open. */
export const DEAD = -1;
/** Parts entered in one step, at most: some ten milliseconds. */
const STEP_WORK_MAX = 250_000;
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
  readonly #cells = new Records();
  /** Where each state's continuations begin in `members`, ascending. */
  #starts = new Int32Array(256);
  #members = new Int32Array(1024);
  #stateCount = 0;
  /** State + 1 by hash; 0 is free. */
  #slots = new Int32Array(512);
  /** The step in which a continuation was last opened, or entered. */
  #opened = new Int32Array(1024);
  #entered = new Int32Array(1024);
  #step = 0;
  /** The continuations of the state that is being made. */
  #ready: number[] = [];
  readonly #open: number[] = [];

  /** Throws BAD_GRAMMAR, GRAMMAR_EMPTY or GRAMMAR_TOO_COMPLEX. */
  constructor(grammar: Grammar | Program) {
    this.program = "facts" in grammar ? grammar : compile(grammar);
    this.width = this.program.classCount;
    this.table = new Int32Array(64 * this.width);
    this.#cells.intern(-1, 0, 0, 0); // END
    this.#begin();
    this.#close(this.#cell(this.program.rules[0] as number, END));
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
    return this.#members[this.#starts[state] as number] === END;
  }

  /** Whether the text must end here. */
  isComplete(state: number): boolean {
    const at = this.#starts[state] as number;
    return this.#members[at] === END && this.#starts[state + 1] === at + 1;
  }

  /** The bytes that may come next: bit `byte & 31` of word `byte >> 5`. */
  allowed(state: number): Uint32Array {
    const { rows, sets } = this.program;
    const cells = this.#cells.rows;
    const all = new Uint32Array(8);
    const end = this.#starts[state + 1] as number;
    for (let i = this.#starts[state] as number; i < end; i++) {
      const member = this.#members[i] as number;
      if (member === END) continue;
      const set = (rows[((cells[member << 2] as number) << 2) + 1] as number) << 3;
      for (let word = 0; word < 8; word++) {
        all[word] = (all[word] as number) | (sets[set + word] as number);
      }
    }
    return all;
  }

  /** The only byte that may come next; -1 when there are several, or the text may end. */
  forced(state: number): number {
    const { rows, only } = this.program;
    const cells = this.#cells.rows;
    let byte = -1;
    const end = this.#starts[state + 1] as number;
    for (let i = this.#starts[state] as number; i < end; i++) {
      const member = this.#members[i] as number;
      if (member === END) return -1;
      const own = only[rows[((cells[member << 2] as number) << 2) + 1] as number] as number;
      if (own < 0 || (byte >= 0 && own !== byte)) return -1;
      byte = own;
    }
    return byte;
  }

  /** What the memory goes into: continuations, how many the states have, and transitions. */
  get size(): { states: number; cells: number; members: number; transitions: number } {
    const states = this.#stateCount;
    return { states, cells: this.#cells.count, members: this.#starts[states] as number,
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
    const end = this.#starts[state + 1] as number;
    for (let i = this.#starts[state] as number; i < end; i++) {
      this.#ready.push(this.#near(this.#members[i] as number, depth));
    }
    return this.#finish();
  }

  /** The state here that is `state` of another automaton of the same program. */
  moved(from: Automaton, state: number): number {
    const known = new Map<number, number>([[END, END]]);
    this.#begin();
    const end = from.#starts[state + 1] as number;
    for (let i = from.#starts[state] as number; i < end; i++) {
      const chain: number[] = [];
      for (let cell = from.#members[i] as number; !known.has(cell);) {
        chain.push(cell);
        cell = from.#cells.rows[(cell << 2) + 2] as number;
      }
      for (const cell of chain.reverse()) {
        const at = cell << 2;
        const [part = 0, count = 0, next = 0] = from.#cells.rows.subarray(at, at + 3);
        known.set(cell, this.#cells.intern(part, count, known.get(next) as number, 0));
      }
      this.#ready.push(known.get(from.#members[i] as number) as number);
    }
    return this.#finish();
  }

  /** A continuation as far as `depth` bytes can reach into it. */
  #near(cell: number, depth: number): number {
    const { facts } = this.program;
    const chain: number[] = [];
    // Every part that is not nullable takes a byte at least.
    for (let bytes = 0; cell !== END && bytes <= depth;) {
      chain.push(cell);
      const at = cell << 2;
      const part = this.#cells.rows[at] as number;
      if (((facts[part] as number) & NULLABLE) === 0) {
        bytes += Math.max(1, this.#cells.rows[at + 1] as number);
      }
      cell = this.#cells.rows[at + 2] as number;
    }
    let near = END;
    for (let i = chain.length - 1; i >= 0; i--) {
      const at = (chain[i] as number) << 2;
      const part = this.#cells.rows[at] as number;
      const count = Math.min(this.#cells.rows[at + 1] as number, depth + 1);
      near = this.#cells.intern(part, count, near, 0);
    }
    return near;
  }

  #move(state: number, byte: number): number {
    const { rows, sets } = this.program;
    this.#begin();
    const end = this.#starts[state + 1] as number;
    for (let i = this.#starts[state] as number; i < end; i++) {
      const member = this.#members[i] as number;
      if (member === END) continue;
      const at = member << 2;
      const set = (rows[((this.#cells.rows[at] as number) << 2) + 1] as number) << 3;
      if (((sets[set + (byte >> 5)] as number) >>> (byte & 31) & 1) === 0) continue;
      this.#close(this.#cells.rows[at + 2] as number);
    }
    return this.#finish();
  }

  #begin(): void {
    this.#step++;
    this.#ready.length = 0;
  }

  /** A part, and then what comes next. */
  #cell(part: number, next: number): number {
    const { rows } = this.program;
    const at = part << 2;
    const kind = rows[at] as number;
    if (kind === KIND.empty) return next;
    if (kind === KIND.exact || kind === KIND.upto) {
      const count = rows[at + 2] as number;
      return this.#cells.intern(rows[at + 3] as number, count, next, 0);
    }
    // A loop behind itself is that loop: else lists like `sum = n ("+" sum)*` would grow for ever.
    if (kind === KIND.star && this.#cells.rows[next << 2] === part) return next;
    return this.#cells.intern(part, 0, next, 0);
  }

  /** Adds all the ways to go on with a continuation to the state that is being made. */
  #close(from: number): void {
    const { facts } = this.program;
    const open = this.#open;
    const ready = this.#ready;
    const limit = this.work + STEP_WORK_MAX;
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
        const at = top << 2;
        const fact = facts[this.#cells.rows[at] as number] as number;
        if ((fact & NULLABLE) !== 0) open.push(this.#cells.rows[at + 2] as number);
        if ((fact & FILLED) !== 0) open.push(~top);
        continue;
      }
      const cell = ~top;
      if (this.#entered[cell] === this.#step) continue;
      this.#entered[cell] = this.#step;
      if (++this.work > limit) {
        open.length = 0;
        throw tooComplex(`one byte can be meant in more than ${STEP_WORK_MAX} ways`);
      }
      this.#enter(cell);
    }
  }

  /** Opens the first part of a continuation, of which at least a byte must come. */
  #enter(cell: number): void {
    const { rows, facts, rules } = this.program;
    const at = cell << 2;
    const part = this.#cells.rows[at] as number;
    const next = this.#cells.rows[at + 2] as number;
    const a = rows[(part << 2) + 1] as number;
    const b = rows[(part << 2) + 2] as number;
    switch (rows[part << 2]) {
      case KIND.bytes:
        this.#ready.push(cell);
        return;
      case KIND.sequence:
        if (((facts[a] as number) & NULLABLE) !== 0) this.#push(b, next);
        this.#push(a, this.#cell(b, next));
        return;
      case KIND.choice:
        this.#push(b, next);
        this.#push(a, next);
        return;
      case KIND.star:
        this.#push(a, cell);
        return;
      case KIND.exact:
      case KIND.upto: {
        const left = (this.#cells.rows[at + 1] as number) - 1;
        this.#push(a, left === 0 ? next : this.#cells.intern(part, left, next, 0));
        return;
      }
      case KIND.rule:
        this.#push(rules[a] as number, next);
        return;
      default: // NONEMPTY
        this.#push(a, next);
    }
  }

  /** To be entered, if anything but the empty string can match it. */
  #push(part: number, next: number): void {
    if (((this.program.facts[part] as number) & FILLED) === 0) return;
    this.#open.push(~this.#cell(part, next));
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
    sortUnique(ready);
    let hash = ready.length;
    for (const cell of ready) hash = stirred(hash, cell);
    const mask = this.#slots.length - 1;
    let slot = hash & mask;
    for (;;) {
      const state = (this.#slots[slot] as number) - 1;
      if (state < 0) break;
      if (this.#has(state, ready)) return state;
      slot = (slot + 1) & mask;
    }
    this.#checkRoom(ready.length);
    this.#slots[slot] = this.#stateCount + 1;
    return this.#add(ready);
  }

  #has(state: number, ready: readonly number[]): boolean {
    const at = this.#starts[state] as number;
    if ((this.#starts[state + 1] as number) - at !== ready.length) return false;
    for (let i = 0; i < ready.length; i++) if (this.#members[at + i] !== ready[i]) return false;
    return true;
  }

  /** Throws before anything is changed: what there is can still be used. */
  #checkRoom(count: number): void {
    const members = (this.#starts[this.#stateCount] as number) + count;
    if (members <= MEMBERS_MAX && (this.#stateCount + 1) * this.width <= TRANSITIONS_MAX) return;
    throw tooComplex("the text can be continued in too many ways");
  }

  #add(ready: readonly number[]): number {
    const state = this.#stateCount++;
    const at = this.#starts[state] as number;
    const end = at + ready.length;
    if (end > this.#members.length) this.#members = grown(this.#members, end);
    for (let i = 0; i < ready.length; i++) this.#members[at + i] = ready[i] as number;
    if (state + 2 > this.#starts.length) this.#starts = grown(this.#starts, state + 2);
    this.#starts[state + 1] = end;
    const transitions = this.#stateCount * this.width;
    if (transitions > this.table.length) this.table = grown(this.table, transitions);
    if (this.#stateCount * 2 > this.#slots.length) this.#hashAgain();
    return state;
  }

  #hashAgain(): void {
    const slots = new Int32Array(this.#slots.length * 2);
    for (let state = 0; state < this.#stateCount; state++) {
      const at = this.#starts[state] as number;
      const end = this.#starts[state + 1] as number;
      let hash = end - at;
      for (let i = at; i < end; i++) hash = stirred(hash, this.#members[i] as number);
      let slot = hash & (slots.length - 1);
      while (slots[slot] !== 0) slot = (slot + 1) & (slots.length - 1);
      slots[slot] = state + 1;
    }
    this.#slots = slots;
  }
}

/** In place, ascending, each number once. */
function sortUnique(numbers: number[]): void {
  if (numbers.length > 32) numbers.sort((a, b) => a - b);
  else {
    for (let i = 1; i < numbers.length; i++) {
      const number = numbers[i] as number;
      let at = i;
      for (; at > 0 && (numbers[at - 1] as number) > number; at--) {
        numbers[at] = numbers[at - 1] as number;
      }
      numbers[at] = number;
    }
  }
  let count = 0;
  for (let i = 0; i < numbers.length; i++) {
    if (i === 0 || numbers[i] !== numbers[i - 1]) numbers[count++] = numbers[i] as number;
  }
  numbers.length = count;
}
