// Sets of continuations, each kept once: the states of an automaton. Knows nothing of what they are
// for.

import { grown, stirred } from "./records";

export class States {
  /** Where each state's continuations begin in `members`, ascending. */
  starts = new Int32Array(256);
  members = new Int32Array(1024);
  count = 0;
  /** State + 1 by hash; 0 is free. */
  #slots = new Int32Array(512);

  /** Memory that they take. */
  get byteLength(): number {
    return this.starts.byteLength + this.members.byteLength + this.#slots.byteLength;
  }

  /** The state that has exactly these continuations, or -1. */
  find(ready: readonly number[]): number {
    const mask = this.#slots.length - 1;
    for (let slot = hashOf(ready, 0, ready.length) & mask; ; slot = (slot + 1) & mask) {
      const state = (this.#slots[slot] as number) - 1;
      if (state < 0 || this.#has(state, ready)) return state;
    }
  }

  /** A state that is not there yet. */
  add(ready: readonly number[]): number {
    const state = this.count++;
    const at = this.starts[state] as number;
    const end = at + ready.length;
    if (end > this.members.length) this.members = grown(this.members, end);
    for (let i = 0; i < ready.length; i++) this.members[at + i] = ready[i] as number;
    if (state + 2 > this.starts.length) this.starts = grown(this.starts, state + 2);
    this.starts[state + 1] = end;
    if (this.count * 2 > this.#slots.length) this.#slots = new Int32Array(this.#slots.length * 2);
    else {
      this.#place(state);
      return state;
    }
    for (let other = 0; other < this.count; other++) this.#place(other);
    return state;
  }

  #place(state: number): void {
    const mask = this.#slots.length - 1;
    let slot = hashOf(this.members, this.starts[state] as number,
      this.starts[state + 1] as number) & mask;
    while (this.#slots[slot] !== 0) slot = (slot + 1) & mask;
    this.#slots[slot] = state + 1;
  }

  #has(state: number, ready: readonly number[]): boolean {
    const at = this.starts[state] as number;
    if ((this.starts[state + 1] as number) - at !== ready.length) return false;
    for (let i = 0; i < ready.length; i++) if (this.members[at + i] !== ready[i]) return false;
    return true;
  }
}

function hashOf(numbers: ArrayLike<number>, from: number, to: number): number {
  let hash = to - from;
  for (let i = from; i < to; i++) hash = stirred(hash, numbers[i] as number);
  return hash;
}

/** In place, ascending, each number once. */
export function sortUnique(numbers: number[]): void {
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
