// Random JSON schemas out of everything that is supported, so that most have values. Does not know:
// how a schema becomes a grammar.

type Json = Record<string, unknown>;

const NAMES = ["a", "b", "name", "x y", "\"q\"", "ключ", "__proto__"];
const FORMATS = ["date", "time", "date-time", "duration", "email", "hostname", "ipv4", "ipv6",
  "uuid", "uri"];
const PATTERNS = ["^[a-z]+$", "[0-9]", "^(foo|bar)?$", "^.{2,5}$", "é|ü", "^[^\"\\\\]*$",
  "^\\d{3}-\\d{4}$", "\\s"];
const DIVISORS = [1, 2, 5, 7, 10, 12, 100, 0.5, 0.25, 0.01, 0.3];
const CONSTANTS = [null, true, false, 0, 1, -1, 2.5, "", "a", "é\n", [], [1, "x"], {}, { a: 1 }];

/** A schema, its definitions with it. Some contradict themselves. */
export function randomSchema(random: () => number): Json {
  const maker = new RandomSchemas(random);
  const depth = 1 + Math.floor(random() * 3);
  const root = maker.schema(depth);
  const $defs = { one: maker.schema(1), two: maker.object(1) };
  return { ...root, $defs };
}

class RandomSchemas {
  readonly #random: () => number;

  constructor(random: () => number) {
    this.#random = random;
  }

