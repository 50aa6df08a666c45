// Medians, spreads and least squares. Does not know: what the numbers are.

export function median(values) {
  const sorted = [...values].sort((a, b) => a - b);
  const middle = sorted.length >> 1;
  return sorted.length % 2 ? sorted[middle] : (sorted[middle - 1] + sorted[middle]) / 2;
}

/** Median and range, of the samples that have the number. */
export function spread(values) {
  const known = values.filter((value) => Number.isFinite(value));
  if (known.length === 0) return undefined;
  return { median: median(known), min: Math.min(...known), max: Math.max(...known),
    count: known.length };
}

/**
 * Coefficients k that make Σ k[i]·row[i] nearest to the targets, none of them negative: what a
 * cost model's terms cannot be. A term that would be is left out. Errors count relative to the
 * target, so that small models weigh as much as large ones.
 */
export function fit(rows, targets) {
  const width = rows[0].length;
  let active = Array.from({ length: width }, (_, i) => i);
  for (;;) {
    const solution = solve(rows.map((row, at) => active.map((i) => row[i] / targets[at])));
    const worst = solution.indexOf(Math.min(...solution));
    if (solution[worst] >= 0 || active.length === 1) {
      return Array.from({ length: width }, (_, i) => solution[active.indexOf(i)] ?? 0);
    }
    active = active.filter((_, i) => i !== worst);
  }
}

/** Least squares against ones, by the normal equations and Gauss's elimination. */
function solve(rows) {
  const width = rows[0].length;
  const matrix = Array.from({ length: width }, (_, i) => [
    ...Array.from({ length: width }, (_, j) => rows.reduce((sum, row) => sum + row[i] * row[j], 0)),
    rows.reduce((sum, row) => sum + row[i], 0),
  ]);
  for (let i = 0; i < width; i++) {
    const pivot = matrix.slice(i).reduce((best, row, at) =>
      (Math.abs(row[i]) > Math.abs(matrix[best][i]) ? i + at : best), i);
    [matrix[i], matrix[pivot]] = [matrix[pivot], matrix[i]];
    for (let j = 0; j < width; j++) {
      if (j === i) continue;
      const factor = matrix[j][i] / matrix[i][i];
      for (let k = i; k <= width; k++) matrix[j][k] -= factor * matrix[i][k];
    }
  }
  return matrix.map((row, i) => row[width] / row[i]);
}

/** How much of the targets' relative error a fit leaves: the root of the mean square. */
export function relativeError(rows, targets, coefficients) {
  const errors = rows.map((row, at) =>
    row.reduce((sum, value, i) => sum + value * coefficients[i], 0) / targets[at] - 1);
  return Math.sqrt(errors.reduce((sum, error) => sum + error * error, 0) / errors.length);
}
