// Whether schemas say by themselves that no value can be of both: other types, other constants, or
// a member that has to be there with other constants. Most lists of oneOf are told apart so, and
// need no longer look. Knows nothing of how schemas are merged.

import type { Schema, TypeName } from "./schema";
import { identityOf, type Json } from "./values";

/** What is plain of a schema. */
interface Signs {
  readonly types: readonly TypeName[] | undefined;
  /** The identities of its values, where they are listed. */
  readonly values: ReadonlySet<string> | undefined;
  readonly required: ReadonlySet<string>;
  /** The same of its members, by their names. */
  readonly members: ReadonlyMap<string, ReadonlySet<string>>;
}

/** References and allOf are looked through so far. */
const LOOK_MAX = 4;

export class Apart {
  readonly #known = new Map<Schema, Signs>();

  /** True only if no value is of both. */
  areApart(one: Schema, other: Schema): boolean {
    const [a, b] = [this.#signsOf(one), this.#signsOf(other)];
    if (a.types && b.types && !a.types.some((type) => b.types?.includes(type))) return true;
    if (a.values && b.values && areDisjoint(a.values, b.values)) return true;
    if (!isObjects(a) && !isObjects(b)) return false;
    for (const [name, values] of a.members) {
      const others = b.members.get(name);
      if (others && (a.required.has(name) || b.required.has(name))
        && areDisjoint(values, others)) return true;
    }
    return false;
  }

  #signsOf(schema: Schema): Signs {
    let signs = this.#known.get(schema);
    if (!signs) {
      const parts = partsOf(schema, LOOK_MAX);
      signs = {
        types: parts.find((it) => it.types)?.types,
        values: listOf(parts),
        required: new Set(parts.flatMap((it) => it.required ?? [])),
        members: new Map(parts.flatMap((it) => [...it.properties ?? []]).flatMap(
          ([name, member]) => {
            const values = listOf(partsOf(member, LOOK_MAX));
            return values ? [[name, values] as const] : [];
          })),
      };
      this.#known.set(schema, signs);
    }
    return signs;
  }
}

/** The schema and what holds with it. */
function partsOf(schema: Schema, depth: number): Schema[] {
  if (depth === 0 || !schema.allOf) return [schema];
  return [schema, ...schema.allOf.flatMap((it) => partsOf(it, depth - 1))];
}

function listOf(parts: readonly Schema[]): ReadonlySet<string> | undefined {
  const list: readonly Json[] | undefined = parts.find((it) => it.values)?.values?.[0];
  return list && new Set(list.map(identityOf));
}

function isObjects({ types }: Signs): boolean {
  return types?.length === 1 && types[0] === "object";
}

function areDisjoint(a: ReadonlySet<string>, b: ReadonlySet<string>): boolean {
  const [few, many] = a.size < b.size ? [a, b] : [b, a];
  for (const value of few) if (many.has(value)) return false;
  return true;
}
