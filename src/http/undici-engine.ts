/** HTTP/1.1 on one socket, by undici. The only module that runs it. No counterpart in aiohttp. */
import type { Socket } from 'node:net';
import type { Dispatcher } from 'undici';
import symbols from 'undici/lib/core/symbols.js';
import util from 'undici/lib/core/util.js';
import Client from 'undici/lib/dispatcher/client.js';
import type { Wire, WireHandler, WireRequest } from './engine.ts';
import { ClientConnectionError, ServerDisconnectedError } from './exceptions.ts';
import { type HttpVersion, HttpVersion11 } from './http-writer.ts';
import { KEPT_MS, ParserHooks } from './undici-parser.ts';
import { WireBody } from './wire-body.ts';

/** The undici client that speaks HTTP on one socket and on no other. */
export class UndiciWire implements Wire {
  readonly #socket: Socket;
  readonly #client: Client;
  #hooks: ParserHooks | null = null;
  #handler: WireHandler | null = null;

  constructor(socket: Socket, origin: URL) {
    this.#socket = socket;
    let isTaken = false;
    this.#client = new Client(origin, {
      // The limits of time are the loop's; undici's own run on another clock, of half a second.
      headersTimeout: 0,
      bodyTimeout: 0,
      // The pool says how long it is kept when it is idle; a server that says so, too, is heard.
      keepAliveTimeout: KEPT_MS,
      keepAliveMaxTimeout: KEPT_MS,
      connect(_options, callback) {
        // Later, as undici's own would; and once: when the socket is gone, so is this channel.
        if (isTaken) queueMicrotask(() => callback(new ServerDisconnectedError(), null));
        else queueMicrotask(() => callback(null, socket));
        isTaken = true;
      },
    });
    this.#client.once('connect', () => {
      this.#hooks = new ParserHooks(socket);
      if (this.#handler !== null) this.#hooks.start(this.#handler);
      this.#handler = null;
    });
  }

  get version(): HttpVersion {
    return this.#hooks?.version ?? HttpVersion11;
  }

  get reason(): string {
    return this.#hooks?.reason ?? '';
  }

  send(request: WireRequest, handler: WireHandler): void {
    if (this.#hooks === null) this.#handler = handler;
    else this.#hooks.start(handler);
    const { origin, path, method, headers, body, upgrade = null } = request;
    const options: Dispatcher.DispatchOptions = {
      origin,
      path,
      method,
      headers: headers as string[],
      body: this.#bodyOf(body, headers) as Buffer,
      upgrade,
      // Unless the caller wants it closed: else undici would close it after HEAD, and after GET with a body.
      reset: false,
    };
    if (hasFraming(headers)) options.headers = withoutFraming(headers);
    this.#client.dispatch(options, handler as Dispatcher.DispatchHandler);
  }

  #bodyOf(body: WireRequest['body'], headers: readonly string[]): unknown {
    if (body === null) return null;
    if (!(body instanceof Uint8Array)) return new WireBody(body, this.#socket);
    return hasFraming(headers) && body.length > 0 ? [body] : body;
  }

  destroy(error: Error): void {
    this.#client.destroy(error, () => {});
  }

  // As undici itself leaves a socket that changes to another protocol.
  detach(): void {
    const socket = this.#socket as unknown as Record<symbol, unknown>;
    const client = this.#client as unknown as Record<symbol, unknown>;
    (socket[symbols.kParser] as { destroy(): void } | null)?.destroy();
    socket[symbols.kParser] = null;
    socket[symbols.kClient] = null;
    socket[symbols.kError] = null;
    util.removeAllListeners(socket);
    client[symbols.kSocket] = null;
    client[symbols.kHTTPContext] = null;
    this.#client.destroy(new ClientConnectionError('Connection closed'), () => {});
  }
}

const PLAIN_CONNECTION = /^\s*(close|keep-alive|upgrade)\s*$/i;

/** Whether undici can send a request as it is meant: it knows HTTP/1.1 alone, and writes some headers itself. */
export function isPlain({ headers, expect100, version, upgrade }: WireRequest): boolean {
  if (expect100 === true) return false;
  if (version !== undefined && (version.major !== 1 || version.minor !== 1)) return false;
  for (let i = 0; i < headers.length; i += 2) {
    const name = headers[i] as string;
    switch (name.length) {
      case 6:
        if (name.toLowerCase() === 'expect') return false;
        break;
      case 7:
        if (!upgrade && name.toLowerCase() === 'upgrade') return false;
        break;
      case 10:
        if (name.toLowerCase() === 'keep-alive') return false;
        if (name.toLowerCase() !== 'connection') break;
        if (!PLAIN_CONNECTION.test(headers[i + 1] as string)) return false;
        break;
      case 17:
        if (name.toLowerCase() !== 'transfer-encoding') break;
        if ((headers[i + 1] as string).toLowerCase() !== 'chunked') return false;
    }
  }
  return true;
}

/** Whether there is a header of which undici writes its own. */
function hasFraming(headers: readonly string[]): boolean {
  for (let i = 0; i < headers.length; i += 2) if (isFraming(headers[i] as string)) return true;
  return false;
}

function isFraming(name: string): boolean {
  if (name.length !== 17 && name.length !== 7) return false;
  const lower = name.toLowerCase();
  return lower === 'transfer-encoding' || lower === 'upgrade';
}

function withoutFraming(headers: readonly string[]): string[] {
  return headers.filter((_, i) => !isFraming(headers[i - (i % 2)] as string));
}
