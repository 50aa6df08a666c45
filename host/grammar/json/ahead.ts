// Patterns that look ahead from the beginning, as several without: `^(?!a)(?=b)c` is what `^c`
// matches, `^(?:b)` too, and `^(?:a)` not. So writers of schemas say what an e-mail address is not.
// Looking ahead elsewhere is left for the parser to refuse. Knows nothing of what patterns match.

export interface Part {
  readonly source: string;
  readonly isNegated: boolean;
}

/** The patterns that have to match, and those that must not. */
export function partsOf(source: string): Part[] {
  const parts: Part[] = [];
  let rest = source.slice(1);
  while (source.startsWith("^") && /^\(\?[=!]/.test(rest)) {
    const end = closing(rest);
    if (end < 0) break;
    parts.push({ source: `^(?:${rest.slice(3, end)})`, isNegated: rest[2] === "!" });
    rest = rest.slice(end + 1);
  }
  // What is looked for ahead belongs to the first of several alternatives, or is itself repeated.
  if (parts.length === 0 || hasAlternatives(rest) || /^[*+?{]/.test(rest)) {
    return [{ source, isNegated: false }];
  }
  return [{ source: `^${rest}`, isNegated: false }, ...parts];
}

/** Where the group ends with which a pattern begins; -1 if it does not. */
function closing(source: string): number {
  let end = -1;
  walk(source, (at, depth) => {
    if (depth === 0 && source[at] === ")" && end < 0) end = at;
  });
  return end;
}

function hasAlternatives(source: string): boolean {
  let found = false;
  walk(source, (at, depth) => {
    if (depth === 0 && source[at] === "|") found = true;
  });
  return found;
}

/** Visits the characters that mean something, with how many groups are open behind each. */
function walk(source: string, visit: (at: number, depth: number) => void): void {
  let depth = 0;
  let isInClass = false;
  for (let at = 0; at < source.length; at++) {
    const character = source[at];
    if (character === "\\") at++;
    else if (isInClass) isInClass = character !== "]";
    else if (character === "[") isInClass = true;
    else {
      if (character === "(") depth++;
      if (character === ")") depth--;
      visit(at, depth);
    }
  }
}
