// A JSON schema as JSON into conditions: every keyword is taken, known to say nothing about values,
// or refused. What is written in terms of other keywords is rewritten into them. The standard is
// 2020-12; the older forms of draft 7 are taken too. Knows nothing of grammars.

import { FORMATS } from "./formats";
import { booleanAt, divisorAt, leastAt, listAt, matchesAt, mostAt, namesAt, numberAt, objectAt,
  patternAt, textAt, typesAt } from "./keywords";
import { badSchema, quoted, unsupported } from "./limits";
import { Schemas, type Conditions, type Schema } from "./schema";
import { isArray, isObject, placeOf, type Json, type JsonObject } from "./values";

/** Keywords that say nothing about values. */
const ANNOTATIONS = new Set(["title", "description", "default", "examples", "$comment", "$schema",
  "deprecated", "readOnly", "writeOnly"]);
/** Keywords of the standard that are refused by name. */
const REFUSED = new Set(["$dynamicRef", "$dynamicAnchor", "$recursiveRef", "$recursiveAnchor",
  "$vocabulary", "contentEncoding", "contentMediaType", "contentSchema"]);
/** Keywords whose values other conditions of the same object may evaluate as well. */
const IN_PLACE = ["$ref", "allOf", "anyOf", "oneOf", "not", "if", "dependentSchemas",
  "dependencies"];

/** A reference that still has to be followed. */
export interface Reference {
  readonly target: string;
  readonly place: string;
  /** What holds where it stands; the target is added. */
  readonly into: Schema[];
}

export interface Document {
  readonly root: Schema;
  /** By place. */
  readonly schemas: ReadonlyMap<string, Schema>;
  /** By the name of an anchor. */
  readonly anchors: ReadonlyMap<string, Schema>;
  readonly references: readonly Reference[];
  /** The address of the whole, if it has one. */
  readonly address: string;
}

/** A builder's conditions may still be added to. */
type Open = { -readonly [Name in keyof Conditions]: Conditions[Name] } & { allOf: Schema[];
  anyOf: (readonly Schema[])[] };

/** Reads a schema. Throws BAD_SCHEMA or UNSUPPORTED_SCHEMA. */
export function readSchema(json: Json, schemas: Schemas): Document {
  const reader = new Reader(schemas);
  const root = reader.schema(json, "#");
  return { root, schemas: reader.places, anchors: reader.anchors, references: reader.references,
    address: reader.address };
}

class Reader {
  readonly places = new Map<string, Schema>();
  readonly anchors = new Map<string, Schema>();
  readonly references: Reference[] = [];
  address = "";
  readonly #schemas: Schemas;

  constructor(schemas: Schemas) {
    this.#schemas = schemas;
  }

  schema(json: Json, place: string): Schema {
    const open: Open = { allOf: [], anyOf: [] };
    let anchor: string | undefined;
    if (json === false) {
      open.isNever = true;
    } else if (isObject(json)) {
      for (const keyword of Object.keys(json)) {
        const value = json[keyword] as Json;
        const at = placeOf(place, keyword);
        if (keyword === "$anchor") anchor = textAt(value, at);
        else if (keyword === "$id") this.#identify(value, at, place);
        else this.#keyword(keyword, value, at, open, json);
      }
    } else if (json !== true) {
      throw badSchema(place, "has to be an object, true or false");
    }
    const schema = this.#schemas.add(place, open);
    this.places.set(place, schema);
    if (anchor !== undefined) this.anchors.set(anchor, schema);
    return schema;
  }