  schema(depth: number): Json {
    const simple = [() => this.integer(), () => this.number(), () => this.string(),
      () => this.string(), () => ({ type: this.#pick(["boolean", "null"]) }), () => this.#listed()];
    if (depth === 0) return this.#pick(simple)();
    return this.#pick([...simple,
      () => this.array(depth), () => this.array(depth), () => this.object(depth),
      () => this.object(depth), () => this.object(depth), () => this.#combined(depth),
      () => this.#combined(depth), () => this.#any(depth)])();
  }

  integer(): Json {
    return { type: "integer", ...this.#bounds(true),
      ...this.#maybe(0.2, () => ({ multipleOf: this.#pick(DIVISORS.slice(0, 7)) })),
      ...this.#maybe(0.1, () => ({ not: { enum: [0, 1, 5] } })) };
  }

  number(): Json {
    return { type: "number", ...this.#bounds(false),
      // Validators divide in floating point, which is right for small numbers.
      ...this.#maybe(0.2, () => ({ multipleOf: this.#pick(DIVISORS),
        allOf: [{ minimum: -10_000, maximum: 10_000 }] })),
      ...this.#maybe(0.1, () => ({ not: { type: "integer" } })) };
  }

  string(): Json {
    const least = this.#whole(0, 3);
    return { type: "string",
      ...this.#maybe(0.3, () => ({ minLength: least })),
      ...this.#maybe(0.3, () => ({ maxLength: least + this.#whole(0, 9) })),
      ...this.#maybe(0.3, () => ({ pattern: this.#pick(PATTERNS) })),
      ...this.#maybe(0.1, () => ({ not: { pattern: this.#pick(PATTERNS) } })),
      ...this.#maybe(0.2, () => ({ format: this.#pick(FORMATS), minLength: 0, maxLength: 300 })) };
  }

  array(depth: number): Json {
    const least = this.#whole(0, 2);
    if (this.#random() < 0.2) {
      return { type: "array", uniqueItems: true, items: this.#listed(), maxItems: 4 };
    }
    return { type: "array",
      ...this.#maybe(0.3, () => ({ prefixItems: this.#some(() => this.schema(depth - 1)) })),
      ...this.#maybe(0.7, () => ({ items: this.schema(depth - 1) })),
      ...this.#maybe(0.4, () => ({ minItems: least })),
      ...this.#maybe(0.4, () => ({ maxItems: least + this.#whole(0, 4) })),
      ...this.#maybe(0.1, () => ({ contains: this.schema(0),
        ...this.#maybe(0.3, () => ({ minContains: this.#whole(0, 2) })) })),
      ...this.#maybe(0.1, () => ({ contains: { enum: [1, "a", null] }, maxContains: 2 })) };
  }

  object(depth: number): Json {
    const names = NAMES.filter(() => this.#random() < 0.4);
    const properties = Object.fromEntries(names.map((name) => [name, this.#member(depth - 1)]));
    return { type: "object", properties,
      ...this.#maybe(0.6, () => ({ required: names.filter(() => this.#random() < 0.5) })),
      ...this.#maybe(0.3, () => ({ additionalProperties: false })),
      ...this.#maybe(0.2, () => ({ additionalProperties: this.schema(0) })),
      ...this.#maybe(0.2, () => ({ patternProperties: { "^[xy]": this.schema(0) } })),
      ...this.#maybe(0.1, () => ({ minProperties: 1 })),
      ...this.#maybe(0.1, () => ({ maxProperties: 3 })),
      ...this.#maybe(0.1, () => ({ propertyNames: { pattern: "^[a-zк]", maxLength: 6 } })),
      ...this.#maybe(0.1, () => ({ dependentRequired: { a: ["b"] } })),
      ...this.#maybe(0.1, () => ({ dependentSchemas: { b: { required: ["a"] } } })) };
  }

  #member(depth: number): Json {
    if (this.#random() < 0.15) return { $ref: this.#pick(["#/$defs/one", "#/$defs/two"]) };
    return this.schema(Math.max(0, depth));
  }

  #combined(depth: number): Json {
    const inner = () => this.schema(depth - 1);
    return this.#pick<() => Json>([
      () => ({ anyOf: this.#some(inner) }),
      () => ({ allOf: [inner(), { not: { const: this.#pick(CONSTANTS.slice(0, 9)) } }] }),
      () => ({ allOf: [this.object(depth - 1), this.object(depth - 1)] }),
      () => ({ oneOf: [{ type: "string", maxLength: 5 }, this.integer(), this.array(depth - 1)] }),
      () => ({ oneOf: ["a", "b", "c"].map((kind) => ({ type: "object",
        properties: { kind: { const: kind }, [kind]: inner() }, required: ["kind"] })) }),
      () => ({ oneOf: [{ type: "integer", minimum: 3 }, { type: "number", maximum: 9 }] }),
      () => ({ type: "object", properties: { a: { enum: [1, 2] }, b: inner() },
        if: { properties: { a: { const: 1 } }, required: ["a"] }, then: { required: ["b"] },
        else: { maxProperties: 1 } }),
    ])();
  }

  #any(depth: number): Json {
    return this.#pick<() => Json>([
      () => ({}),
      () => ({ type: ["string", "null", "integer"], maxLength: 4, maximum: 10 }),
      () => ({ type: ["array", "object"], items: this.schema(depth - 1) }),
      () => ({ $ref: "#/$defs/two" }),
    ])();
  }

  #listed(): Json {
    if (this.#random() < 0.3) return { const: this.#pick(CONSTANTS) };
    return { enum: CONSTANTS.filter(() => this.#random() < 0.4).concat([7]) };
  }

  #bounds(isWhole: boolean): Json {
    const value = () => (isWhole ? this.#whole(-1200, 1200) : (this.#random() - 0.5) * 100);
    const low = value();
    return {
      ...this.#maybe(0.4, () => ({ [this.#pick(["minimum", "exclusiveMinimum"])]: low })),
      ...this.#maybe(0.4, () => ({
        [this.#pick(["maximum", "exclusiveMaximum"])]: low + Math.abs(value()) })),
    };
  }

  #some(make: () => Json): Json[] {
    return Array.from({ length: this.#whole(1, 3) }, make);
  }

  #maybe(chance: number, make: () => Json): Json {
    return this.#random() < chance ? make() : {};
  }

  #whole(least: number, most: number): number {
    return least + Math.floor(this.#random() * (most - least + 1));
  }

  #pick<Item>(items: readonly Item[]): Item {
    return items[Math.floor(this.#random() * items.length)] as Item;
  }
}
