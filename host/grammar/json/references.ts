// Where references lead, and that no schema is made only of itself. Knows nothing of values.

import { DEPTH_MAX, badSchema, quoted, tooLarge, unsupported } from "./limits";
import type { Document } from "./read";
import type { Schema } from "./schema";
import { placeOf } from "./values";

/**
 * Adds each reference's target to what holds where it stands. Throws UNSUPPORTED_SCHEMA for a
 * target outside of the document, BAD_SCHEMA for one that is no schema.
 */
export function followReferences(document: Document): void {
  for (const { target, place, into } of document.references) {
    into.push(targetOf(document, target, place));
  }
}

function targetOf(document: Document, target: string, place: string): Schema {
  const { address } = document;
  const [before = "", fragment = ""] = target.split("#", 2);
  if (before !== "" && before !== address) {
    throw unsupported(place, `refers to "${quoted(target)}", outside of this schema`);
  }
  const name = decoded(fragment, place);
  const found = name === "" || name.startsWith("/")
    // Taken apart and put together again, since a pointer can be written in several ways.
    ? document.schemas.get(placeOf("#", ...name.split("/").slice(1).map((part) => (
      part.replaceAll("~1", "/").replaceAll("~0", "~")))))
    : document.anchors.get(name);
  if (found) return found;
  throw badSchema(place, `refers to "${quoted(target)}", where no schema is`);
}

function decoded(fragment: string, place: string): string {
  try {
    return decodeURIComponent(fragment);
  } catch {
    throw badSchema(place, `refers to "${quoted(fragment)}", which is no fragment`);
  }
}

/** What has to hold for the same value. */
function inPlace(schema: Schema): Schema[] {
  const { allOf = [], anyOf = [], oneOf = [], not = [], conditionals = [] } = schema;
  const branches = conditionals.flatMap((it) => [it.if, it.then, it.else]);
  return [...allOf, ...anyOf.flat(), ...oneOf.flat(), ...not,
    ...branches.filter((schema) => schema !== undefined)];
}

/**
 * Refuses schemas that hold for a value only if they hold for that value, and chains longer than
 * may be followed by calls. Walks on a stack of its own.
 */
export function refuseLoops(schemas: Iterable<Schema>): void {
  /** How long the longest chain from a schema is; 0 while it is being looked at. */
  const depths = new Map<Schema, number>();
  for (const start of schemas) {
    const path: { schema: Schema; rest: Schema[]; depth: number }[] = [];
    const enter = (schema: Schema): void => {
      depths.set(schema, 0);
      path.push({ schema, rest: inPlace(schema), depth: 1 });
    };
    if (!depths.has(start)) enter(start);
    for (let top = path.at(-1); top; top = path.at(-1)) {
      const next = top.rest.pop();
      if (next) {
        const known = depths.get(next);
        if (known === 0) {
          throw badSchema(next.place, "refers to itself for the same value, so it says nothing");
        }
        if (known === undefined) enter(next);
        else top.depth = Math.max(top.depth, known + 1);
        continue;
      }
      if (top.depth > DEPTH_MAX) {
        throw tooLarge(top.schema.place, `begins a chain of more than ${DEPTH_MAX} references`);
      }
      depths.set(top.schema, top.depth);
      path.pop();
      const before = path.at(-1);
      if (before) before.depth = Math.max(before.depth, top.depth + 1);
    }
  }
}
