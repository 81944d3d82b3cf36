/** Code between a session and its requests. Counterpart: `aiohttp/client_middlewares.py`. */
import { coroutine } from '../core/coroutines.ts';
import { typeName } from '../core/format-helpers.ts';
import type { Body, Coroutine, Gen } from '../core/types.ts';
import type { ClientRequest } from './client-request.ts';
import type { ClientResponse } from './client-response.ts';

/**
 * The next step: sends the request, by way of the middlewares that are left. It may be called several times.
 *
 * Source: aiohttp 3.14 `aiohttp.ClientHandlerType`.
 */
export type ClientHandlerType = (request: ClientRequest) => Coroutine<ClientResponse>;

/** A middleware with state. */
export interface ClientMiddleware {
  handle(request: ClientRequest, handler: ClientHandlerType): Body<ClientResponse>;
}

/**
 * What stands between a session and its requests: a function, or an object with a method `handle`. The first of a list
 * is the outermost; each runs anew for every redirect. It may change the request, call `handler` as often as it likes,
 * and give any response.
 *
 * ```ts
 * async function addToken(request: ClientRequest, handler: ClientHandlerType): Promise<ClientResponse> {
 *   request.headers.set('Authorization', `Bearer ${await token()}`);
 *   return await handler(request);
 * }
 * ```
 *
 * Source: aiohttp 3.14 `aiohttp.ClientMiddlewareType`.
 */
export type ClientMiddlewareType = ClientMiddleware | ClientMiddleware['handle'];

/** `send` behind all of the middlewares. */
export function buildClientMiddlewares(
  send: (request: ClientRequest) => Gen<ClientResponse>,
  middlewares: readonly ClientMiddlewareType[],
): ClientHandlerType {
  return middlewares.reduceRight<ClientHandlerType>((handler, middleware) => {
    const handle = coroutine(functionOf(middleware));
    return (request) => handle(request, handler);
  }, coroutine(send));
}

function functionOf(middleware: ClientMiddlewareType): ClientMiddleware['handle'] {
  if (typeof middleware === 'function') return middleware;
  if (typeof (middleware as ClientMiddleware | null | undefined)?.handle === 'function') {
    return middleware.handle.bind(middleware);
  }
  throw new TypeError(
    `a middleware must be a function, or have a method handle, got ${typeName(middleware)}`,
  );
}
