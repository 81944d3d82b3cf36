/** What goes on in a session, told to whoever wants to know. Counterpart: `aiohttp/tracing.py`, with `aiosignal`. */
import { inlineBody } from '../core/coroutines.ts';
import { RuntimeError } from '../core/exceptions.ts';
import { repr } from '../core/format-helpers.ts';
import type { Gen } from '../core/types.ts';
import type { ClientSession } from './client.ts';
import type { ClientResponse } from './client-response.ts';
import type { CIMultiDict } from './multidict.ts';

/** Parameters of `onRequestStart`. */
export interface TraceRequestStartParams {
  readonly method: string;
  readonly url: URL;
  /** Changeable: what a callback does to them is sent. */
  readonly headers: CIMultiDict;
}

/** Parameters of `onRequestChunkSent`. */
export interface TraceRequestChunkSentParams {
  readonly method: string;
  readonly url: URL;
  readonly chunk: Uint8Array;
}

/** Parameters of `onRequestHeadersSent`. */
export interface TraceRequestHeadersSentParams {
  readonly method: string;
  readonly url: URL;
  readonly headers: CIMultiDict;
}

/** Parameters of `onResponseChunkReceived`. */
export interface TraceResponseChunkReceivedParams {
  readonly method: string;
  readonly url: URL;
  readonly chunk: Uint8Array;
}

/** Parameters of `onRequestRedirect`. */
export interface TraceRequestRedirectParams {
  readonly method: string;
  readonly url: URL;
  readonly headers: CIMultiDict;
  readonly response: ClientResponse;
}

/** Parameters of `onRequestEnd`. */
export interface TraceRequestEndParams {
  readonly method: string;
  readonly url: URL;
  readonly headers: CIMultiDict;
  readonly response: ClientResponse;
}

/** Parameters of `onRequestException`. */
export interface TraceRequestExceptionParams {
  readonly method: string;
  readonly url: URL;
  readonly headers: CIMultiDict;
  readonly exception: Error;
}

/** Parameters of `onConnectionQueuedStart`: none. */
export type TraceConnectionQueuedStartParams = Readonly<Record<string, never>>;
/** Parameters of `onConnectionQueuedEnd`: none. */
export type TraceConnectionQueuedEndParams = Readonly<Record<string, never>>;
/** Parameters of `onConnectionCreateStart`: none. */
export type TraceConnectionCreateStartParams = Readonly<Record<string, never>>;
/** Parameters of `onConnectionCreateEnd`: none. */
export type TraceConnectionCreateEndParams = Readonly<Record<string, never>>;
/** Parameters of `onConnectionReuseconn`: none. */
export type TraceConnectionReuseconnParams = Readonly<Record<string, never>>;

/** Parameters of `onDnsResolvehostStart`. */
export interface TraceDnsResolveHostStartParams {
  readonly host: string;
}

/** Parameters of `onDnsResolvehostEnd`. */
export interface TraceDnsResolveHostEndParams {
  readonly host: string;
}

/** Parameters of `onDnsCacheHit`. */
export interface TraceDnsCacheHitParams {
  readonly host: string;
}

/** Parameters of `onDnsCacheMiss`. */
export interface TraceDnsCacheMissParams {
  readonly host: string;
}

/** A callback of a signal: a coroutine function, an async function or a plain one. It is waited for. */
export type TraceCallback<P, C> = (session: ClientSession, context: C, params: P) => unknown;

/**
 * The callbacks for one kind of event, called in order. Frozen once a session has it.
 *
 * Source: `aiosignal.Signal`.
 */
export class Signal<P, C = Record<string, unknown>> implements Iterable<TraceCallback<P, C>> {
  readonly #callbacks: TraceCallback<P, C>[] = [];
  #isFrozen = false;

  /** How many callbacks there are. */
  get size(): number {
    return this.#callbacks.length;
  }

  get frozen(): boolean {
    return this.#isFrozen;
  }

