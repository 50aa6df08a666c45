// The names of an object's members: those that a schema lists, and those that it only describes, by
// the patterns they match. Knows nothing of members' values but which schemas they are asked.

import type { Node } from "../syntax";
import { finiteValues } from "./finite";
import { unsupported } from "./limits";
import type { Maker } from "./maker";
import type { Merged } from "./merged";
import { isAnything } from "./negation";
import type { NamedBy, Schema } from "./schema";

/** Patterns of names divide them in two each, and then each part again. */
const PATTERNS_MAX = 4;

/** Members that are only described. */
export interface FreeMember {
  readonly name: Node;
  readonly schemas: readonly Schema[];
}

/** Names that are listed, in the order in which they are first met. */
export function listedNames(part: Merged, maker: Maker): string[] {
  const { schemas, required } = part;
  const names = new Set<string>();
  for (const name of schemas.flatMap((it) => [...it.properties?.keys() ?? []])) names.add(name);
  for (const name of required) names.add(name);
  for (const { propertyNames } of isOpen(part) ? schemas : []) {
    // A list that all names are out of is as good as properties.
    const asked = propertyNames ? [propertyNames, maker.branches.texts] : [maker.branches.texts];
    for (const value of finiteValues(asked, maker.branches) ?? []) names.add(String(value));
  }
  return [...names].filter((name) => schemas.every(({ propertyNames }) => (
    !propertyNames || maker.judge.holds(name, propertyNames))));
}

/** Whether names that are neither listed nor match a pattern may come. */
export function isOpen({ schemas, minProperties, required }: Merged): boolean {
  const additional = schemas.flatMap((it) => it.additionalProperties ?? []);
  if (additional.some((it) => it.isNever)) return false;
  const names = new Set(required);
  let lists = false;
  for (const { properties, patternProperties } of schemas) {
    for (const [name, schema] of properties ?? []) {
      if (schema.isNever) continue;
      names.add(name);
      lists = true;
    }
    if (patternProperties) lists = true;
  }
  return additional.length > 0 || !lists || minProperties > names.size;
}

/** Members with other names than those that are listed, by the patterns that the names match. */
export function freeMembers(part: Merged, listed: readonly string[], maker: Maker): FreeMember[] {
  const { schemas, place } = part;
  const patterns = new Map(schemas.flatMap((it) => it.patternProperties ?? [])
    .map((it) => [it.source, it]));
  if (patterns.size > PATTERNS_MAX) {
    throw unsupported(place, `has more than ${PATTERNS_MAX} patterns of names`);
  }
  const all = [...patterns.values()];
  const named = schemas.flatMap((it) => [...it.properties?.keys() ?? []]);
  const unlike = [...new Set([...listed, ...named])];
  const open = isOpen(part);
  const found: FreeMember[] = [];
  for (let chosen = 0; chosen < 1 << all.length; chosen++) {
    const isChosen = all.map((_, i) => ((chosen >> i) & 1) === 1);
    if (chosen === 0 && !open) continue;
    const matching = all.filter((_, i) => isChosen[i]);
    const asked = schemas.flatMap((schema) => askedOf(schema, matching));
    if (maker.branches.of(asked).length === 0) continue;
    const matches = all.map(({ source, pattern }, i) => (
      { source, pattern, isNegated: !isChosen[i] }));
    for (const name of namesOf(part, maker)) {
      if (name.values) continue;
      const condition = { ...name.strings, matches: [...matches, ...name.strings.matches],
        unlike: [...unlike, ...name.strings.unlike] };
      if (maker.strings.isNothing(condition, place)) continue;
      found.push({ name: maker.strings.node(condition, place), schemas: asked });
    }
  }
  return found;
}

/** What one schema asks of a member whose name matches these patterns, and is not listed. */
function askedOf(schema: Schema, matching: readonly NamedBy[]): Schema[] {
  const { patternProperties = [], additionalProperties } = schema;
  const own = patternProperties.filter((it) => matching.some(({ source }) => source === it.source))
    .map((it) => it.schema);
  if (own.length > 0 || !additionalProperties) return own;
  return isAnything(additionalProperties) ? [] : [additionalProperties];
}

/** The alternatives for names that are not listed. */
function namesOf({ schemas }: Merged, maker: Maker): readonly Merged[] {
  const asked = schemas.flatMap((it) => it.propertyNames ?? []);
  return maker.branches.of([...asked, maker.branches.texts])
    .filter(({ types }) => types.includes("string"));
}
