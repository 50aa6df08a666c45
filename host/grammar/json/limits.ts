// How much a schema may ask for, and the sentences that say no. Knows nothing of what is asked.

import { NibbleError } from "../../errors";

/** Deeper than people and generators nest; everything here may then call itself once a level. */
export const DEPTH_MAX = 200;
/** The values of a schema, members and items included: a schema of a book's length. */
export const VALUES_MAX = 50_000;
/** All texts of a schema together; ten times the largest one that is met in the wild is less. */
export const TEXT_MAX = 1_000_000;
/** Most that is counted exactly; above any context. */
export const COUNT_MAX = 1e6;
/** Steps of the compiler, each a few hundred bytes and a microsecond or so. */
const STEPS_MAX = 120_000;
/** A place is quoted whole up to here. */
const QUOTED_MAX = 160;

/** What is left of the work that one schema may cause. */
export class Budget {
  #left = STEPS_MAX;

  /** Takes some steps. Throws GRAMMAR_TOO_COMPLEX when none are left. */
  spend(steps: number, place: string): void {
    this.#left -= steps;
    if (this.#left < 0) throw tooLarge(place, "needs more states than a grammar may have");
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

/** The error of a schema that asks for too much. */
export function tooLarge(place: string, what: string): NibbleError {
  return new NibbleError("GRAMMAR_TOO_COMPLEX",
    `The schema at ${quoted(place)} ${what}; make it simpler.`);
}

/** A name or place out of a schema, for a sentence. */
export function quoted(text: string): string {
  const flat = text.replace(/[\u0000-\u001f\u007f]/g, "?");
  return flat.length > QUOTED_MAX ? `${flat.slice(0, QUOTED_MAX)}...` : flat;
}
