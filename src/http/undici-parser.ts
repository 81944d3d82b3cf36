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

/** The parser of one socket, with what it should do besides. */
export class ParserHooks {
  /** Who hears of the response that comes now. */
  handler: WireHandler | null = null;
  /** The reason phrase of the response. */
  reason = '';
  readonly #socket: Socket;
  readonly #parser: Parser;
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
    const parser = (socket as unknown as Record<symbol, Parser>)[symbols.kParser] as Parser;
    this.#parser = parser;
    this.#beLenient(parser);
    this.#saveTimers(parser);
    this.#countHeaders(parser);
    this.#passHeads(parser);
    this.#markChunks(parser);
    this.#explainErrors(parser);
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
  #saveTimers(parser: Parser): void {
    const setTimeout = parser.setTimeout.bind(parser);
    parser.setTimeout = (delay, type) => setTimeout(delay === KEPT_MS ? 0 : delay, type);
  }

  /** Limits are ours, and counted while the bytes come. */
  #countHeaders(parser: Parser): void {
    parser.onStatus = (part) => {
      const limits = this.#limits;
      parser.statusText += part.toString('latin1');
      this.reason = parser.statusText;
      if (this.reason.length > limits.maxLineSize) {
        this.#fail(new LineTooLong(Buffer.from(this.reason, 'latin1'), limits.maxLineSize));
      }
      return 0;
    };
    parser.trackHeader = (length) => {
      const limits = this.#limits;
      const { headers } = parser;
      parser.headersSize += length;
      if ((headers.length + 1) >> 1 > limits.maxHeaders - this.#headerCount) {
        this.#fail(new BadHttpMessage('Too many headers received'));
      }
      if (parser.headersSize <= limits.maxFieldSize) return;
      const isValue = headers.length % 2 === 0;
      const last = headers.at(-1) as Buffer;
      const size = last.length + (isValue ? (headers.at(-2) as Buffer).length : 0);
      if (size > limits.maxFieldSize) this.#fail(new LineTooLong(last, limits.maxFieldSize));
    };
  }

  // undici allows no answer of 100, since it never asks for one, and misses the body of a 304.
  #passHeads(parser: Parser): void {
    const complete = parser.onHeadersComplete.bind(parser);
    parser.onHeadersComplete = (status, isUpgrade, isKeptAlive) => {
      if (status !== 100) {
        if (status >= 200) this.#headerCount = parser.headers.length >> 1;
        // It has no body, and may say how long that would have been.
        if (status === 304 || status === 204) parser.contentLength = '';
        return complete(status, isUpgrade, isKeptAlive);
      }
      parser.statusCode = status;
      parser.headers = [];
      parser.headersSize = 0;
      // No body.
      return this.#socket.destroyed ? -1 : 1;
    };
  }

  // llhttp hands out a chunk in as many parts as there are inputs. One that ends before its input does is at its end, and
  // so is one that the next input does not begin with.
  #markChunks(parser: Parser): void {
    const execute = parser.execute.bind(parser);
    const onBody = parser.onBody.bind(parser);
    const complete = parser.onMessageComplete.bind(parser);
    parser.execute = (chunk) => {
      const wasOpen = this.#isChunkOpen && chunk.length > 0;
      this.#input = chunk;
      this.#hasPart = false;
      execute(chunk);
      this.#input = null;
      if (wasOpen && !this.#hasPart) this.#endChunk();
    };
    parser.onBody = (part) => {
      if (this.handler?.isChunked !== true) return onBody(part);
      const input = this.#input as Buffer;
      const start = part.byteOffset - input.byteOffset;
      if (start > 0) this.#endChunk();
      this.#hasPart = true;
      const result = onBody(part);
      this.#isChunkOpen = true;
      if (start + part.length < input.length) this.#endChunk();
      return result;
    };
    parser.onMessageComplete = () => {
      if (this.#isChunkOpen) this.#endChunk();
      if (parser.statusCode < 200) return complete();
      const { handler } = this;
      const result = complete();
      // An idle connection keeps nothing of its last response, unless the next request is under way already.
      if (this.handler === handler) this.handler = null;
      return result;
    };
  }

  #endChunk(): void {
    if (!this.#isChunkOpen) return;
    this.#isChunkOpen = false;
    this.handler?.onChunkEnd();
  }

  /** As aiohttp's texts: what llhttp says, the line, and a mark below the place. */
  #explainErrors(parser: Parser): void {
    const create = parser.createError.bind(parser);
    parser.createError = (number, rest) => {
      // In a head it would say that the body does not have the length that the head names.
      if (parser.statusCode === 0) parser.contentLength = '';
      const error = create(number, rest);
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
    };
  }

  #fail(error: Error): void {
    this.#socket.destroy(error);
  }
}
