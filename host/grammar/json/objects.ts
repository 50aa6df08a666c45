// Objects: `{`, members with `, ` between them, `}`. Members that are listed come first and in
// the schema's order, each at most once; then those that are only described. Where members are
// listed and nothing is said of others, no others come. Knows nothing of what members are.

import { EMPTY, choice, literal, optional, repeat, rule, sequence, type Node } from "../syntax";
import { unsupported } from "./limits";
import { Chain, type Maker } from "./maker";
import type { Merged } from "./merged";
import { freeMembers, listedNames } from "./names";
import { COLON, COMMA } from "./values";

const OPEN = literal("{");
const CLOSE = literal("}");
const BETWEEN = literal(COMMA);
const IS = literal(COLON);

interface Member {
  readonly node: Node;
  readonly isRequired: boolean;
}

/** The objects that meet a condition. */
export function objectNode(part: Merged, maker: Maker): Node {
  const { place, required, minProperties, maxProperties, unlike } = part;
  if (unlike.some((value) => isMember(value))) {
    throw unsupported(place, "excludes an object by its value, which is not supported");
  }
  const names = listedNames(part, maker);
  // A name that may not be, and has to, leaves no object.
  const listed = new Set(names);
  const isRequired = new Set(required);
  if (required.some((name) => !listed.has(name))) return choice();
  const members: Member[] = [];
  for (const name of names) {
    const asked = maker.branches.membersOf(part, name);
    if (maker.branches.of(asked).length === 0) {
      if (isRequired.has(name)) return choice();
      continue;
    }
    members.push({ isRequired: isRequired.has(name),
      node: sequence(literal(`${JSON.stringify(name)}${COLON}`), maker.value(asked)) });
  }
  maker.budget.spend(names.length * 4, place, "members");
  const free = maxProperties > required.length ? freeMembers(part, names, maker) : [];
  const others = free.length === 0 ? undefined
    : choice(...free.map(({ name, schemas }) => sequence(name, IS, maker.value(schemas))));
  const unlisted = minProperties - required.length;
  if (others && unlisted > 1) {
    throw unsupported(place, "has minProperties of two more than are required, beside members "
      + "without a fixed name, whose names cannot be kept apart");
  }
  const isCounted = minProperties > required.length || maxProperties < Infinity;
  return sequence(OPEN, isCounted ? countedMembers(part, members, others, maker)
    : someMembers(members, others, place, maker), CLOSE);
}

function isMember(value: unknown): boolean {
  return typeof value === "object" && value !== null && !Array.isArray(value)
    && Object.keys(value).length > 0;
}

/** Members without a bound of their number. */
function someMembers(
  members: readonly Member[], others: Node | undefined, place: string, maker: Maker,
): Node {
  const next = ({ node, isRequired }: Member): Node => {
    const part = sequence(BETWEEN, node);
    return isRequired ? part : optional(part);
  };
  const end = others ? repeat(sequence(BETWEEN, others), 0, Infinity) : EMPTY;
  const only = others ? optional(sequence(others, end)) : EMPTY;
  const required = members.findIndex(({ isRequired }) => isRequired);
  const first = required < 0 ? members.length : required;
  // What follows once there is a member needs no choice of the comma.
  const flat = sequence(...members.slice(first + 1).map(next), end);
  if (first === 0 && required === 0) return sequence((members[0] as Member).node, flat);
  const flatRule = maker.rules.reserve();
  maker.rules.set(flatRule, flat);
  let after: Node = rule(flatRule);
  let before = required < 0 ? only : sequence((members[first] as Member).node, after);
  if (required >= 0) after = ruleOf(sequence(next(members[first] as Member), after), maker);
  for (let i = first - 1; i >= 0; i--) {
    maker.budget.spend(2, place, "members");
    const member = members[i] as Member;
    before = ruleOf(choice(sequence(member.node, after), before), maker);
    after = ruleOf(sequence(next(member), after), maker);
  }
  return before;
}

function ruleOf(node: Node, maker: Maker): Node {
  const index = maker.rules.reserve();
  maker.rules.set(index, node);
  return rule(index);
}

/** Members whose number is bounded. */
function countedMembers(
  { place, minProperties, maxProperties }: Merged, members: readonly Member[],
  others: Node | undefined, maker: Maker,
): Node {
  // From here on numbers of members are one.
  const countMax = maxProperties === Infinity ? Math.max(minProperties, 1) : maxProperties;
  const after = (isFirst: boolean, node: Node): Node => (
    isFirst ? node : sequence(BETWEEN, node));
  const chain = new Chain<readonly [index: number, count: number]>(maker, place, "members", rule,
    ([index, count]) => {
      const isFirst = count === 0;
      const member = members[index];
      if (!member) {
        const missing = minProperties - count;
        if (!others || count >= maxProperties) return missing > 0 ? choice() : EMPTY;
        const rest = repeat(sequence(BETWEEN, others), 0,
          maxProperties - count - 1);
        // Others may have the same name, so that they count for one.
        if (missing > 1) return choice();
        const some = sequence(after(isFirst, others), rest);
        return missing > 0 ? some : optional(some);
      }
      const options: Node[] = [];
      if (!member.isRequired) options.push(chain.at([index + 1, count]));
      if (count < maxProperties) {
        options.push(sequence(after(isFirst, member.node),
          chain.at([index + 1, Math.min(count + 1, countMax)])));
      }
      return choice(...options);
    });
  const first = chain.at([0, 0]);
  chain.finish();
  return first;
}
