// A JSON schema as a grammar. What the grammar writes is valid, on one line and in one form: a
// blank behind each comma and colon, members in the schema's order, strings as JSON.stringify has
// them, numbers without exponents. What cannot be kept exactly is refused; nothing is left out.
// Knows nothing of models or tokens.

import { Branches } from "./json/branches";
import { arrayNode } from "./json/arrays";
import { Judge } from "./json/judge";
import { Budget, unsupported } from "./json/limits";
import type { Maker } from "./json/maker";
import { measured } from "./json/measure";
import type { Merged } from "./json/merged";
import { isNoRange, isOutOfReach, numberNode, type NumberCondition } from "./json/numbers";
import { objectNode } from "./json/objects";
import { readSchema } from "./json/read";
import { followReferences, refuseLoops } from "./json/references";
import { Schemas, type Schema, type TypeName } from "./json/schema";
import { Strings } from "./json/strings";
import { textOf } from "./json/values";
import { choice, literal, rule, type Grammar, type Node } from "./syntax";

/**
 * The texts that a schema asks for: JSON Schema 2020-12, and what draft 7 writes otherwise. Throws
 * BAD_SCHEMA for what is no schema, UNSUPPORTED_SCHEMA for what cannot be kept exactly, by keyword
 * and place, and GRAMMAR_TOO_COMPLEX for what needs too much. A schema without any value gives a
 * grammar without any text.
 */
export function grammarOfSchema(schema: unknown): Grammar {
  const json = measured(schema);
  const schemas = new Schemas();
  const document = readSchema(json, schemas);
  followReferences(document);
  refuseLoops(schemas.all);
  return new Compiler(schemas).grammar(document.root);
}

/** Any JSON object, in the same form. Names may come twice; the last is the one that is read. */
export function grammarOfJson(): Grammar {
  return grammarOfSchema({ type: "object" });
}

const NULL = literal("null");
const TRUE = literal("true");
const FALSE = literal("false");
/** Values of these types have other values inside of them, and so rules of their own. */
const NESTED: readonly TypeName[] = ["array", "object"];

/** Equal conditions on numbers, which most schemas have many of, are written once. */
function conditionKey(condition: NumberCondition): string {
  return JSON.stringify(condition, (_, value: unknown) => (
    typeof value === "bigint" ? String(value) : value));
}

class Compiler implements Maker {
  readonly budget = new Budget();
  readonly #nodes: Node[] = [];
  readonly rules = {
    reserve: (): number => this.#nodes.push(choice()) - 1,
    set: (index: number, node: Node): void => { this.#nodes[index] = node; },
  };
  readonly strings = new Strings(this.rules, this.budget);
  readonly judge = new Judge(this.strings, this.budget);
  readonly branches: Branches;
  readonly #values = new Map<readonly Merged[], Node>();
  readonly #digits = new Map<string, Node>();
  readonly #waiting: { readonly index: number; readonly parts: readonly Merged[] }[] = [];

  constructor(schemas: Schemas) {
    this.branches = new Branches(schemas, this.judge, this.strings, this.budget);
  }

  grammar(root: Schema): Grammar {
    const whole = this.rules.reserve();
    this.rules.set(whole, this.value([root]));
    // One after another, since schemas may lead back to themselves.
    for (let next = this.#waiting.pop(); next; next = this.#waiting.pop()) {
      this.rules.set(next.index, this.#alternatives(next.parts));
    }
    return { rules: this.#nodes };
  }

  value(schemas: readonly Schema[]): Node {
    // Equal questions get the same alternatives.
    const parts = this.branches.of(schemas);
    const known = this.#values.get(parts);
    if (known) return known;
    const isNested = parts.some((part) => part.types.some((type) => NESTED.includes(type)));
    if (!isNested) {
      const node = this.#alternatives(parts);
      this.#values.set(parts, node);
      return node;
    }
    const index = this.rules.reserve();
    const node = rule(index);
    this.#values.set(parts, node);
    this.#waiting.push({ index, parts });
    return node;
  }

  #alternatives(parts: readonly Merged[]): Node {
    return choice(...parts.flatMap((part) => {
      this.budget.spend(1, part.place, "alternatives");
      if (!part.values) return part.types.flatMap((type) => this.#ofType(type, part));
      return part.values.map((value) => {
        const text = textOf(value);
        this.budget.spend(1 + (text.length >> 2), part.place, "values");
        return literal(text);
      });
    }));
  }

  #ofType(type: TypeName, part: Merged): Node[] {
    switch (type) {
      case "null": return part.unlike.includes(null) ? [] : [NULL];
      case "boolean":
        return [...(part.unlike.includes(true) ? [] : [TRUE]),
          ...(part.unlike.includes(false) ? [] : [FALSE])];
      case "number": return this.#numbers(part);
      case "string": return [this.strings.node(part.strings, part.place)];
      case "array": return [arrayNode(part, this)];
      case "object": return [objectNode(part, this)];
    }
  }

  #numbers({ numbers, place }: Merged): Node[] {
    return numbers.filter((condition) => !isNoRange(condition)).map((condition) => {
      if (isOutOfReach(condition)) {
        throw unsupported(place, "asks for numbers of more than 15 digits, which are not written");
      }
      const key = conditionKey(condition);
      const node = this.#digits.get(key)
        ?? numberNode(condition, this.rules, this.budget, place);
      this.#digits.set(key, node);
      return node;
    });
  }
}
