// Which of some names a misspelt one was meant to be. Knows nothing of what is named.

/** The name with the fewest slips, if that are few for its length; of equals the first. */
export function nearest(word: string, names: readonly string[]): string | undefined {
  let best: string | undefined;
  let least = Math.max(1, Math.floor(word.length / 3)) + 1;
  for (const name of names) {
    const slips = slipsBetween(word, name, least);
    if (slips >= least) continue;
    least = slips;
    best = name;
  }
  return best;
}

/**
 * Letters that were left out, put in, replaced, or exchanged with their neighbour ("optimal string
 * alignment"); `most` where there are as many or more.
 */
function slipsBetween(a: string, b: string, most: number): number {
  if (Math.abs(a.length - b.length) >= most) return most;
  // Rows of the table of all beginnings: the one before the last, the last, this one.
  let before: number[] = [];
  let last = Array.from({ length: b.length + 1 }, (_, j) => j);
  for (let i = 1; i <= a.length; i++) {
    const row = [i];
    for (let j = 1; j <= b.length; j++) {
      const isSame = a[i - 1] === b[j - 1];
      let slips = Math.min((last[j] as number) + 1, (row[j - 1] as number) + 1,
        (last[j - 1] as number) + (isSame ? 0 : 1));
      if (i > 1 && j > 1 && a[i - 1] === b[j - 2] && a[i - 2] === b[j - 1]) {
        slips = Math.min(slips, (before[j - 2] as number) + 1);
      }
      row.push(slips);
    }
    [before, last] = [last, row];
  }
  return Math.min(most, last[b.length] as number);
}
