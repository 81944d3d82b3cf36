/** This library's client, in async functions. */
import * as asyncio from 'asyncio-ts';
import { ClientSession, type ClientResponse, TCPConnector } from 'asyncio-ts/http';
import { drive, type Kind, type Watch } from './drive.ts';

const read = {
  json: async (response: ClientResponse): Promise<unknown> => await response.json(),
  bytes: async (response: ClientResponse): Promise<unknown> => await response.read(),
};

async function requests(kind: Kind, url: string, watch: Watch): Promise<void> {
  while (!watch.isOver) watch.count(await session.get(url).run(read[kind]));
}

async function all(kind: Kind, inFlight: number, url: string, watch: Watch): Promise<void> {
  await asyncio.gather(Array.from({ length: inFlight }, () => () => requests(kind, url, watch)));
}

async function held(url: string): Promise<void> {
  try {
    await session.get(url).run(read.json);
  } catch {
    // The server has ended.
  }
}

const runner = new asyncio.Runner();
const session = await runner.submit(
  async () => new ClientSession(null, { connector: new TCPConnector({ limit: 0 }) }),
);

drive({
  run: (kind, inFlight, url, watch) => runner.submit(() => all(kind, inFlight, url, watch)),
  hold: (count, url) => {
    for (let i = 0; i < count; i++) void runner.submit(() => held(url));
  },
});
