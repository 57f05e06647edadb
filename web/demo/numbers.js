const digits = (value, places) =>
  value.toLocaleString("en", {
    minimumFractionDigits: places,
    maximumFractionDigits: places,
  });

/** @param {number} bytes */
export const kilobytes = (bytes) => digits(bytes / 1e3, bytes < 1e5 ? 1 : 0);

/** @param {number} count */
export const millions = (count) => digits(count / 1e6, count < 1e4 ? 3 : count < 1e8 ? 2 : 0);

/** @param {number} value */
export const milliseconds = (value) => digits(value, value < 1 ? 3 : value < 10 ? 2 : value < 100 ? 1 : 0);

/** @param {number} share 0 to 1 */
export const percent = (share) => `${digits(100 * share, 1)} %`;

/** "9.1× fewer", or nothing where both are about the same.
 * @param {number} value @param {number} dense */
export function fewer(value, dense) {
  const factor = dense / value;
  if (!(factor > 0) || (factor < 1.05 && factor > 0.95)) return "";
  return factor > 1 ? `${digits(factor, 1)}× fewer` : `${digits(1 / factor, 1)}× more`;
}

/** @param {number} ratio */
export const times = (ratio) => `${digits(ratio, 1)}×`;

/** @template T @param {readonly T[]} items @param {(item: T) => number} value */
export const sum = (items, value) => items.reduce((total, item) => total + value(item), 0);

/** @param {number[]} values */
export function median(values) {
  const sorted = [...values].sort((a, b) => a - b);
  const middle = sorted.length >> 1;
  return sorted.length % 2 ? sorted[middle] : (sorted[middle - 1] + sorted[middle]) / 2;
}

/** With a capital and a full stop. @param {string} text */
export const sentence = (text) => text.charAt(0).toUpperCase() + text.slice(1).replace(/\.?$/, ".");
