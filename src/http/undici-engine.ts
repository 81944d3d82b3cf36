/** HTTP/1.1 on one socket, by undici. The only module that runs it. No counterpart in aiohttp. */
import type { Socket } from 'node:net';
import type { Dispatcher } from 'undici';
import symbols from 'undici/lib/core/symbols.js';
import Client from 'undici/lib/dispatcher/client.js';
import type { Wire, WireHandler, WireRequest } from './engine.ts';
import { ServerDisconnectedError } from './exceptions.ts';
import { type HttpVersion, HttpVersion10, HttpVersion11 } from './http-writer.ts';
import { Upload } from './wire-upload.ts';

/** What undici's parser has besides what it tells its handlers. */
interface Parser {
  /** The pointer of llhttp's state; null when it is gone. */
  readonly ptr: number | null;
  readonly llhttp: {
    llhttp_get_http_major(ptr: number): number;
    llhttp_get_http_minor(ptr: number): number;
  };
}

/** Node's timers take no more milliseconds. */
const MAX_TIMEOUT_MS = 2 ** 31 - 1;

/** The undici client that speaks HTTP on one socket and on no other. */
export class UndiciWire implements Wire {
  reason = '';
  readonly #socket: Socket;
  readonly #client: Client;

  constructor(socket: Socket, origin: string, keepaliveTimeout: number) {
    this.#socket = socket;
    let isTaken = false;
    const keepAliveTimeout = Math.max(1, Math.min(Math.ceil(keepaliveTimeout * 1000), MAX_TIMEOUT_MS));
    this.#client = new Client(origin, {
      // The limits of time are the loop's; undici's own run on another clock, of half a second.
      headersTimeout: 0,
      bodyTimeout: 0,
      keepAliveTimeout,
      keepAliveMaxTimeout: keepAliveTimeout,
      connect(_options, callback) {
        // Later, as undici's own would; and once: when the socket is gone, so is this channel.
        if (isTaken) queueMicrotask(() => callback(new ServerDisconnectedError(), null));
        else queueMicrotask(() => callback(null, socket));
        isTaken = true;
      },
    });
  }

  get version(): HttpVersion {
    const parser = (this.#socket as unknown as Record<symbol, Parser | undefined>)[symbols.kParser];
    if (!parser?.ptr) return HttpVersion11;
    const major = parser.llhttp.llhttp_get_http_major(parser.ptr);
    const minor = parser.llhttp.llhttp_get_http_minor(parser.ptr);
    if (major === 1 && minor < 2) return minor === 1 ? HttpVersion11 : HttpVersion10;
    return { major, minor };
  }

  send(request: WireRequest, handler: WireHandler): void {
    const { origin, path, method, headers, body, upgrade = null } = request;
    const options: Dispatcher.DispatchOptions = {
      origin,
      path,
      method,
      headers: withoutFraming(headers),
      // Its types know no iterables here.
      body: (body === null || body instanceof Uint8Array ? body : new Upload(body, this.#socket)) as Buffer,
      upgrade,
      // Unless the caller wants it closed: else undici would close it after HEAD, and after GET with a body.
      reset: false,
    };
    this.#client.dispatch(options, handler as Dispatcher.DispatchHandler);
  }

  destroy(error: Error): void {
    this.#client.destroy(error, () => {});
  }
}

/** Without what undici writes itself. */
function withoutFraming(headers: readonly string[]): string[] {
  const rest: string[] = [];
  for (let i = 0; i + 1 < headers.length; i += 2) {
    const name = headers[i] as string;
    const lower = name.toLowerCase();
    if (lower === 'transfer-encoding' || lower === 'upgrade') continue;
    rest.push(name, headers[i + 1] as string);
  }
  return rest;
}
