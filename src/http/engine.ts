/**
 * HTTP/1.1 on one socket: what the connector and the requests see of it. No counterpart in aiohttp, whose parser is its
 * own. The work is done by undici (`undici-engine.ts`) or node:http (`node-engine.ts`).
 */
import type { Socket } from 'node:net';
import type { Duplex } from 'node:stream';
import type { HttpVersion } from './http-writer.ts';
import { NodeWire } from './node-engine.ts';
import { isPlain, UndiciWire } from './undici-engine.ts';

/** What this module offers. */
export interface Engine {
  /** Speak HTTP on a connected stream, with requests of `origin`. */
  createChannel(socket: Duplex, origin: URL): Channel;
}

/** A request as it goes to the server. */
export interface WireRequest {
  readonly origin: string;
  /** Path and query; the whole URL for a proxy; host and port for CONNECT. */
  readonly path: string;
  readonly method: string;
  /** Name, value, name, value, …: all that goes out. Host, Connection and the framing are written by the engine. */
  readonly headers: readonly string[];
  /**
   * An iterable is asked for the next piece when the socket has taken the one before, and returned when the connection
   * ends before it. It goes in chunks, unless Content-Length is among the headers.
   */
  readonly body: Uint8Array | AsyncIterable<Uint8Array> | null;
  /** Send the body after `100 Continue` only. */
  readonly expect100?: boolean | undefined;
  /** A protocol to change to, such as `websocket`. */
  readonly upgrade?: string | null | undefined;
  /** Default 1.1. */
  readonly version?: HttpVersion | undefined;
}

/** How large the parts of a head may be. */
export interface WireLimits {
  /** Bytes of the reason phrase. */
  readonly maxLineSize: number;
  /** Bytes of a header's name and value together. */
  readonly maxFieldSize: number;
  /** How many headers, with the trailers. */
  readonly maxHeaders: number;
}

/**
 * Who hears of a response. The names are those of undici's older form of a handler: the newer one makes an object of all
 * headers, which nobody here reads.
 */
export interface WireHandler {
  readonly limits: WireLimits;
  /** Whether the body that comes is chunked, and the ends of its chunks are to be told. */
  readonly isChunked: boolean;
  /** @param wire - where the request goes, in a moment. */
  attach(wire: Wire): void;
  /** The first bytes are being sent. */
  onConnect(abort: (error?: Error) => void): void;
  /** All is sent. */
  onRequestSent(): void;
  /** The first byte of an answer has come. */
  onResponseStarted(): void;
  /** @returns false to be sent no more until `resume`. */
  onHeaders(status: number, rawHeaders: Buffer[], resume: () => void, reason: string): boolean;
  /** @returns false to be sent no more until `resume`. */
  onData(chunk: Buffer): boolean;
  /** A chunk is complete, as the server cut them. Engines that do not know never say so. */
  onChunkEnd(): void;
  /** The socket is the handler's from now on; bytes that came behind the head wait in it. */
  onUpgrade(status: number, rawHeaders: Buffer[], socket: Duplex): void;
  onComplete(trailers: readonly Buffer[] | null): void;
  /** Nothing comes after this. */
  onError(error: Error): void;
}

/** A way of speaking HTTP on a socket. */
export interface Wire {
  /** The version that the response names. */
  readonly version: HttpVersion;
  /** The reason phrase of the response. */
  readonly reason: string;
  send(request: WireRequest, handler: WireHandler): void;
  /** End the request that is under way. */
  destroy(error: Error): void;
  /** Leave the socket, which is idle, to another wire. */
  detach(): void;
}

/** One socket, and what speaks HTTP on it: undici, or node:http from the first request on that undici cannot send. */
export class Channel {
  readonly socket: Socket;
  /** How many requests it has served. */
  served = 0;
  /** When nobody used it any more, on the loop's clock. */
  idleSince = 0;
  readonly #origin: URL;
  #wire: Wire | null = null;

  constructor(socket: Socket, origin: URL) {
    this.socket = socket;
    this.#origin = origin;
  }

  send(request: WireRequest, handler: WireHandler): void {
    const wire = this.#wireFor(request);
    handler.attach(wire);
    wire.send(request, handler);
  }

  #wireFor(request: WireRequest): Wire {
    if (this.#wire instanceof NodeWire) return this.#wire;
    if (isPlain(request)) {
      this.#wire ??= new UndiciWire(this.socket, this.#origin);
    } else {
      this.#wire?.detach();
      this.#wire = new NodeWire(this.socket);
    }
    return this.#wire;
  }

  destroy(error: Error): void {
    this.#wire?.destroy(error);
    this.socket.destroy();
  }
}

// How long it is kept when nobody uses it is the pool's to say.
export function createChannel(socket: Duplex, origin: URL): Channel {
  return new Channel(socket as Socket, origin);
}
