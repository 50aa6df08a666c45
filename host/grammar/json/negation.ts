// The opposite of a schema, as a schema: a value is invalid where one of the conditions fails, so
// each condition's opposite is an alternative. Some have none that can be written as conditions;
// those are refused. Knows nothing of grammars.

import { unsupported } from "./limits";
import { TYPES, type Conditions, type Schema, type Schemas } from "./schema";

/** What holds for exactly the values for which a schema does not. */
export function negation(schema: Schema, schemas: Schemas): Schema {
  return schemas.derived(`not ${schema.id}`, schema.place, () => {
    const alternatives = [...ofValues(schema), ...ofNumbers(schema), ...ofStrings(schema),
      ...ofArrays(schema, schemas), ...ofObjects(schema, schemas), ...ofCombined(schema)];
    return { anyOf: [alternatives.map((conditions) => schemas.add(schema.place, conditions))] };
  });
}

/** A schema that only says which other does not hold; the other is not looked at yet. */
function opposite(schema: Schema, schemas: Schemas): Schema {
  return schemas.derived(`opposite ${schema.id}`, schema.place, () => ({ not: [schema] }));
}

function refuse(schema: Schema, keyword: string): never {
  throw unsupported(schema.place, `has ${keyword}, the opposite of which is asked for by a not, an `
    + "if, or a oneOf whose branches can hold together, but cannot be written");
}

function ofValues({ isNever, types, values = [], unlike = [] }: Schema): Conditions[] {
  const others = types ? TYPES.filter((type) => !types.includes(type)) : [];
  return [
    ...(isNever ? [{}] : []),
    ...(others.length > 0 ? [{ types: others }] : []),
    ...values.map((list) => ({ unlike: list })),
    ...(unlike.length > 0 ? [{ values: [unlike] }] : []),
  ];
}

function ofNumbers(schema: Schema): Conditions[] {
  const { minimum, maximum, exclusiveMinimum, exclusiveMaximum, multiplesOf = [] } = schema;
  if (multiplesOf.some((divisor) => divisor !== 1)) refuse(schema, "multipleOf");
  const found: Conditions[] = [];
  if (minimum !== undefined) found.push({ exclusiveMaximum: minimum });
  if (maximum !== undefined) found.push({ exclusiveMinimum: maximum });
  if (exclusiveMinimum !== undefined) found.push({ maximum: exclusiveMinimum });
  if (exclusiveMaximum !== undefined) found.push({ minimum: exclusiveMaximum });
  if (multiplesOf.length > 0) found.push({ isFractional: true });
  if (schema.isFractional) found.push({ multiplesOf: [1] });
  return found.map((conditions) => ({ types: ["number"], ...conditions }));
}

function ofStrings(schema: Schema): Conditions[] {
  const { minLength = 0, maxLength, matches = [], format } = schema;
  if (format !== undefined) refuse(schema, "format");
  const found: Conditions[] = [];
  if (minLength > 0) found.push({ maxLength: minLength - 1 });
  if (maxLength !== undefined) found.push({ minLength: maxLength + 1 });
  for (const match of matches) found.push({ matches: [{ ...match, isNegated: !match.isNegated }] });
  return found.map((conditions) => ({ types: ["string"], ...conditions }));
}

function ofArrays(schema: Schema, schemas: Schemas): Conditions[] {
  const { prefixItems = [], items, minItems = 0, maxItems, isUnique, contains } = schema;
  if (isUnique) refuse(schema, "uniqueItems");
  const found: Conditions[] = [];
  if (minItems > 0) found.push({ maxItems: minItems - 1 });
  if (maxItems !== undefined) found.push({ minItems: maxItems + 1 });
  prefixItems.forEach((item, i) => found.push({ minItems: i + 1, prefixItems: [
    ...Array.from({ length: i }, () => anything(schemas)), opposite(item, schemas)] }));
  if (items?.isNever) found.push({ minItems: prefixItems.length + 1 });
  else if (items && prefixItems.length > 0) refuse(schema, "items behind prefixItems");
  else if (items) found.push({ contains: opposite(items, schemas) });
  if (contains) {
    const { minContains = 1, maxContains } = schema;
    if (minContains === 1) found.push({ items: opposite(contains, schemas) });
    else if (minContains > 1) {
      found.push({ contains, minContains: 0, maxContains: minContains - 1 });
    }
    if (maxContains !== undefined) found.push({ contains, minContains: maxContains + 1 });
  }
  return found.map((conditions) => ({ types: ["array"], ...conditions }));
}

function ofObjects(schema: Schema, schemas: Schemas): Conditions[] {
  const { properties = new Map<string, Schema>(), required = [], minProperties = 0 } = schema;
  const { patternProperties, additionalProperties, maxProperties, propertyNames } = schema;
  if (patternProperties) refuse(schema, "patternProperties");
  if (additionalProperties && !isAnything(additionalProperties)) {
    refuse(schema, "additionalProperties");
  }
  if (propertyNames) refuse(schema, "propertyNames");
  const never = schemas.derived("never", schema.place, () => ({ isNever: true }));
  const found: Conditions[] = [];
  for (const name of required) found.push({ properties: new Map([[name, never]]) });
  for (const [name, member] of properties) {
    found.push({ required: [name], properties: new Map([[name, opposite(member, schemas)]]) });
  }
  if (minProperties > 0) found.push({ maxProperties: minProperties - 1 });
  if (maxProperties !== undefined) found.push({ minProperties: maxProperties + 1 });
  return found.map((conditions) => ({ types: ["object"], ...conditions }));
}

function ofCombined(schema: Schema): Conditions[] {
  const { allOf = [], anyOf = [], oneOf = [], not = [], conditionals = [] } = schema;
  return [
    ...allOf.map((it) => ({ not: [it] })),
    ...anyOf.map((list) => ({ not: list })),
    // None of the branches, or any two.
    ...oneOf.flatMap((list) => [{ not: list }, ...list.flatMap((a, i) => (
      list.slice(i + 1).map((b) => ({ allOf: [a, b] }))))]),
    ...not.map((it) => ({ allOf: [it] })),
    ...conditionals.flatMap((it) => [
      ...(it.then ? [{ allOf: [it.if], not: [it.then] }] : []),
      ...(it.else ? [{ not: [it.if, it.else] }] : [])]),
  ];
}

function anything(schemas: Schemas): Schema {
  return schemas.derived("anything", "#", () => ({}));
}

/** Whether a schema asks nothing at all. */
export function isAnything({ id: _, place: __, ...conditions }: Schema): boolean {
  return Object.values(conditions).every((it) => Array.isArray(it) && it.length === 0);
}
