/** Sizes as people read them. Counterpart: `_format_size` of `tracemalloc.py`. */

const UNITS = ['B', 'KiB', 'MiB', 'GiB', 'TiB'];

/** `size` bytes in a unit that leaves two to five digits: `12.1 KiB`, `1024 B`. */
export function formatSize(size: number): string {
  let value = Math.abs(size);
  let unit = 0;
  // Two digits have one more behind the point; bytes have none.
  while (unit < UNITS.length - 1 && !(value < 100 && unit > 0) && value >= 10 * 1024) {
    value /= 1024;
    unit++;
  }
  const digits = value < 100 && unit > 0 ? 1 : 0;
  return `${size < 0 ? '-' : ''}${rounded(value, digits)} ${UNITS[unit]}`;
}

/** The same with its sign: `+12.1 KiB`. */
export function formatSizeDiff(size: number): string {
  return `${size < 0 ? '' : '+'}${formatSize(size)}`;
}

/** As Python prints a float: a tie goes to the even digit, where `toFixed` goes up. */
function rounded(value: number, digits: 0 | 1): string {
  const scale = 10 ** digits;
  const floor = Math.floor(value * scale);
  // Only halves and quarters lie exactly between two of their neighbours, and their multiples are exact.
  const isTie = Number.isInteger(value * 4) && value * scale - floor === 0.5;
  return isTie ? ((floor + (floor % 2)) / scale).toFixed(digits) : value.toFixed(digits);
}
