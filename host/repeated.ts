// Names that come twice in one object of a text in JSON: JSON.parse keeps the last and says
// nothing, so that a part of what a schema says would be gone. Knows nothing of schemas.

/** Of an object: its names so far, a set from the second on. What is deep has one name each. */
type Names = Set<string> | string | undefined;

/**
 * The first name that comes twice in one object; undefined if none does. The text has to be JSON.
 * Takes one walk over the text, and as much memory as its names.
 */
export function repeatedName(json: string): string | undefined {
  const open: (Names | null)[] = []; // an array has no names
  for (let at = 0; at < json.length; at++) {
    switch (json[at]) {
      case "{":
        open.push(undefined);
        break;
      case "[":
        open.push(null);
        break;
      case "}":
      case "]":
        open.pop();
        break;
      case "\"": {
        const end = endOf(json, at);
        const names = open[open.length - 1];
        if (names !== null && isName(json, end)) {
          const name = JSON.parse(json.slice(at, end)) as string;
          if (names instanceof Set ? names.has(name) : names === name) return name;
          open[open.length - 1] = withName(names, name);
        }
        at = end - 1;
      }
    }
  }
  return undefined;
}

function withName(names: Names, name: string): Names {
  if (names === undefined) return name;
  return names instanceof Set ? names.add(name) : new Set([names, name]);
}

/** Behind the string that begins at `at`: behind the next quotation mark that is not escaped. */
function endOf(json: string, at: number): number {
  let end = json.indexOf("\"", at + 1);
  while (isEscaped(json, end)) end = json.indexOf("\"", end + 1);
  return end + 1;
}

/** Whether an odd number of backslashes stands before it. */
function isEscaped(json: string, at: number): boolean {
  let first = at;
  while (json[first - 1] === "\\") first--;
  return (at - first) % 2 === 1;
}

/** Whether a colon follows the string that ends at `end`. */
function isName(json: string, end: number): boolean {
  while (" \t\n\r".includes(json[end] ?? ":")) end++;
  return json[end] === ":";
}
