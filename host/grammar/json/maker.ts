// What makes the nodes of one grammar share: its rules, its strings, and the way back to the
// compiler for the values inside of values. Knows nothing of objects or arrays.

import type { Node } from "../syntax";
import type { Branches } from "./branches";
import type { Judge } from "./judge";
import type { Budget, Cause } from "./limits";
import type { Schema } from "./schema";
import type { Rules, Strings } from "./strings";

export interface Maker {
  readonly branches: Branches;
  readonly judge: Judge;
  readonly strings: Strings;
  readonly rules: Rules;
  readonly budget: Budget;
  /** The values for which all of some schemas hold. */
  value(schemas: readonly Schema[]): Node;
}

/** States of a text that is written part by part, as rules that only go on. */
export class Chain<State> {
  readonly #known = new Map<string, Node>();
  readonly #maker: Maker;
  readonly #place: string;
  readonly #cause: Cause;
  readonly #next: (state: State) => Node;
  readonly #rule: (index: number) => Node;
  readonly #waiting: { readonly state: State; readonly index: number }[] = [];

  constructor(
    maker: Maker, place: string, cause: Cause, rule: (index: number) => Node,
    next: (state: State) => Node,
  ) {
    [this.#maker, this.#place, this.#cause, this.#next, this.#rule] =
      [maker, place, cause, next, rule];
  }

  /** What may follow in a state. States are the same where their JSON is. */
  at(state: State): Node {
    const key = JSON.stringify(state);
    const known = this.#known.get(key);
    if (known) return known;
    this.#maker.budget.spend(2, this.#place, this.#cause);
    const index = this.#maker.rules.reserve();
    const node = this.#rule(index);
    this.#known.set(key, node);
    this.#waiting.push({ state, index });
    return node;
  }

  /** Gives all states their rules, and those that they lead to. */
  finish(): void {
    for (let next = this.#waiting.pop(); next; next = this.#waiting.pop()) {
      this.#maker.rules.set(next.index, this.#next(next.state));
    }
  }
}
