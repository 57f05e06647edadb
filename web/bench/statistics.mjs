// Numbers of many.

export function median(values) {
  const sorted = [...values].sort((a, b) => a - b);
  const middle = sorted.length >> 1;
  return sorted.length % 2 ? sorted[middle] : (sorted[middle - 1] + sorted[middle]) / 2;
}

/** The rounds' numbers, their median, and between which they lie; `undefined` of none. */
export function across(rounds) {
  if (rounds.length === 0) return undefined;
  return { median: median(rounds), least: Math.min(...rounds), most: Math.max(...rounds), rounds };
}

/** The largest difference between two tables, over the largest number of the second. */
export function difference(table, reference) {
  const [values, wanted] = [table.flat(), reference.flat()];
  if (values.length !== wanted.length) return Infinity;
  const largest = Math.max(...wanted.map(Math.abs));
  // A NaN must not pass for equal.
  return values.reduce((most, value, i) => {
    const off = Math.abs(value - wanted[i]) / largest;
    return off <= most ? most : Number.isNaN(off) ? Infinity : off;
  }, 0);
}