  /**
   * Add a callback.
   *
   * @throws RuntimeError once it is frozen.
   */
  append(callback: TraceCallback<P, C>): void {
    if (this.#isFrozen) throw new RuntimeError('Cannot modify frozen list.');
    this.#callbacks.push(callback);
  }

  freeze(): void {
    this.#isFrozen = true;
  }

  [Symbol.iterator](): Iterator<TraceCallback<P, C>> {
    return this.#callbacks[Symbol.iterator]();
  }

  /** @internal */
  *_send(session: ClientSession, context: C, params: P): Gen<void> {
    for (const callback of this.#callbacks) {
      yield* inlineBody((it) => callback(session, context, it), params);
    }
  }
}

/** The signals of a `TraceConfig`, with what each tells. */
export interface TraceEvents {
  onRequestStart: TraceRequestStartParams;
  onRequestChunkSent: TraceRequestChunkSentParams;
  onRequestHeadersSent: TraceRequestHeadersSentParams;
  onResponseChunkReceived: TraceResponseChunkReceivedParams;
  onRequestRedirect: TraceRequestRedirectParams;
  onRequestEnd: TraceRequestEndParams;
  onRequestException: TraceRequestExceptionParams;
  onConnectionQueuedStart: TraceConnectionQueuedStartParams;
  onConnectionQueuedEnd: TraceConnectionQueuedEndParams;
  onConnectionCreateStart: TraceConnectionCreateStartParams;
  onConnectionCreateEnd: TraceConnectionCreateEndParams;
  onConnectionReuseconn: TraceConnectionReuseconnParams;
  onDnsResolvehostStart: TraceDnsResolveHostStartParams;
  onDnsResolvehostEnd: TraceDnsResolveHostEndParams;
  onDnsCacheHit: TraceDnsCacheHitParams;
  onDnsCacheMiss: TraceDnsCacheMissParams;
}

/**
 * Callbacks for what a session does: `new ClientSession(null, { traceConfigs: [config] })`.
 *
 * ```ts
 * const config = new TraceConfig();
 * config.onRequestEnd.append((session, context, { url, response }) => console.log(response.status, url.href));
 * ```
 *
 * @param traceConfigCtxFactory - makes what the callbacks of one request share; default an empty object with
 *   `traceRequestCtx`, the option of the request.
 *
 * Source: aiohttp 3.14 `aiohttp.TraceConfig`.
 */
export class TraceConfig<C = Record<string, unknown>> {
  /** Before anything is done. */
  readonly onRequestStart = new Signal<TraceRequestStartParams, C>();
  /** For each piece of the body. */
  readonly onRequestChunkSent = new Signal<TraceRequestChunkSentParams, C>();
  readonly onRequestHeadersSent = new Signal<TraceRequestHeadersSentParams, C>();
  /** When `read` has the whole body. */
  readonly onResponseChunkReceived = new Signal<TraceResponseChunkReceivedParams, C>();
  /** For each redirect that is followed. */
  readonly onRequestRedirect = new Signal<TraceRequestRedirectParams, C>();
  /** When the headers of the response are there. */
  readonly onRequestEnd = new Signal<TraceRequestEndParams, C>();
  /** For any error, cancellation included. */
  readonly onRequestException = new Signal<TraceRequestExceptionParams, C>();
  /** The request waits for a place in the pool. */
  readonly onConnectionQueuedStart = new Signal<TraceConnectionQueuedStartParams, C>();
  readonly onConnectionQueuedEnd = new Signal<TraceConnectionQueuedEndParams, C>();
  /** A new connection is made. */
  readonly onConnectionCreateStart = new Signal<TraceConnectionCreateStartParams, C>();
  readonly onConnectionCreateEnd = new Signal<TraceConnectionCreateEndParams, C>();
  /** A connection of the pool is used again. */
  readonly onConnectionReuseconn = new Signal<TraceConnectionReuseconnParams, C>();
  readonly onDnsResolvehostStart = new Signal<TraceDnsResolveHostStartParams, C>();
  readonly onDnsResolvehostEnd = new Signal<TraceDnsResolveHostEndParams, C>();
  readonly onDnsCacheHit = new Signal<TraceDnsCacheHitParams, C>();
  readonly onDnsCacheMiss = new Signal<TraceDnsCacheMissParams, C>();
  readonly #factory: (options: { traceRequestCtx: unknown }) => C;

  /** @throws TypeError for what is no function. */
  constructor(traceConfigCtxFactory?: (options: { traceRequestCtx: unknown }) => C) {
    if (traceConfigCtxFactory && typeof traceConfigCtxFactory !== 'function') {
      throw new TypeError(
        `traceConfigCtxFactory must be a function, got ${repr(traceConfigCtxFactory)}: ` +
          'callbacks are added by config.onRequestStart.append(callback)',
      );
    }
    this.#factory = traceConfigCtxFactory ?? (({ traceRequestCtx }) => ({ traceRequestCtx }) as C);
  }

  /** What the callbacks of one request share. */
  traceConfigCtx(traceRequestCtx: unknown = null): C {
    return this.#factory({ traceRequestCtx });
  }

  /** Take no more callbacks; a session does this. */
  freeze(): void {
    for (const signal of Object.values(this)) if (signal instanceof Signal) signal.freeze();
  }
}

/** A configuration whose callbacks share whatever they like: `any`, since a context is both given to them and made by it. */
export type AnyTraceConfig = TraceConfig<any>;

/** The callbacks of one configuration for one request. Source: aiohttp 3.14 `aiohttp.tracing.Trace`. */
export class Trace {
  readonly #session: ClientSession;
  readonly #config: AnyTraceConfig;
  readonly #context: unknown;

  constructor(session: ClientSession, config: AnyTraceConfig, traceRequestCtx: unknown) {
    this.#session = session;
    this.#config = config;
    this.#context = config.traceConfigCtx(traceRequestCtx);
  }

  send<K extends keyof TraceEvents>(event: K, params: TraceEvents[K]): Gen<void> {
    const signal = this.#config[event] as unknown as Signal<TraceEvents[K], unknown>;
    return signal._send(this.#session, this.#context, params);
  }
}

/** Tell all of them. */
export function* sendTraces<K extends keyof TraceEvents>(
  traces: readonly Trace[],
  event: K,
  params: TraceEvents[K],
): Gen<void> {
  for (const trace of traces) yield* trace.send(event, params);
}
