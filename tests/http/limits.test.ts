/** The limits of a pool, under cancellation and failure. */
import assert from 'node:assert/strict';
import { Socket } from 'node:net';
import { describe, it } from 'node:test';
import { setImmediate as turn } from 'node:timers/promises';
import { CancelledError, createTask, gather, run, sleep, type Task, timeout } from 'asyncio-ts';
import {
  ClientConnectorError,
  ClientSession,
  ClientTimeout,
  ConnectionTimeoutError,
  TCPConnector,
  type TCPConnectorOptions,
} from 'asyncio-ts/http';
import '../support/leaks.ts';
import { rounds } from '../support/rounds.ts';
import { serve, serveRaw, type Site } from './servers.ts';

/** Numbers from 0 to 1 that are the same in each run. */
function numbers(seed: number): () => number {
  let state = seed;
  return () => {
    state = (Math.imul(state, 1_664_525) + 1_013_904_223) >>> 0;
    return state / 2 ** 32;
  };
}

/** A connector that counts the sockets that it has open. */
function counting(options: TCPConnectorOptions) {
  const sockets: Socket[] = [];
  const open = (): number => sockets.filter(({ destroyed }) => !destroyed).length;
  let most = 0;
  const connector = new TCPConnector({
    ...options,
    socketFactory: () => {
      const socket = new Socket();
      sockets.push(socket);
      most = Math.max(most, open());
      return socket;
    },
  });
  return { connector, open, most: () => most };
}

const text = (session: ClientSession, url: string): Promise<string> =>
  session
    .get(url)
    .run((response) => response.text())
    .toPromise();

const cancelled = async (task: Task<unknown>): Promise<void> => {
  await assert.rejects(async () => await task, CancelledError);
};

/** A server that answers when it is told to. */
async function serveLater(): Promise<{ site: Site; asked: string[]; answer(): void }> {
  const asked: string[] = [];
  const answers: (() => void)[] = [];
  const site = await serve((request, response) => {
    asked.push(request.url as string);
    answers.push(() => response.end(request.url));
  });
  return { site, asked, answer: () => answers.shift()?.() };
}

describe('P71: limits of the pool', () => {
  it('P71: 10,000 requests with a limit of 5, a fifth of them cancelled', () =>
    run(async () => {
      const random = numbers(71);
      const count = rounds(10_000);
      await using site = await serve((_request, response) => response.end('ok'));
      const { connector, most } = counting({ limit: 5 });
      await using session = new ClientSession(site.url, { connector });
      let served = 0;
      let ended = 0;
      const tasks: Task<void>[] = [];
      for (let i = 0; i < count; i++) {
        tasks.push(
          createTask(async () => {
            if ((await text(session, 'x')) === 'ok') served++;
          }),
        );
      }
      const victims = tasks.filter(() => random() < 0.2);
      while (victims.length > 0) {
        for (let n = Math.floor(random() * 20); n > 0; n--) victims.pop()?.cancel();
        await sleep(0);
      }
      for (const task of tasks) {
        try {
          await task;
        } catch (error) {
          assert(error instanceof CancelledError);
          ended++;
        }
      }
      assert.equal(served + ended, count);
      assert(ended > count / 10);
      assert(most() <= 5, `${most()} sockets at once`);
      // Every place has come back.
      const last = Array.from({ length: 5 }, () => () => text(session, 'x'));
      assert.deepEqual(await gather(last), Array(5).fill('ok'));
      assert(most() <= 5);
    }));

  it('P71: the same with a limit for each host, for several hosts', () =>
    run(async () => {
      const random = numbers(72);
      await using first = await serve((_request, response) => response.end('1'));
      await using second = await serve((_request, response) => response.end('2'));
      await using third = await serve((_request, response) => response.end('3'));
      const { connector, most } = counting({ limit: 4, limitPerHost: 2 });
      await using session = new ClientSession(null, { connector });
      const urls = [first.url, second.url, third.url];
      const tasks = Array.from({ length: 600 }, (_, i) =>
        createTask(() => text(session, urls[i % 3] as string)),
      );
      for (const task of tasks) {
        if (random() < 0.2) task.cancel();
        if (random() < 0.3) await sleep(0);
      }
      const served: Record<string, number> = { 1: 0, 2: 0, 3: 0 };
      for (const [i, task] of tasks.entries()) {
        try {
          const answer = await task;
          assert.equal(answer, String((i % 3) + 1));
          served[answer] = (served[answer] ?? 0) + 1;
        } catch (error) {
          assert(error instanceof CancelledError);
        }
      }
      // Four in use, and of the three hosts no more than two each idle.
      assert(most() <= 6, `${most()} sockets at once`);
      for (const count of Object.values(served)) assert(count > 100);
    }));

  it('P71: places go round in the order of the requests, whoever leaves the line', () =>
    run(async () => {
      const { site, asked, answer } = await serveLater();
      await using _ = site;
      await using session = new ClientSession(site.url, { connector: new TCPConnector({ limit: 1 }) });
      const tasks = Array.from({ length: 8 }, (_unused, i) => createTask(() => text(session, `${i}`)));
      while (asked.length === 0) await turn();
      for (const i of [2, 5, 6]) tasks[i]?.cancel();
      await sleep(0);
      // A newcomer stands at the end.
      tasks.push(createTask(() => text(session, '8')));
      for (const i of [0, 1, 3, 4, 7, 8]) {
        while (asked.at(-1) !== `/${i}`) await turn();
        answer();
        assert.equal(await tasks[i], `/${i}`);
      }
      for (const i of [2, 5, 6]) await cancelled(tasks[i] as Task<string>);
      assert.deepEqual(asked, ['/0', '/1', '/3', '/4', '/7', '/8']);
    }));

  it('P71: a host that is full holds up nobody who waits for another', () =>
    run(async () => {
      const { site, asked, answer } = await serveLater();
      await using _ = site;
      await using other = await serve((_request, response) => response.end('other'));
      const connector = new TCPConnector({ limit: 2, limitPerHost: 1 });
      await using session = new ClientSession(null, { connector });
      const full = [1, 2, 3].map((i) => createTask(() => text(session, `${site.url}${i}`)));
      while (asked.length === 0) await turn();
      for (let i = 0; i < 3; i++) assert.equal(await text(session, other.url), 'other');
      for (const task of full) {
        while (asked.length === 0) await turn();
        answer();
        asked.length = 0;
        await task;
      }
    }));

  it('0 is no limit', () =>
    run(async () => {
      const { site, asked, answer } = await serveLater();
      await using _ = site;
      const { connector, most } = counting({ limit: 0 });
      await using session = new ClientSession(site.url, { connector });
      const tasks = Array.from({ length: 120 }, () => createTask(() => text(session, 'x')));
      while (asked.length < 120) await turn();
      for (let i = 0; i < 120; i++) answer();
      await gather(tasks);
      assert.equal(most(), 120);
    }));
});

