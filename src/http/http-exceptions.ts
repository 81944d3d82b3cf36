/** Bytes that are no HTTP. Counterpart: `aiohttp/http_exceptions.py`. */
import { quote } from './helpers.ts';

/** The response that could not be read becomes a `ClientResponseError` of status 400, with this message. */
export class BadHttpMessage extends Error {
  readonly status = 400;

  // Not the constructor's, which bundlers rename.
  override get name(): string {
    return 'BadHttpMessage';
  }

  /** As Python prints it. */
  override toString(): string {
    return `<${this.name}: ${this.status}, message=${quote(this.message)}>`;
  }
}

/** A status line, header or trailer that is longer than the limit. */
export class LineTooLong extends BadHttpMessage {
  override get name(): string {
    return 'LineTooLong';
  }

  constructor(line: Uint8Array, limit: number) {
    super(`Got more than ${limit} bytes when reading: ${quoteBytes(line.subarray(0, 100), '...')}.`);
  }
}

/** A header that must not be. */
export class InvalidHeader extends BadHttpMessage {
  override get name(): string {
    return 'InvalidHeader';
  }

  constructor(header: Uint8Array) {
    super(`Invalid HTTP header: ${quoteBytes(header)}`);
  }
}

export class BadStatusLine extends BadHttpMessage {
  override get name(): string {
    return 'BadStatusLine';
  }
}

/** A body that cannot be decompressed. */
export class ContentEncodingError extends BadHttpMessage {
  override get name(): string {
    return 'ContentEncodingError';
  }
}

/** A chunked body that is cut short, or no such body. */
export class TransferEncodingError extends BadHttpMessage {
  override get name(): string {
    return 'TransferEncodingError';
  }
}

/** A body that is shorter than its Content-Length. */
export class ContentLengthError extends BadHttpMessage {
  override get name(): string {
    return 'ContentLengthError';
  }
}

/** Bytes as Python prints them. */
export function quoteBytes(bytes: Uint8Array, more = ''): string {
  const text = `${Buffer.from(bytes).toString('latin1')}${more}`;
  const escaped = quote(text).replaceAll(/[^ -~]/g, (char) =>
    char === '\t' ? '\\t' : `\\x${char.charCodeAt(0).toString(16).padStart(2, '0')}`,
  );
  return `b${escaped}`;
}
