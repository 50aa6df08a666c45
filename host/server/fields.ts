// The fields of a request's JSON: each is taken once, with its limits; what nobody takes is refused
// by name, so that no setting is ignored in silence. Knows nothing of what the fields mean.

import { Refusal } from "./refusal";

/** Fields that clients send along and that change nothing here. */
const IGNORED = ["user", "metadata", "store", "service_tier", "safety_identifier",
  "prompt_cache_key", "prompt_cache_retention", "parallel_tool_calls"];

export class Fields {
  readonly #left: Map<string, unknown>;

  constructor(body: unknown) {
    if (typeof body !== "object" || body === null || Array.isArray(body)) {
      throw new Refusal(400, "The body must be a JSON object.");
    }
    // null is how many clients say that a field is not set.
    this.#left = new Map(Object.entries(body).filter(([, value]) => value !== null));
    for (const name of IGNORED) this.#left.delete(name);
  }

  /** A field as it is; undefined where it is absent. */
  take(name: string): unknown {
    const value = this.#left.get(name);
    this.#left.delete(name);
    return value;
  }

  number(name: string, least: number, most: number): number | undefined {
    const value = this.take(name);
    if (value === undefined) return undefined;
    if (typeof value === "number" && value >= least && value <= most) return value;
    throw wrong(name, `a number from ${least} to ${most}`);
  }

  whole(name: string, least: number, most: number): number | undefined {
    const value = this.take(name);
    if (value === undefined) return undefined;
    if (Number.isInteger(value) && (value as number) >= least && (value as number) <= most) {
      return value as number;
    }
    throw wrong(name, `a whole number from ${least} to ${most}`);
  }

  flag(name: string): boolean {
    const value = this.take(name);
    if (value === undefined || typeof value === "boolean") return value ?? false;
    throw wrong(name, "true or false");
  }

  text(name: string): string | undefined {
    const value = this.take(name);
    if (value === undefined || typeof value === "string") return value;
    throw wrong(name, "a text");
  }

  /** The fields of an object in a field. */
  object(name: string): Fields | undefined {
    const value = this.take(name);
    if (value === undefined) return undefined;
    if (typeof value === "object" && !Array.isArray(value)) return new Fields(value);
    throw wrong(name, "an object");
  }

  /** Refuses what nobody has taken. */
  end(within = ""): void {
    const [name] = this.#left.keys();
    if (name === undefined) return;
    const shown = `${within}${name.slice(0, 64)}`;
    throw new Refusal(400, `There is no parameter ${JSON.stringify(shown)} here.`, shown,
      "unknown_parameter");
  }
}

export function wrong(name: string, wanted: string): Refusal {
  return new Refusal(400, `${name} must be ${wanted}.`, name, "invalid_value");
}
