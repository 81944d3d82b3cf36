/** How a file is opened. Counterpart: `open` of Python's `io`. */
import { LookupError } from '../core/exceptions.ts';
import { repr, typeName } from '../core/format-helpers.ts';

type Kind = 'r' | 'w' | 'a' | 'x';
type Plus<K extends Kind> = K | `${K}+`;

/** Modes of text. Any order of the letters works; these are the usual ones. */
export type TextMode = Plus<Kind> | `${Plus<Kind>}t` | `${Kind}t+`;

/** Modes of bytes. */
export type BinaryMode = `${Plus<Kind>}b` | `${Kind}b+`;

/** Options of `open` for text. */
export interface TextOptions {
  /** `utf8` (default), `latin1` or `ascii`. */
  encoding?: string | null;
  /** What to do with bytes or characters that the encoding does not have: throw, or put a replacement. */
  errors?: 'strict' | 'replace' | null;
  /**
   * What ends a line. null (default): `\n`, `\r` and `\r\n` are all read as `\n`, and `\n` is written as the system's
   * own. `''`: all three, as they are. One of them: that one alone, which `\n` is then written as.
   */
  newline?: null | '' | '\n' | '\r' | '\r\n';
}

/** A mode that was understood. */
export interface Mode {
  readonly text: string;
  readonly isBinary: boolean;
  readonly canRead: boolean;
  readonly canWrite: boolean;
  readonly appends: boolean;
  /** As Node writes it. */
  readonly flags: string;
}

/** @throws RangeError with Python's texts. */
export function parseMode(mode: unknown): Mode {
  if (typeof mode !== 'string')
    throw new TypeError(`open() argument 'mode' must be str, not ${typeName(mode)}`);
  const letters = new Set(mode);
  if (letters.size !== mode.length || !/^[rwaxbt+]*$/.test(mode)) {
    throw new RangeError(`invalid mode: ${repr(mode)}`);
  }
  if (letters.has('t') && letters.has('b')) throw new RangeError("can't have text and binary mode at once");
  const kinds = [...letters].filter((letter) => 'rwax'.includes(letter));
  if (kinds.length !== 1) {
    throw new RangeError('must have exactly one of create/read/write/append mode');
  }
  const kind = kinds[0] as Kind;
  const updates = letters.has('+');
  return {
    text: mode,
    isBinary: letters.has('b'),
    canRead: kind === 'r' || updates,
    canWrite: kind !== 'r' || updates,
    appends: kind === 'a',
    flags: `${kind === 'x' ? 'wx' : kind}${updates ? '+' : ''}`,
  };
}

const NEWLINES: readonly unknown[] = ['', '\n', '\r', '\r\n'];

/** @throws RangeError with Python's texts, for options that do not go with the mode. */
export function checkOptions(mode: Mode, { encoding, errors, newline }: TextOptions): void {
  if (mode.isBinary) {
    for (const [name, value] of Object.entries({ encoding, errors, newline })) {
      const article = name === 'newline' ? 'a' : 'an';
      if (value !== undefined && value !== null)
        throw new RangeError(`binary mode doesn't take ${article} ${name} argument`);
    }
    return;
  }
  if (newline !== undefined && newline !== null && !NEWLINES.includes(newline)) {
    throw new RangeError(`illegal newline value: ${repr(newline)}`);
  }
  if (errors !== undefined && errors !== null && errors !== 'strict' && errors !== 'replace') {
    throw new LookupError(`unknown error handler name ${repr(errors)}`);
  }
}
