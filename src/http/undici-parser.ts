/**
 * What undici's parser keeps to itself: the version of a response, the ends of its chunks, where it broke. And what it gets
 * wrong: it ends the connection at `100 Continue` and at a 304 with a length, and loses the first part of a reason phrase
 * that comes in two. No counterpart in aiohttp, whose parser is its own around the same llhttp.
 */
import type { Socket } from 'node:net';
import symbols from 'undici/lib/core/symbols.js';
import type { WireHandler, WireLimits } from './engine.ts';
import { BadHttpMessage, BadStatusLine, LineTooLong, quoteBytes } from './http-exceptions.ts';
import { type HttpVersion, HttpVersion10, HttpVersion11 } from './http-writer.ts';

/** The parts of undici 7's parser that are used or replaced here. One belongs to each socket. */
interface Parser {
  /** Where llhttp has its state; null when it is gone. */
  readonly ptr: number | null;
  readonly llhttp: Record<
    | 'llhttp_get_http_major'
    | 'llhttp_get_http_minor'
    | 'llhttp_set_lenient_headers'
    | 'llhttp_set_lenient_optional_cr_before_lf'
    | 'llhttp_set_lenient_spaces_after_chunk_size',
    (ptr: number, value?: number) => number
  >;
  /** Name, value, … of the head or of the trailers that are coming in. */
  headers: Buffer[];
  /** Their bytes. */
  headersSize: number;
  statusCode: number;
  statusText: string;
  /** What the body is compared with at its end. */
  contentLength: string;
  setTimeout(delay: number, type: number): void;
  execute(chunk: Buffer): void;
  onStatus(part: Buffer): number;
  trackHeader(length: number): void;
  onHeadersComplete(status: number, isUpgrade: boolean, isKeptAlive: boolean): number;
  onBody(part: Buffer): number;
  onMessageComplete(): number;
  createError(code: number, rest: Buffer): Error;
}

/** A time to keep an idle connection that means: no limit. Node's timers take no more. */
export const KEPT_MS = 2 ** 31 - 1;

/** Of bytes that nobody asked for, which end the connection. */
const NO_LIMITS: WireLimits = { maxLineSize: 0, maxFieldSize: 0, maxHeaders: 0 };
/** llhttp's codes for errors of the first line: INVALID_CONSTANT, INVALID_VERSION, INVALID_STATUS. */
const STATUS_LINE_ERRORS = new Set([8, 9, 13]);

/** Where a parser has its hooks. */
const hooks = Symbol('hooks');

interface HookedParser extends Parser {
  [hooks]: ParserHooks;
}

/** The parser of one socket, with what it should do besides. */
export class ParserHooks {
  /** Who hears of the response that comes now. */
  handler: WireHandler | null = null;
  /** The reason phrase of the response. */
  reason = '';
  readonly #socket: Socket;
  readonly #parser: Parser;
  /** undici's own methods. */
  readonly #plain: Parser;
  /** What is being parsed. */
  #input: Buffer | null = null;
  /** How many headers the head had. */
  #headerCount = 0;
  /** A chunk of the body has come up to the end of the input: nobody knows yet whether that is its end. */
  #isChunkOpen = false;
  /** The input has had a part of the body. */
  #hasPart = false;

  constructor(socket: Socket) {
    this.#socket = socket;
    const parser = (socket as unknown as Record<symbol, HookedParser>)[symbols.kParser] as HookedParser;
    this.#parser = parser;
    this.#plain = Object.getPrototypeOf(parser) as Parser;
    parser[hooks] = this;
    Object.setPrototypeOf(parser, hookedPrototype(this.#plain));
    this.#beLenient(parser);
  }

  /** The version of the response whose head is complete. */
  get version(): HttpVersion {
    const { ptr, llhttp } = this.#parser;
    if (ptr === null) return HttpVersion11;
    const major = llhttp.llhttp_get_http_major(ptr);
    const minor = llhttp.llhttp_get_http_minor(ptr);
    if (major === 1 && minor < 2) return minor === 1 ? HttpVersion11 : HttpVersion10;
    return { major, minor };
  }

  get #limits(): WireLimits {
    return this.handler?.limits ?? NO_LIMITS;
  }

  /** A request goes out. */
  start(handler: WireHandler): void {
    this.handler = handler;
    this.reason = '';
    this.#headerCount = 0;
    this.#isChunkOpen = false;
  }

  /** As aiohttp: there are servers that end lines without CR, fold headers, or put a space behind the size of a chunk. */
  #beLenient({ llhttp, ptr }: Parser): void {
    if (ptr === null) return;
    llhttp.llhttp_set_lenient_headers(ptr, 1);
    llhttp.llhttp_set_lenient_optional_cr_before_lf(ptr, 1);
    llhttp.llhttp_set_lenient_spaces_after_chunk_size(ptr, 1);
  }

  // undici sets a timer after each response and clears it at the next request.
  setTimeout(delay: number, type: number): void {
    this.#plain.setTimeout.call(this.#parser, delay === KEPT_MS ? 0 : delay, type);
  }

  // Limits are ours, and counted while the bytes come.
  onStatus(part: Buffer): number {
    const parser = this.#parser;
    const { maxLineSize } = this.#limits;
    parser.statusText += part.toString('latin1');
    this.reason = parser.statusText;
    if (this.reason.length > maxLineSize) {
      this.#fail(new LineTooLong(Buffer.from(this.reason, 'latin1'), maxLineSize));
    }
    return 0;
  }

