/** The echo as a protocol of this library. */
import * as asyncio from 'asyncio-ts';
import { obey, say, watchMemory } from '../../control.ts';

class Echo extends asyncio.Protocol {
  #transport: asyncio.Transport | null = null;

  override connectionMade(transport: asyncio.BaseTransport): void {
    this.#transport = transport as asyncio.Transport;
  }

  override dataReceived(data: Buffer): void {
    this.#transport!.write(data);
  }
}

watchMemory();
obey();
await asyncio.run(function* () {
  const loop = asyncio.getRunningLoop();
  const server = yield* loop.createServer(() => new Echo(), '127.0.0.1', 0);
  say({ port: server.sockets[0]!.getsockname()[1] });
  yield* server.serveForever();
});