describe('places that came back', () => {
  it('H69: time-outs of those who wait leave the line in order for the others', () =>
    run(async () => {
      const { site, asked, answer } = await serveLater();
      await using _ = site;
      await using session = new ClientSession(site.url, { connector: new TCPConnector({ limit: 1 }) });
      const first = createTask(() => text(session, 'first'));
      while (asked.length === 0) await turn();
      const hasty = Array.from({ length: 5 }, () =>
        createTask(async () => {
          const limits = new ClientTimeout({ connect: 0.01 });
          await assert.rejects(
            async () => await session.get('hasty', { timeout: limits }),
            (error) => {
              assert(error instanceof ConnectionTimeoutError);
              assert.equal(error.message, `Connection timeout to host ${site.url}hasty`);
              return true;
            },
          );
        }),
      );
      const patient = createTask(() => text(session, 'patient'));
      await gather(hasty);
      answer();
      assert.equal(await first, '/first');
      while (asked.length < 2) await turn();
      answer();
      assert.equal(await patient, '/patient');
      assert.deepEqual(asked, ['/first', '/patient']);
    }));

  it('H70: an idle connection is no way around the limit', () =>
    run(async () => {
      const { site, asked, answer } = await serveLater();
      await using _ = site;
      await using other = await serve((_request, response) => response.end('other'));
      await using session = new ClientSession(null, { connector: new TCPConnector({ limit: 1 }) });
      // This one stays behind, idle.
      await text(session, other.url);
      const slow = createTask(() => text(session, site.url));
      while (asked.length === 0) await turn();
      let isServed = false;
      const waiting = createTask(async () => {
        await text(session, other.url);
        isServed = true;
      });
      for (let i = 0; i < 10; i++) await turn();
      assert(!isServed);
      answer();
      await gather(slow, waiting);
      assert.equal(other.connections, 1);
    }));

  it('H71: a connection that could not be made holds no place', () =>
    run(async () => {
      await using site = await serve((_request, response) => response.end('ok'));
      const closed = await serve(() => {});
      await closed[Symbol.asyncDispose]();
      const connector = new TCPConnector({ limit: 2, limitPerHost: 1 });
      await using session = new ClientSession(null, { connector });
      for (let i = 0; i < 5; i++) {
        await assert.rejects(async () => await session.get(closed.url), ClientConnectorError);
      }
      await gather([1, 2, 3].map(() => () => text(session, site.url)));
    }));

  it('H72: neither place nor socket is lost to a time-out of the caller', () =>
    run(async () => {
      await using site = await serveRaw(() => {});
      const { connector, open, most } = counting({ limit: 1 });
      await using session = new ClientSession(site.url, { connector });
      for (let i = 0; i < 5; i++) {
        await assert.rejects(
          async () => {
            await timeout(0.005).run(() => text(session, 'x'));
          },
          { name: 'TimeoutError' },
        );
      }
      assert(most() <= 1);
      assert.equal(open(), 0);
    }));

  it('a waiter that is woken and cancelled in one turn hands its place on', () =>
    run(async () => {
      await using site = await serve((request, response) => {
        if (request.url === '/half') response.write('half');
        else response.end(request.url);
      });
      await using session = new ClientSession(site.url, { connector: new TCPConnector({ limit: 1 }) });
      const half = await session.get('half');
      const woken = createTask(() => text(session, 'woken'));
      const last = createTask(() => text(session, 'last'));
      await sleep(0);
      half.close();
      woken.cancel();
      await cancelled(woken);
      assert.equal(await last, '/last');
    }));
});
