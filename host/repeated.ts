// Names that come twice in one object of a text in JSON: JSON.parse keeps the last and says
// nothing, so that a part of what a schema says would be gone. Knows nothing of schemas.

/**
 * The first name that comes twice in one object; undefined if none does. The text has to be JSON.
 * Takes one walk over the text, and as much memory as its names.
 */
export function repeatedName(json: string): string | undefined {
  const open: (Set<string> | undefined)[] = []; // an array has no names
  for (let at = 0; at < json.length; at++) {
    switch (json[at]) {
      case "{":
        open.push(new Set());
        break;
      case "[":
        open.push(undefined);
        break;
      case "}":
      case "]":
        open.pop();
        break;
      case "\"": {
        const end = endOf(json, at);
        const names = open[open.length - 1];
        if (names && isName(json, end)) {
          const name = JSON.parse(json.slice(at, end)) as string;
          if (names.has(name)) return name;
          names.add(name);
        }
        at = end - 1;
      }
    }
  }
  return undefined;
}

/** Behind the string that begins at `at`. */
function endOf(json: string, at: number): number {
  let end = at + 1;
  while (json[end] !== "\"") end += json[end] === "\\" ? 2 : 1;
  return end + 1;
}

/** Whether a colon follows the string that ends at `end`. */
function isName(json: string, end: number): boolean {
  while (" \t\n\r".includes(json[end] ?? ":")) end++;
  return json[end] === ":";
}
