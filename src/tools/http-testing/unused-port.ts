import { once } from 'node:events';
import { type AddressInfo, createServer } from 'node:net';
import { coroutine, fromPromise } from '../../core/coroutines.ts';
import type { Coroutine, Gen } from '../../core/types.ts';

/**
 * A TCP port of 127.0.0.1 that nobody uses now.
 *
 * Source: aiohttp 3.14 `aiohttp.test_utils.unused_port`.
 */
export function unusedPort(): Coroutine<number> {
  return findPort();
}

const findPort = coroutine(function* unusedPort(): Gen<number> {
  const server = createServer().listen(0, '127.0.0.1');
  yield* fromPromise(once(server, 'listening'));
  const { port } = server.address() as AddressInfo;
  const closed = once(server, 'close');
  server.close();
  yield* fromPromise(closed);
  return port;
});
