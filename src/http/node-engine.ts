/**
 * HTTP/1.1 on one socket, by node:http, for what undici cannot do: `Expect: 100-continue`, HTTP/1.0, headers that it
 * writes itself, and other runtimes. No counterpart in aiohttp.
 */
import { ClientRequest, type IncomingMessage, type RequestOptions } from 'node:http';
import type { Socket } from 'node:net';
import type { Duplex } from 'node:stream';
import type { Wire, WireHandler, WireRequest } from './engine.ts';
import { ServerDisconnectedError } from './exceptions.ts';
import { BadHttpMessage, BadStatusLine, LineTooLong } from './http-exceptions.ts';
import { type HttpVersion, HttpVersion10, HttpVersion11 } from './http-writer.ts';
import { WireBody } from './wire-body.ts';

/** Node's requests, which always say HTTP/1.1. Their methods that write are not in the types. */
const BareRequest = ClientRequest as unknown as new (
  options: RequestOptions,
) => ClientRequest & {
  _storeHeader(firstLine: string, headers: unknown): void;
  _send(data: string | Uint8Array, encoding?: BufferEncoding | null, ...rest: unknown[]): boolean;
};

class NodeRequest extends BareRequest {
  // With `Expect` the head goes out before anything else, in UTF-8; its characters are bytes of that already.
  override _send(data: string | Uint8Array, encoding?: BufferEncoding | null, ...rest: unknown[]): boolean {
    return super._send(data, data === '' ? 'latin1' : encoding, ...rest);
  }
}

class Http10Request extends NodeRequest {
  override _storeHeader(firstLine: string, headers: unknown): void {
    super._storeHeader(firstLine.replace(/1\.1\r\n$/, '1.0\r\n'), headers);
  }
}

/** One request after the other on a socket. */
export class NodeWire implements Wire {
  version: HttpVersion = HttpVersion11;
  reason = '';
  readonly #socket: Socket;
  #exchange: NodeExchange | null = null;
  #isIdle = false;
  /** A request waits for a turn, to see that nothing comes on the idle connection. */
  #check: NodeJS.Immediate | null = null;
  /** Tells it that something came. */
  #idleEnd: ((error: Error) => void) | null = null;

  constructor(socket: Socket) {
    this.#socket = socket;
  }

  send(request: WireRequest, handler: WireHandler): void {
    this.version = HttpVersion11;
    this.reason = '';
    if (!this.#isIdle) {
      this.#open(request, handler);
      return;
    }
    // Whatever is on its way to an idle connection comes in before the next turn.
    this.#idleEnd = (error) => {
      if (!(request.body instanceof Uint8Array) && request.body !== null)
        void new WireBody(request.body, this.#socket);
      handler.onError(error);
    };
    this.#check = setImmediate(() => {
      this.#check = null;
      this.#idleEnd = null;
      this.#open(request, handler);
    });
  }

  #open(request: WireRequest, handler: WireHandler): void {
    this.#stopIdling();
    this.#exchange = new NodeExchange(this, this.#socket, request, handler, () => this.#startIdling());
  }

  destroy(error: Error): void {
    this.#endIdling(error);
    this.#exchange?.fail(error);
  }

  detach(): void {
    this.#stopIdling();
  }

  #startIdling(): void {
    this.#exchange = null;
    const socket = this.#socket;
    if (socket.destroyed) return;
    this.#isIdle = true;
    socket.on('readable', this.#onIdleData).on('end', this.#onIdleEnd).on('close', this.#onIdleEnd);
    socket.unref();
  }

  #stopIdling(): void {
    if (!this.#isIdle) return;
    this.#isIdle = false;
    const socket = this.#socket;
    socket.off('readable', this.#onIdleData).off('end', this.#onIdleEnd).off('close', this.#onIdleEnd);
    socket.ref();
  }

  // Whatever comes on an idle connection, nobody has asked for it: the next request must not take it for its answer.
  readonly #onIdleData = (): void => {
    if (this.#socket.read() !== null) this.#onIdleEnd();
  };
  readonly #onIdleEnd = (): void => {
    this.#socket.destroy();
    this.#endIdling(new ServerDisconnectedError());
  };

  #endIdling(error: Error): void {
    this.#stopIdling();
    if (this.#check !== null) clearImmediate(this.#check);
    this.#check = null;
    this.#idleEnd?.(error);
    this.#idleEnd = null;
  }
}

