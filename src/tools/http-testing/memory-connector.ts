/** Connections to a handler in the same process. */
import { createServer, type Server } from 'node:http';
import type { Duplex } from 'node:stream';
import type { Coroutine, Gen } from '../../core/types.ts';
import type { ClientRequest } from '../../http/client-request.ts';
import { BaseConnector, type BaseConnectorOptions } from '../../http/connector.ts';
import { Answerer, type Handler, type Line } from './answerer.ts';
import { openLine } from './memory-line.ts';
import type { ServedRequest } from './served-request.ts';

/**
 * A connector whose every connection, wherever it should lead, ends at a `node:http` server within the process. What
 * stands above it, from the pool to the parser, is as with sockets.
 */
export class MemoryConnector extends BaseConnector {
  readonly #server: Server = createServer();
  readonly #lines = new WeakMap<Duplex, Line>();
  readonly #answerer: Answerer;

  constructor(handler: Handler, requests: ServedRequest[], options?: BaseConnectorOptions) {
    super(options);
    this.#answerer = new Answerer(
      this.#server,
      handler,
      requests,
      ({ socket }) => this.#lines.get(socket) as Line,
    );
  }

  override *_createConnection({ url }: ClientRequest): Gen<Duplex> {
    const [near, far] = openLine();
    this.#lines.set(far, {
      origin: url.origin,
      fail: (error) => near.destroy(error ?? undefined),
    });
    far.on('error', () => {});
    this.#server.emit('connection', far);
    return near;
  }

  override close(options?: Parameters<BaseConnector['close']>[0]): Coroutine<void> {
    this.#answerer.cancel();
    return super.close(options);
  }
}