  trackHeader(length: number): void {
    const parser = this.#parser;
    const { maxHeaders, maxFieldSize } = this.#limits;
    const { headers } = parser;
    parser.headersSize += length;
    if ((headers.length + 1) >> 1 > maxHeaders - this.#headerCount) {
      this.#fail(new BadHttpMessage('Too many headers received'));
    }
    if (parser.headersSize <= maxFieldSize) return;
    const isValue = headers.length % 2 === 0;
    const last = headers.at(-1) as Buffer;
    const size = last.length + (isValue ? (headers.at(-2) as Buffer).length : 0);
    if (size > maxFieldSize) this.#fail(new LineTooLong(last, maxFieldSize));
  }

  // undici allows no answer of 100, since it never asks for one, and misses the body of a 304.
  onHeadersComplete(status: number, isUpgrade: boolean, isKeptAlive: boolean): number {
    const parser = this.#parser;
    if (status !== 100) {
      if (status >= 200) this.#headerCount = parser.headers.length >> 1;
      // It has no body, and may say how long that would have been.
      if (status === 304 || status === 204) parser.contentLength = '';
      return this.#plain.onHeadersComplete.call(parser, status, isUpgrade, isKeptAlive);
    }
    parser.statusCode = status;
    parser.headers = [];
    parser.headersSize = 0;
    // No body.
    return this.#socket.destroyed ? -1 : 1;
  }

  // llhttp hands out a chunk in as many parts as there are inputs. One that ends before its input does is at its end, and
  // so is one that the next input does not begin with.
  execute(chunk: Buffer): void {
    const wasOpen = this.#isChunkOpen && chunk.length > 0;
    this.#input = chunk;
    this.#hasPart = false;
    this.#plain.execute.call(this.#parser, chunk);
    this.#input = null;
    if (wasOpen && !this.#hasPart) this.#endChunk();
  }

  onBody(part: Buffer): number {
    const plain = this.#plain;
    if (this.handler?.isChunked !== true) return plain.onBody.call(this.#parser, part);
    const input = this.#input as Buffer;
    const start = part.byteOffset - input.byteOffset;
    if (start > 0) this.#endChunk();
    this.#hasPart = true;
    const result = plain.onBody.call(this.#parser, part);
    this.#isChunkOpen = true;
    if (start + part.length < input.length) this.#endChunk();
    return result;
  }

  onMessageComplete(): number {
    if (this.#isChunkOpen) this.#endChunk();
    const plain = this.#plain;
    if (this.#parser.statusCode < 200) return plain.onMessageComplete.call(this.#parser);
    const { handler } = this;
    const result = plain.onMessageComplete.call(this.#parser);
    // An idle connection keeps nothing of its last response, unless the next request is under way already.
    if (this.handler === handler) this.handler = null;
    return result;
  }

  #endChunk(): void {
    if (!this.#isChunkOpen) return;
    this.#isChunkOpen = false;
    this.handler?.onChunkEnd();
  }

  /** As aiohttp's texts: what llhttp says, the line, and a mark below the place. */
  createError(number: number, rest: Buffer): Error {
    const parser = this.#parser;
    // In a head it would say that the body does not have the length that the head names.
    if (parser.statusCode === 0) parser.contentLength = '';
    const error = this.#plain.createError.call(parser, number, rest);
    if (error.name !== 'HTTPParserError') return error;
    const input = this.#input ?? rest;
    const [after = ''] = rest.toString('latin1').split('\r\n', 1);
    const before = input
      .toString('latin1', 0, input.length - rest.length)
      .split('\r\n')
      .at(-1) as string;
    const reason = /\((.*)\)$/.exec(error.message)?.[1] ?? error.message;
    const line = quoteBytes(Buffer.from(before + after, 'latin1'));
    const mark = ' '.repeat(quoteBytes(Buffer.from(before, 'latin1')).length - 1);
    const text = `${reason}:\n\n  ${line}\n  ${mark}^`;
    return STATUS_LINE_ERRORS.has(number)
      ? new BadStatusLine(`Bad status line:\n  ${text}`)
      : new BadHttpMessage(text);
  }

  #fail(error: Error): void {
    this.#socket.destroy(error);
  }
}

let prototype: object | null = null;

/** What hooked parsers inherit from: one object for all of them, since there is a parser for each connection. */
function hookedPrototype(plain: Parser): object {
  prototype ??= Object.assign(Object.create(plain) as object, {
    setTimeout(this: HookedParser, delay: number, type: number): void {
      this[hooks].setTimeout(delay, type);
    },
    execute(this: HookedParser, chunk: Buffer): void {
      this[hooks].execute(chunk);
    },
    onStatus(this: HookedParser, part: Buffer): number {
      return this[hooks].onStatus(part);
    },
    trackHeader(this: HookedParser, length: number): void {
      this[hooks].trackHeader(length);
    },
    onHeadersComplete(this: HookedParser, status: number, isUpgrade: boolean, isKeptAlive: boolean): number {
      return this[hooks].onHeadersComplete(status, isUpgrade, isKeptAlive);
    },
    onBody(this: HookedParser, part: Buffer): number {
      return this[hooks].onBody(part);
    },
    onMessageComplete(this: HookedParser): number {
      return this[hooks].onMessageComplete();
    },
    createError(this: HookedParser, number: number, rest: Buffer): Error {
      return this[hooks].createError(number, rest);
    },
  });
  return prototype;
}
