/** This library's client, in generator functions. */
import * as asyncio from 'asyncio-ts';
import { ClientSession, type ClientResponse, TCPConnector } from 'asyncio-ts/http';
import { drive, type Kind, type Watch } from './drive.ts';

const read = {
  *json(response: ClientResponse): asyncio.Gen<unknown> {
    return yield* response.json();
  },
  *bytes(response: ClientResponse): asyncio.Gen<unknown> {
    return yield* response.read();
  },
};

function* requests(kind: Kind, url: string, watch: Watch): asyncio.Gen<void> {
  while (!watch.isOver) watch.count(yield* session.get(url).run(read[kind]));
}

function* all(kind: Kind, inFlight: number, url: string, watch: Watch): asyncio.Gen<void> {
  yield* asyncio.gather(Array.from({ length: inFlight }, () => requests(kind, url, watch)));
}

function* held(url: string): asyncio.Gen<void> {
  // It fails when the server ends.
  yield* asyncio.gather([session.get(url).run(read.json)], { returnExceptions: true });
}

function* open(): asyncio.Gen<ClientSession> {
  return new ClientSession(null, { connector: new TCPConnector({ limit: 0 }) });
}

const runner = new asyncio.Runner();
const session = await runner.submit(open);

drive({
  run: (kind, inFlight, url, watch) => runner.submit(() => all(kind, inFlight, url, watch)),
  hold: (count, url) => {
    for (let i = 0; i < count; i++) void runner.submit(() => held(url));
  },
});
