// Several schemas that hold together, as alternatives without anyOf, oneOf, not, if or references
// in them. Alternatives that certainly have no value are left out, as a oneOf's branches have to be
// told apart by. Knows nothing of how values are written.

import { Apart } from "./apart";
import type { Judge } from "./judge";
import { tooLarge, type Budget } from "./limits";
import { merged, type Merged } from "./merged";
import { negation } from "./negation";
import { isNoRange } from "./numbers";
import type { Schema, Schemas } from "./schema";
import type { Strings } from "./strings";

/** Alternatives of one value; a schema that multiplies them out needs another form. */
const BRANCHES_MAX = 1000;
/** How deep into values is looked for something that cannot be. */
const LOOK_MAX = 4;

export class Branches {
  readonly #schemas: Schemas;
  readonly #judge: Judge;
  readonly #strings: Strings;
  readonly #budget: Budget;
  readonly #known = new Map<string, readonly Merged[]>();
  readonly #apart = new Apart();
  /** The schema of any text, which every name is. */
  readonly texts: Schema;

  constructor(schemas: Schemas, judge: Judge, strings: Strings, budget: Budget) {
    this.#schemas = schemas;
    this.#judge = judge;
    this.#strings = strings;
    this.#budget = budget;
    this.texts = schemas.derived("texts", "#", () => ({ types: ["string"] }));
  }

  /** The alternatives of a value for which all of some schemas hold; none if there is no value. */
  of(schemas: readonly Schema[], depth = 0): readonly Merged[] {
    const key = keyOf(schemas);
    const known = this.#known.get(key);
    if (known) return known;
    const found = new Map<string, Merged>();
    this.#walk([...schemas], new Set(), [], found, depth);
    const branches = [...found.values()];
    this.#known.set(key, branches);
    return branches;
  }

  /** What is asked of the item at a place of an array. */
  itemsAt({ schemas }: Merged, index: number): Schema[] {
    return schemas.flatMap(({ prefixItems = [], items }) => (
      prefixItems[index] ?? (index >= prefixItems.length && items ? items : [])));
  }

  /** What is asked of the member of a name. */
  membersOf({ schemas, place }: Merged, name: string): Schema[] {
    this.#budget.spend(schemas.length >> 2, place, "members");
    return schemas.flatMap((schema) => this.#judge.membersOf(schema, name));
  }

  /** A schema that holds where another does not. */
  opposite(schema: Schema): Schema {
    return negation(schema, this.#schemas);
  }

  /** Takes in what holds for the same value, and tries the alternatives one by one. */
  #walk(
    todo: Schema[], flat: Set<Schema>, lists: readonly (readonly Schema[])[],
    found: Map<string, Merged>, depth: number,
  ): void {
    const open = [...lists];
    for (let schema = todo.shift(); schema; schema = todo.shift()) {
      if (flat.has(schema)) continue;
      if (schema.isNever) return;
      flat.add(schema);
      this.#budget.spend(1, schema.place, "alternatives");
      todo.push(...schema.allOf ?? [],
        ...(schema.not ?? []).map((it) => negation(it, this.#schemas)));
      open.push(...schema.anyOf ?? [], ...this.#conditionals(schema),
        ...(schema.oneOf ?? []).map((list) => this.#exclusive(list, depth)));
    }
    const part = merged([...flat], this.#judge);
    this.#budget.spend(3 + (flat.size >> 2), part.place, "alternatives");
    if (this.#isNothing(part, depth)) return;
    // A list of which one holds already asks nothing more.
    const [first, ...rest] = open.filter((list) => !list.some((option) => flat.has(option)));
    for (const option of first ?? []) this.#walk([option], new Set(flat), rest, found, depth);
    if (first) return;
    found.set(keyOf(part.schemas), part);
    if (found.size > BRANCHES_MAX) {
      throw tooLarge(part.place, `has more than ${BRANCHES_MAX} combinations of alternatives`,
        "use fewer anyOf, oneOf, if and dependencies beside each other");
    }
  }

  /** An if as two alternatives. */
  #conditionals(schema: Schema): Schema[][] {
    return (schema.conditionals ?? []).map((it, i) => [
      this.#schemas.derived(`if ${schema.id} ${i}`, schema.place, () => (
        { allOf: it.then ? [it.if, it.then] : [it.if] })),
      this.#schemas.derived(`else ${schema.id} ${i}`, schema.place, () => (
        { allOf: it.else ? [it.else] : [], not: [it.if] })),
    ]);
  }

  /** The branches of a oneOf, each without the others that it could hold together with. */
  #exclusive(list: readonly Schema[], depth: number): Schema[] {
    return list.map((branch, i) => {
      this.#budget.spend(1 + (list.length >> 5), branch.place, "alternatives");
      const others = list.filter((other, j) => j !== i && !this.#areApart(branch, other, depth));
      if (others.length === 0) return branch;
      return this.#schemas.derived(`only ${branch.id} ${keyOf(others)}`, branch.place, () => (
        { allOf: [branch], not: others }));
    });
  }

  #areApart(a: Schema, b: Schema, depth: number): boolean {
    return this.#apart.areApart(a, b)
      || depth < LOOK_MAX && this.of([a, b], depth + 1).length === 0;
  }

  /** Whether certainly no value meets the conditions. */
  #isNothing(part: Merged, depth: number): boolean {
    if (part.values) return part.values.length === 0;
    return part.types.every((type) => {
      switch (type) {
        case "null": return part.unlike.includes(null);
        case "boolean": return part.unlike.includes(true) && part.unlike.includes(false);
        case "number": return part.numbers.every(isNoRange);
        case "string": return this.#strings.isNothing(part.strings, part.place);
        case "array": return this.#isNoArray(part, depth);
        case "object": return this.#isNoObject(part, depth);
      }
    });
  }

  #isNoArray(part: Merged, depth: number): boolean {
    const { minItems, maxItems, schemas } = part;
    if (minItems > maxItems) return true;
    if (depth >= LOOK_MAX) return false;
    // Behind the longest prefix all items are alike.
    const different = Math.max(...schemas.map((it) => (it.prefixItems ?? []).length)) + 1;
    for (let i = 0; i < Math.min(minItems, different); i++) {
      if (this.of(this.itemsAt(part, i), depth + 1).length === 0) return true;
    }
    return false;
  }

  #isNoObject(part: Merged, depth: number): boolean {
    const { minProperties, maxProperties, required } = part;
    if (minProperties > maxProperties || required.length > maxProperties) return true;
    return depth < LOOK_MAX && required.some((name) => (
      this.of(this.membersOf(part, name), depth + 1).length === 0));
  }
}

/** The same schemas have the same key, in whatever order they are. */
export function keyOf(schemas: readonly Schema[]): string {
  return [...new Set(schemas.map(({ id }) => id))].sort((a, b) => a - b).join();
}
