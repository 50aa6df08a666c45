// How much a schema may ask for, and the sentences that say no. Knows nothing of what is asked.

import { NibbleError } from "../../errors";

/** Deeper than people and generators nest; everything here may then call itself once a level. */
export const DEPTH_MAX = 200;
/** The values of a schema, members and items included: a schema of a book's length. */
export const VALUES_MAX = 10_000;
/** The places of all its values, written out: names that are long, and deep, are in each. */
export const PLACES_MAX = 2_000_000;
/** All texts of a schema together; ten times the largest one that is met in the wild is less. */
export const TEXT_MAX = 500_000;
/** Most that is counted exactly; above any context. */
export const COUNT_MAX = 1e6;
/** Steps of the compiler, each of half a kilobyte and some microseconds. */
const STEPS_MAX = 30_000;
/** A place is quoted whole up to here. */
const QUOTED_MAX = 160;

/** What steps go into: how it is called, and what makes it less. */
const CAUSES = {
  alternatives: ["alternatives (anyOf, oneOf, not, if, $ref)", "use fewer, or give each branch "
    + "of a oneOf another constant to be told apart by"],
  values: ["the values (enum, const)", "list fewer"],
  numbers: ["the digits of numbers (multipleOf and bounds)", "use fewer digits, or no multipleOf"],
  strings: ["patterns and the lengths that they meet", "use smaller counts, fewer patterns for one "
    + "text, or no bounds of its length"],
  items: ["the items of an array", "ask for fewer, or say less of them"],
  members: ["the members of an object", "name fewer, or leave out the bounds of their number"],
} as const;
export type Cause = keyof typeof CAUSES;

/** What is left of the work that one schema may cause, and what took it. */
export class Budget {
  #left = STEPS_MAX;
  /** Steps by cause and place. */
  readonly #spent = new Map<Cause, Map<string, number>>();

  /** Takes some steps. Throws GRAMMAR_TOO_COMPLEX when none are left. */
  spend(steps: number, place: string, cause: Cause): void {
    let places = this.#spent.get(cause);
    if (!places) this.#spent.set(cause, places = new Map<string, number>());
    places.set(place, (places.get(place) ?? 0) + steps);
    this.#left -= steps;
    if (this.#left < 0) throw this.#exceeded();
  }

  /** Says what took the most, and the innermost place that had most of it. */
  #exceeded(): NibbleError {
    const totals = Array.from(this.#spent, ([cause, places]) => (
      { cause, places, total: [...places.values()].reduce((sum, steps) => sum + steps, 0) }));
    const { cause, places, total } = totals.reduce((a, b) => (b.total > a.total ? b : a));
    const inside = new Map<string, number>();
    for (const [place, steps] of places) {
      for (let end = place.length; end > 0; end = place.lastIndexOf("/", end - 1)) {
        const outer = place.slice(0, end);
        inside.set(outer, (inside.get(outer) ?? 0) + steps);
      }
    }
    const most = [...inside].filter(([, steps]) => steps * 2 >= total)
      .reduce((a, b) => (b[0].length > a[0].length ? b : a), ["#", total]);
    const [what, remedy] = CAUSES[cause];
    const share = Math.max(1, Math.min(100, Math.round(100 * most[1] / STEPS_MAX)));
    return tooLarge(most[0], `needs too many steps: ${share} % of the ${STEPS_MAX} that a whole `
      + `schema may take went into ${what} there`, remedy);
  }
}

/** The error of a schema that is none. */
export function badSchema(place: string, what: string): NibbleError {
  return new NibbleError("BAD_SCHEMA", `The schema at ${quoted(place)} ${what}.`);
}

/** The error of a schema that cannot be kept exactly, so that it is not kept at all. */
export function unsupported(place: string, what: string): NibbleError {
  return new NibbleError("UNSUPPORTED_SCHEMA", `The schema at ${quoted(place)} ${what}.`);
}

/** The error of a schema that asks for too much, and what to do about it. */
export function tooLarge(place: string, what: string, remedy = "make it simpler"): NibbleError {
  return new NibbleError("GRAMMAR_TOO_COMPLEX",
    `The schema at ${quoted(place)} ${what}; ${remedy}.`);
}

/** A name or place out of a schema, for a sentence. */
export function quoted(text: string): string {
  const flat = text.replace(/[\u0000-\u001f\u007f]/g, "?");
  return flat.length > QUOTED_MAX ? `${flat.slice(0, QUOTED_MAX)}...` : flat;
}