  #keyword(keyword: string, value: Json, at: string, open: Open, all: JsonObject): void {
    if (ANNOTATIONS.has(keyword) || keyword.startsWith("x-")) return;
    const read = Object.hasOwn(READ, keyword) ? READ[keyword] : undefined;
    if (read) return read(this, open, value, at, all);
    if (REFUSED.has(keyword)) throw unsupported(at, `uses ${keyword}, which is not supported`);
    throw unsupported(at, `has the keyword "${quoted(keyword)}", which is not known; correct it, `
      + "or begin its name with x- if it says nothing about values");
  }

  #identify(value: Json, at: string, place: string): void {
    const address = textAt(value, at);
    if (place !== "#") throw unsupported(at, "names a document inside of another, by $id");
    this.address = address.replace(/#$/, "");
  }

  list(value: Json, at: string): Schema[] {
    const list = listAt(value, at);
    return list.map((json, i) => this.schema(json, placeOf(at, i)));
  }

  /** The list of allOf, anyOf and oneOf, which has to have something in it. */
  branches(value: Json, at: string): Schema[] {
    if (listAt(value, at).length === 0) throw badSchema(at, "has no schema in it");
    return this.list(value, at);
  }

  named(value: Json, at: string): Map<string, Schema> {
    const object = objectAt(value, at);
    return new Map(Object.keys(object).map((name) => (
      [name, this.schema(object[name] as Json, placeOf(at, name))])));
  }

  /** A condition that is made of what was read. */
  made(place: string, conditions: Conditions): Schema {
    return this.#schemas.add(place, conditions);
  }

  /** Either a member is not there, or more holds. */
  dependent(open: Open, name: string, at: string, then: Conditions): void {
    const never = this.made(at, { isNever: true });
    const absent = this.made(at, { properties: new Map([[name, never]]) });
    const present = this.made(at, { types: ["object"], required: [name] });
    open.anyOf.push([absent, this.made(at, { allOf: [present, this.made(at, then)] })]);
  }
}

type Read =
  (reader: Reader, open: Open, value: Json, at: string, all: JsonObject) => void;

