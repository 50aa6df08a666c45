// Regular expressions as grammars. A regular expression that stands for a whole text has to match
// all of it, whether or not it says so with ^ and $; one that is searched for matches where it can.
// Knows nothing of how the tree was written.

import { innerParts, parsePattern, type Pattern } from "./pattern";
import { ALL } from "./points";
import { inUtf8, type Spell } from "./spelling";
import { EMPTY, repeat, type Grammar, type Node } from "./syntax";

/** The texts that a regular expression matches as a whole. Throws BAD_REGEX. */
export function regexGrammar(source: string): Grammar {
  return { rules: [wholeMatch(parsePattern(source), inUtf8())] };
}

/** What a pattern matches from the first to the last character. */
export function wholeMatch(pattern: Pattern, spell: Spell): Node {
  switch (pattern.kind) {
    case "characters":
      return spell(pattern.points);
    case "begin":
    case "end":
      return EMPTY;
    case "sequence":
      return { kind: "sequence", parts: pattern.parts.map((part) => wholeMatch(part, spell)) };
    case "choice":
      return { kind: "choice", options: pattern.options.map((it) => wholeMatch(it, spell)) };
    case "repeat":
      return repeat(wholeMatch(pattern.part, spell), pattern.least, pattern.most);
  }
}

/** The texts in which a pattern matches somewhere, as `RegExp.test` has it. */
export function anyMatch(pattern: Pattern, spell: Spell): Node {
  return padded(pattern, spell, repeat(spell(ALL), 0, Infinity), true, true);
}

/**
 * A pattern with whatever may stand before it, where it can begin anywhere, and behind it. What can
 * touch an end of the text is asked part by part, since `(^|,)a` begins in two ways.
 */
function padded(
  pattern: Pattern, spell: Spell, anything: Node, before: boolean, behind: boolean,
): Node {
  if (!before && !behind) return wholeMatch(pattern, spell);
  const pad = (inner: Node, left: boolean, right: boolean): Node => ({
    kind: "sequence", parts: [...(left ? [anything] : []), inner, ...(right ? [anything] : [])],
  });
  switch (pattern.kind) {
    case "begin":
      return pad(EMPTY, false, behind);
    case "end":
      return pad(EMPTY, before, false);
    case "choice":
      return { kind: "choice", options: pattern.options.map((option) => (
        padded(option, spell, anything, before, behind))) };
    case "sequence": {
      const { parts } = pattern;
      const [first, last] = innerParts(parts);
      const isPinned = { first: first > 0, last: last < parts.length - 1 };
      // Of ^ and $ alone nothing is left to begin or end anywhere.
      if (first > last) return pad(EMPTY, before && !isPinned.first, behind && !isPinned.last);
      return { kind: "sequence", parts: parts.slice(first, last + 1).map((part, i, inner) => (
        padded(part, spell, anything, before && !isPinned.first && i === 0,
          behind && !isPinned.last && i === inner.length - 1))) };
    }
    default:
      return pad(wholeMatch(pattern, spell), before, behind);
  }
}
