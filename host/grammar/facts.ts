// What can be known of every part before any text: whether it matches the empty string, and whether
// it matches any other. Both grow from the leaves until nothing changes. Knows nothing of how parts
// are run.

import { KIND, type Parts } from "./parts";

/** Bits. */
export const NULLABLE = 1;
export const FILLED = 2;

/** For each part its bits. */
export function factsOf(parts: Parts): Uint8Array {
  const { count } = parts.records;
  const facts = new Uint8Array(count);
  const { starts, users } = usersOf(parts);
  const waiting = Int32Array.from({ length: count }, (_, part) => part);
  const isWaiting = new Uint8Array(count).fill(1);
  let first = 0;
  let length = count;
  while (length > 0) {
    const part = waiting[first] as number;
    first = (first + 1) % count;
    length--;
    isWaiting[part] = 0;
    const now = factOf(parts, part, facts);
    if (now === facts[part]) continue;
    facts[part] = now;
    for (let i = starts[part] as number; i < (starts[part + 1] as number); i++) {
      const user = users[i] as number;
      if (isWaiting[user] === 1) continue;
      isWaiting[user] = 1;
      waiting[(first + length) % count] = user;
      length++;
    }
  }
  return facts;
}

/** Of a part, as far as the facts of those inside are known. */
function factOf(parts: Parts, part: number, facts: Uint8Array): number {
  const a = parts.a(part);
  const of = (inner: number): number => facts[inner] as number;
  switch (parts.kindOf(part)) {
    case KIND.empty: return NULLABLE;
    case KIND.bytes: return FILLED;
    case KIND.sequence: {
      const one = of(a);
      const other = of(parts.b(part));
      return one === 0 || other === 0 ? 0 : (one & other & NULLABLE) | ((one | other) & FILLED);
    }
    case KIND.choice: return of(a) | of(parts.b(part));
    case KIND.loop: return of(a) | (parts.b(part) === 0 ? NULLABLE : 0);
    case KIND.rule: return of(parts.rules[a] as number);
    case KIND.nonempty: return of(a) & FILLED;
    default: return 0;
  }
}

/** The parts whose facts a part has directly. */
export function insidesOf(parts: Parts, part: number): readonly number[] {
  switch (parts.kindOf(part)) {
    case KIND.sequence:
    case KIND.choice: return [parts.a(part), parts.b(part)];
    case KIND.loop:
    case KIND.nonempty: return [parts.a(part)];
    case KIND.rule: return [parts.rules[parts.a(part)] as number];
    default: return [];
  }
}

/** Who uses each part: those of part p stand in `users` from starts[p] to starts[p + 1]. */
function usersOf(parts: Parts): { starts: Int32Array; users: Int32Array } {
  const { count } = parts.records;
  const starts = new Int32Array(count + 1);
  for (let part = 0; part < count; part++) {
    for (const inner of insidesOf(parts, part)) starts[inner + 1] = (starts[inner + 1] ?? 0) + 1;
  }
  for (let part = 0; part < count; part++) {
    starts[part + 1] = (starts[part + 1] as number) + (starts[part] as number);
  }
  const users = new Int32Array(starts[count] as number);
  const ends = starts.slice();
  for (let part = 0; part < count; part++) {
    for (const inner of insidesOf(parts, part)) {
      const at = ends[inner] as number;
      users[at] = part;
      ends[inner] = at + 1;
    }
  }
  return { starts, users };
}