/** A request and its response. */
class NodeExchange {
  readonly #wire: NodeWire;
  readonly #socket: Socket;
  readonly #handler: WireHandler;
  readonly #request: ClientRequest;
  readonly #onIdle: () => void;
  readonly #bytesBefore: number;
  #isAnswered = false;
  #isOver = false;

  constructor(
    wire: NodeWire,
    socket: Socket,
    request: WireRequest,
    handler: WireHandler,
    onIdle: () => void,
  ) {
    this.#wire = wire;
    this.#socket = socket;
    this.#bytesBefore = socket.bytesRead;
    this.#handler = handler;
    this.#onIdle = onIdle;
    this.#request = this.#open(request);
    this.#listen();
    handler.onConnect((error) => this.fail(error ?? new Error('aborted')));
    if (request.expect100 === true) this.#request.once('continue', () => this.#sendBody(request.body));
    else this.#sendBody(request.body);
  }

  #open(request: WireRequest): ClientRequest {
    const { limits } = this.#handler;
    const { major, minor } = request.version ?? HttpVersion11;
    const Request = major === 1 && minor === 0 ? Http10Request : NodeRequest;
    const outgoing = new Request({
      method: request.method,
      path: request.path,
      // A list is written as it is, in this order and case.
      headers: headersOf(request),
      createConnection: () => this.#socket,
      setHost: false,
      // Of all of them; each is counted below.
      maxHeaderSize: Math.min(2 ** 30, (limits.maxHeaders + 1) * (limits.maxFieldSize + 4)),
    });
    outgoing.maxHeadersCount = 0;
    // Without an agent Node expects to close it.
    outgoing.shouldKeepAlive = !isClosing(request.headers);
    // Else a server would wait for the rest of a body that is shorter than was announced.
    (outgoing as { strictContentLength?: boolean }).strictContentLength = true;
    return outgoing;
  }

  #listen(): void {
    const request = this.#request;
    request
      .on('response', (response) => this.#onResponse(response))
      .on('upgrade', (response, socket, head) => this.#onUpgrade(response, socket, head))
      .on('connect', (response, socket, head) => this.#onUpgrade(response, socket, head))
      .on('information', () => this.#handler.onResponseStarted())
      .on('finish', () => this.#handler.onRequestSent())
      .on('error', (error) => this.fail(readError(error)))
      .on('close', () => {
        if (!this.#isAnswered) this.fail(new Error('closed'));
      });
    this.#socket.once('free', this.#onIdle);
  }

  #sendBody(body: WireRequest['body']): void {
    if (body !== null && !(body instanceof Uint8Array)) {
      void this.#pipe(new WireBody(body, this.#socket));
      return;
    }
    try {
      this.#request.end(body ?? undefined);
    } catch (error) {
      this.fail(error as Error);
    }
  }

  async #pipe(body: AsyncIterable<Uint8Array>): Promise<void> {
    const request = this.#request;
    try {
      for await (const chunk of body) {
        if (chunk.length === 0 || request.write(chunk)) continue;
        await new Promise<void>((resolve) => {
          const proceed = (): void => {
            request.off('drain', proceed).off('close', proceed);
            resolve();
          };
          request.on('drain', proceed).on('close', proceed);
        });
      }
      request.end();
    } catch (error) {
      this.fail(error as Error);
    }
  }

  #onResponse(response: IncomingMessage): void {
    const handler = this.#handler;
    const raw = this.#readHead(response);
    if (raw === null) return;
    let isFlowing = true;
    const resume = (): void => {
      isFlowing = true;
      response.resume();
    };
    response
      .on('data', (chunk: Buffer) => {
        if (handler.onData(chunk) || !isFlowing) return;
        isFlowing = false;
        response.pause();
      })
      .on('end', () => this.#onEnd(response))
      .on('error', (error) => this.fail(readError(error)))
      .on('close', () => {
        if (!response.complete) this.fail(new Error('closed'));
      });
    if (!handler.onHeaders(response.statusCode as number, raw, resume, this.#wire.reason)) {
      isFlowing = false;
      response.pause();
    }
  }

  #onEnd(response: IncomingMessage): void {
    if (this.#isOver || !response.complete) return;
    const trailers = toBuffers(response.rawTrailers);
    const error = excess(trailers, this.#handler.limits, response.rawHeaders.length);
    if (error !== null) {
      this.fail(error);
      return;
    }
    this.#isOver = true;
    // What was not sent by now is not wanted: the connection cannot go on.
    if (!this.#request.writableEnded) this.#socket.destroy();
    this.#handler.onComplete(trailers);
  }

  #onUpgrade(response: IncomingMessage, socket: Duplex, head: Buffer): void {
    const raw = this.#readHead(response);
    if (raw === null) return;
    this.#isOver = true;
    if (head.length > 0) socket.unshift(head);
    this.#handler.onUpgrade(response.statusCode as number, raw, socket);
  }

  /** Its raw headers; null if there is too much of them. */
  #readHead(response: IncomingMessage): Buffer[] | null {
    const { limits } = this.#handler;
    this.#isAnswered = true;
    this.#handler.onResponseStarted();
    this.#wire.version = versionOf(response);
    this.#wire.reason = response.statusMessage ?? '';
    const raw = toBuffers(response.rawHeaders);
    const reason = Buffer.from(this.#wire.reason, 'latin1');
    const error =
      reason.length > limits.maxLineSize
        ? new LineTooLong(reason, limits.maxLineSize)
        : excess(raw, limits, 0);
    if (error === null) return raw;
    this.fail(error);
    return null;
  }

  fail(error: Error): void {
    if (this.#isOver) return;
    this.#isOver = true;
    if (this.#socket.bytesRead > this.#bytesBefore) this.#handler.onResponseStarted();
    this.#socket.off('free', this.#onIdle);
    this.#request.destroy();
    this.#socket.destroy();
    this.#handler.onError(error);
  }
}

/** With the framing that aiohttp's own writer would add. */
function headersOf({ headers, body }: WireRequest): string[] {
  const all = [...headers];
  const names = new Set(headers.filter((_, i) => i % 2 === 0).map((name) => name.toLowerCase()));
  // Node closes the connection unless it is told.
  if (!names.has('connection')) all.push('Connection', 'keep-alive');
  if (names.has('content-length') || names.has('transfer-encoding') || body === null) return all;
  if (body instanceof Uint8Array) all.push('Content-Length', String(body.length));
  else all.push('Transfer-Encoding', 'chunked');
  return all;
}

/** Whether the request says that it is the last one. */
function isClosing(headers: readonly string[]): boolean {
  return headers.some(
    (value, i) => i % 2 === 1 && /^connection$/i.test(headers[i - 1] as string) && CLOSE.test(value),
  );
}

const CLOSE = /(^|,)\s*close\s*(,|$)/i;

function versionOf({ httpVersionMajor: major, httpVersionMinor: minor }: IncomingMessage): HttpVersion {
  if (major === 1 && minor < 2) return minor === 1 ? HttpVersion11 : HttpVersion10;
  return { major, minor };
}

const toBuffers = (texts: readonly string[]): Buffer[] => texts.map((text) => Buffer.from(text, 'latin1'));

/** What is too much of `fields` (name, value, …), after `before` others; or null. */
function excess(fields: readonly Buffer[], limits: WireHandler['limits'], before: number): Error | null {
  if ((fields.length + before) / 2 > limits.maxHeaders)
    return new BadHttpMessage('Too many headers received');
  for (let i = 0; i < fields.length; i += 2) {
    const value = fields[i + 1] as Buffer;
    if ((fields[i] as Buffer).length + value.length > limits.maxFieldSize) {
      return new LineTooLong(value, limits.maxFieldSize);
    }
  }
  return null;
}

/** The parser's errors as the rest of the client knows them. */
function readError(error: Error): Error {
  const { code = '', reason } = error as NodeJS.ErrnoException & { reason?: string };
  if (error.message === 'aborted' || error.message === 'socket hang up')
    return new Error('closed', { cause: error });
  if (!code.startsWith('HPE_')) return error;
  const text = reason ?? error.message;
  return /^HPE_INVALID_(STATUS|VERSION|CONSTANT)$/.test(code)
    ? new BadStatusLine(`Bad status line:\n  ${text}`, { cause: error })
    : new BadHttpMessage(text, { cause: error });
}
