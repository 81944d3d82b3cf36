/** Patterns of file names. Counterpart: `fnmatch.py`, and `os.path.normcase`. */

const isWindows = process.platform === 'win32';

/** A file name as the system compares it: on Windows in small letters with backslashes. */
export function normcase(filename: string): string {
  return isWindows ? filename.toLowerCase().replaceAll('/', '\\') : filename;
}

/**
 * What matches all of a name: `*` anything, slashes too, `?` one character, `[a-z]` one of these, `[!a-z]` one that is
 * none of these. A bracket that is never closed stands for itself.
 */
export function compilePattern(pattern: string): RegExp {
  const characters = Array.from(pattern.replaceAll(/\*+/g, '*')); // more of them match the same, and slowly
  let source = '';
  for (let i = 0; i < characters.length; i++) {
    const character = characters[i] as string;
    const end = character === '[' ? closingBracket(characters, i) : -1;
    if (end > 0) {
      source += classOf(characters.slice(i + 1, end));
      i = end;
    } else if (character === '*') source += '.*';
    else source += character === '?' ? '.' : literal(character);
  }
  return new RegExp(`^${source}$`, 'su');
}

/** Where the bracket at `open` closes, or -1. Right after `[` or `[!`, a `]` is one of the characters. */
function closingBracket(characters: readonly string[], open: number): number {
  const first = characters[open + 1] === '!' ? open + 2 : open + 1;
  return characters.indexOf(']', first + 1);
}

function classOf(inside: readonly string[]): string {
  const isNegated = inside[0] === '!';
  const members: string[] = [];
  for (let i = isNegated ? 1 : 0; i < inside.length; i++) {
    const low = inside[i] as string;
    const isRange = inside[i + 1] === '-' && i + 2 < inside.length;
    const high = isRange ? (inside[i + 2] as string) : low;
    if (isRange) i += 2;
    // A range that runs backwards has nothing in it.
    if (codeOf(low) <= codeOf(high)) members.push(`${literal(low)}-${literal(high)}`);
  }
  return `[${isNegated ? '^' : ''}${members.join('')}]`;
}

const codeOf = (character: string): number => character.codePointAt(0) ?? 0;

const literal = (character: string): string => `\\u{${codeOf(character).toString(16)}}`;