const READ: Readonly<Record<string, Read>> = {
  type(_, open, value, at) {
    const names = typesAt(value, at);
    open.types = [...new Set(names.map((name) => (name === "integer" ? "number" : name)))];
    if (names.includes("integer") && !names.includes("number")) {
      open.multiplesOf = [...open.multiplesOf ?? [], 1];
    }
  },
  enum(_, open, value, at) {
    open.values = [...open.values ?? [], listAt(value, at)];
  },
  const(_, open, value) {
    open.values = [...open.values ?? [], [value]];
  },

  minimum(_, open, value, at) { open.minimum = numberAt(value, at); },
  maximum(_, open, value, at) { open.maximum = numberAt(value, at); },
  exclusiveMinimum(_, open, value, at) { open.exclusiveMinimum = numberAt(value, at); },
  exclusiveMaximum(_, open, value, at) { open.exclusiveMaximum = numberAt(value, at); },
  multipleOf(_, open, value, at) {
    open.multiplesOf = [...open.multiplesOf ?? [], divisorAt(value, at)];
  },

  minLength(_, open, value, at) { open.minLength = leastAt(value, at); },
  maxLength(_, open, value, at) { open.maxLength = mostAt(value, at); },
  pattern(_, open, value, at) {
    open.matches = matchesAt(value, at);
  },
  format(_, open, value, at) {
    const name = textAt(value, at);
    if (!FORMATS.has(name)) {
      throw unsupported(at, `has the format "${quoted(name)}"; there are `
        + [...FORMATS.keys()].join(", "));
    }
    open.format = name;
  },

  items(reader, open, value, at, all) {
    if (!isArray(value)) {
      open.items = reader.schema(value, at);
      return;
    }
    if (Object.hasOwn(all, "prefixItems")) throw badSchema(at, "is a list, beside prefixItems");
    open.prefixItems = reader.list(value, at);
  },
  prefixItems(reader, open, value, at) { open.prefixItems = reader.branches(value, at); },
  additionalItems(reader, open, value, at, all) {
    const items = reader.schema(value, at);
    if (isArray(all["items"] ?? null)) open.items = items;
  },
  minItems(_, open, value, at) { open.minItems = leastAt(value, at); },
  maxItems(_, open, value, at) { open.maxItems = mostAt(value, at); },
  contains(reader, open, value, at) { open.contains = reader.schema(value, at); },
  minContains(_, open, value, at) { open.minContains = leastAt(value, at); },
  maxContains(_, open, value, at) { open.maxContains = mostAt(value, at); },
  uniqueItems(_, open, value, at) { if (booleanAt(value, at)) open.isUnique = true; },

  properties(reader, open, value, at) { open.properties = reader.named(value, at); },
  patternProperties(reader, open, value, at) {
    open.patternProperties = [...reader.named(value, at)].map(([source, schema]) => (
      { source, pattern: patternAt(source, placeOf(at, source)), schema }));
  },
  additionalProperties(reader, open, value, at) {
    open.additionalProperties = reader.schema(value, at);
  },
  required(_, open, value, at) { open.required = namesAt(value, at); },
  minProperties(_, open, value, at) { open.minProperties = leastAt(value, at); },
  maxProperties(_, open, value, at) { open.maxProperties = mostAt(value, at); },
  propertyNames(reader, open, value, at) { open.propertyNames = reader.schema(value, at); },

  allOf(reader, open, value, at) { open.allOf.push(...reader.branches(value, at)); },
  anyOf(reader, open, value, at) { open.anyOf.push(reader.branches(value, at)); },
  oneOf(reader, open, value, at) { open.oneOf = [reader.branches(value, at)]; },
  not(reader, open, value, at) { open.not = [reader.schema(value, at)]; },
  if(reader, open, value, at, all) {
    const branch = (name: "then" | "else") => (Object.hasOwn(all, name)
      ? { [name]: reader.schema(all[name] as Json, placeOf(at.slice(0, -3), name)) } : {});
    const condition = reader.schema(value, at);
    const branches = { ...branch("then"), ...branch("else") };
    if (Object.keys(branches).length > 0) open.conditionals = [{ if: condition, ...branches }];
  },
  then(reader, _, value, at, all) { if (!Object.hasOwn(all, "if")) reader.schema(value, at); },
  else(reader, _, value, at, all) { if (!Object.hasOwn(all, "if")) reader.schema(value, at); },
  dependentRequired(reader, open, value, at) {
    for (const [name, names] of Object.entries(objectAt(value, at))) {
      const required = namesAt(names, placeOf(at, name));
      reader.dependent(open, name, at, { types: ["object"], required });
    }
  },
  dependentSchemas(reader, open, value, at) {
    for (const [name, schema] of reader.named(value, at)) {
      reader.dependent(open, name, at, { allOf: [schema] });
    }
  },
  dependencies(reader, open, value, at) {
    for (const [name, entry] of Object.entries(objectAt(value, at))) {
      const place = placeOf(at, name);
      const then = isArray(entry)
        ? { types: ["object" as const], required: namesAt(entry, place) }
        : { allOf: [reader.schema(entry, place)] };
      reader.dependent(open, name, at, then);
    }
  },

  unevaluatedProperties(reader, open, value, at, all) {
    const schema = reader.schema(value, at);
    if (value === true || Object.hasOwn(all, "additionalProperties")) return;
    refuseInPlace(all, at);
    open.additionalProperties = schema;
  },
  unevaluatedItems(reader, open, value, at, all) {
    const schema = reader.schema(value, at);
    if (value === true || Object.hasOwn(all, "items") && !isArray(all["items"])) return;
    refuseInPlace(all, at);
    if (Object.hasOwn(all, "contains")) throw unsupported(at, "stands beside contains");
    open.items = schema;
  },

  $ref(reader, open, value, at) {
    reader.references.push({ target: textAt(value, at), place: at, into: open.allOf });
  },
  $defs(reader, _, value, at) { reader.named(value, at); },
  definitions(reader, _, value, at) { reader.named(value, at); },
};

/** What is evaluated is what one object of the schema says, and no more. */
function refuseInPlace(all: JsonObject, at: string): void {
  const other = IN_PLACE.find((keyword) => Object.hasOwn(all, keyword));
  if (other) throw unsupported(at, `stands beside ${other}, which is not supported`);
}
