/** Text and bytes. Counterpart: Python's `codecs`. */
import { LookupError } from '../core/exceptions.ts';
import { repr } from '../core/format-helpers.ts';

/** What a text file needs of an encoding. In all of them a byte below 128 is that character and nothing else. */
export interface Codec {
  encode(text: string): Buffer;
  /** Decode whole characters. */
  decode(bytes: Uint8Array): string;
  /** How many bytes a character takes that begins with this one. */
  lengthOf(byte: number): number;
}

const NAMES: Readonly<Record<string, 'utf8' | 'latin1' | 'ascii'>> = {
  utf8: 'utf8',
  u8: 'utf8',
  latin1: 'latin1',
  iso88591: 'latin1',
  l1: 'latin1',
  ascii: 'ascii',
  usascii: 'ascii',
};

/** What the encodings of one byte reach to, and how Python calls them. */
const ONE_BYTE = {
  latin1: { limit: 256, label: 'latin-1' },
  ascii: { limit: 128, label: 'ascii' },
};

/** Half of a character beyond 16 bits. */
const loneSurrogate = /\p{Surrogate}/u;

function cannotEncode(label: string, text: string, i: number, reason: string): RangeError {
  const code = (text.charCodeAt(i) & 0xffff).toString(16).padStart(4, '0');
  return new RangeError(`'${label}' codec can't encode character '\\u${code}' in position ${i}: ${reason}`);
}

function utf8(isStrict: boolean): Codec {
  const decoder = new TextDecoder('utf-8', { fatal: isStrict, ignoreBOM: true });
  return {
    encode(text) {
      const i = isStrict ? text.search(loneSurrogate) : -1;
      if (i >= 0) throw cannotEncode('utf-8', text, i, 'surrogates not allowed');
      return Buffer.from(text);
    },
    decode(bytes) {
      try {
        return decoder.decode(bytes);
      } catch (cause) {
        throw new RangeError("'utf-8' codec can't decode the bytes of the file", { cause });
      }
    },
    lengthOf(byte) {
      if (byte < 0xc0) return 1;
      if (byte < 0xe0) return 2;
      return byte < 0xf0 ? 3 : 4;
    },
  };
}

function oneByte(isStrict: boolean, { limit, label }: { limit: number; label: string }): Codec {
  const beyond = limit === 256 ? /[^\0-\xff]/g : /[^\0-\x7f]/g;
  return {
    encode(text) {
      const i = text.search(beyond);
      if (i < 0) return Buffer.from(text, 'latin1');
      if (isStrict) throw cannotEncode(label, text, i, `ordinal not in range(${limit})`);
      return Buffer.from(text.replaceAll(beyond, '?'), 'latin1');
    },
    decode(bytes) {
      const text = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength).toString('latin1');
      const i = limit === 256 ? -1 : text.search(beyond);
      if (i < 0) return text;
      if (!isStrict) return text.replaceAll(beyond, '\ufffd');
      const byte = text.charCodeAt(i).toString(16);
      throw new RangeError(
        `'${label}' codec can't decode byte 0x${byte} in position ${i}: ordinal not in range(${limit})`,
      );
    },
    lengthOf: () => 1,
  };
}

/** @throws LookupError for an encoding that is not known here. */
export function codecOf(encoding: string, isStrict: boolean): Codec {
  const name = NAMES[encoding.toLowerCase().replaceAll(/[-_ ]/g, '')];
  if (name === undefined) {
    throw new LookupError(`unknown encoding: ${repr(encoding)} (known are utf8, latin1 and ascii)`);
  }
  return name === 'utf8' ? utf8(isStrict) : oneByte(isStrict, ONE_BYTE[name]);
}
