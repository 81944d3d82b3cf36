import assert from 'node:assert/strict';
import { setImmediate as turn } from 'node:timers/promises';
import { describe, it } from 'node:test';
import { CancelledError, createTask, gather, run, sleep, type Task } from 'asyncio-ts';
import { ClientConnectionError, ClientSession, TCPConnector } from 'asyncio-ts/http';
import '../support/leaks.ts';
import { serve, type Site } from './servers.ts';

async function assertCancelled(task: Task<unknown>): Promise<void> {
  assert.equal(task.cancel(), true);
  await assert.rejects(async () => await task, CancelledError);
  assert.equal(task.cancelled(), true);
}

async function untilConnected(site: Site): Promise<void> {
  while (site.sockets.size === 0) await turn();
}

describe('cancelling a request', () => {
  for (const style of ['async', 'generator']) {
    it(`closes the connection while it waits for an answer (${style})`, () =>
      run(async () => {
        await using site = await serve(() => {});
        await using session = new ClientSession(site.url);
        const task =
          style === 'async'
            ? createTask(async () => await session.get('x'))
            : createTask(function* () {
                return yield* session.get('x');
              });
        await untilConnected(site);
        await sleep(0.01);
        await assertCancelled(task);
        await site.drained();
        assert.equal(site.sockets.size, 0);
      }));

    it(`closes the connection while it waits for the body (${style})`, () =>
      run(async () => {
        await using site = await serve((_request, response) => void response.write('half'));
        await using session = new ClientSession(site.url);
        const task =
          style === 'async'
            ? createTask(async () => await session.get('x').run((response) => response.read()))
            : createTask(function* () {
                return yield* session.get('x').run((response) => response.read());
              });
        await untilConnected(site);
        await sleep(0.01);
        await assertCancelled(task);
        await site.drained();
      }));
  }

  it('closes the connection at whatever moment it comes', () =>
    run(async () => {
      await using site = await serve((_request, response) => {
        response.write('half');
        setImmediate(() => response.end('half'));
      });
      await using session = new ClientSession(site.url, { connector: new TCPConnector({ limit: 3 }) });
      // As many turns of the loop as it takes to come through, and a few less, and none.
      let finished = 0;
      for (let turns = 0; finished < 3; turns++) {
        const task = createTask(async () => await session.get('x').run((response) => response.text()));
        for (let i = 0; i < turns && !task.done(); i++) await sleep(0);
        if (task.done()) finished++;
        task.cancel();
        await gather([task], { returnExceptions: true });
        if (!task.cancelled()) assert.equal(task.result(), 'halfhalf');
      }
      // No place was lost on the way.
      const texts = await gather([1, 2, 3, 4].map(() => session.get('x').run((response) => response.text())));
      assert.deepEqual(
        texts,
        Array.from({ length: 4 }, () => 'halfhalf'),
      );
    }));

  it('before it was sent sends nothing', () =>
    run(async () => {
      await using site = await serve((_request, response) => response.end());
      await using session = new ClientSession(site.url);
      const task = createTask(session.get('x'));
      await assertCancelled(task);
      assert.equal(site.connections, 0);
    }));

  it('frees its place for the next in line', () =>
    run(async () => {
      await using site = await serve((request, response) => {
        if (request.url === '/answered') response.end('ok');
      });
      await using session = new ClientSession(site.url, { connector: new TCPConnector({ limit: 1 }) });
      const first = createTask(session.get('first'));
      await untilConnected(site);
      const second = createTask(session.get('second'));
      const third = createTask(() => session.get('answered').run((response) => response.text()));
      await sleep(0);
      await assertCancelled(second);
      await assertCancelled(first);
      assert.equal(await third, 'ok');
    }));

  it('with a response in hand leaves that to its owner', () =>
    run(async () => {
      await using site = await serve((_request, response) => void response.write('half'));
      await using session = new ClientSession(site.url);
      const task = createTask(async () => {
        await session.get('x').run(async () => await sleep(60));
      });
      await untilConnected(site);
      await sleep(0.01);
      await assertCancelled(task);
      await site.drained();
    }));
});

describe('the end of a session', () => {
  it('fails the requests that run, and waits until the sockets are closed', () =>
    run(async () => {
      await using site = await serve((request, response) => {
        if (request.url === '/body') response.write('half');
      });
      const before = process.getActiveResourcesInfo().filter((name) => name === 'TCPSocketWrap').length;
      const session = new ClientSession(site.url, { connector: new TCPConnector({ limit: 2 }) });
      const waiting = createTask(session.get('x'));
      const reading = createTask(() => session.get('body').run((response) => response.read()));
      while (site.sockets.size < 2) await turn();
      const queued = createTask(session.get('x'));
      await sleep(0.01);
      await session.close();
      const errors = await gather([waiting, reading, queued], { returnExceptions: true });
      for (const error of errors) assert(error instanceof ClientConnectionError, String(error));
      assert.equal((errors[2] as Error).message, 'Connector is closed.');
      await site.drained();
      const after = process.getActiveResourcesInfo().filter((name) => name === 'TCPSocketWrap').length;
      assert.equal(after, before);
    }));

  it('closes idle connections', () =>
    run(async () => {
      await using site = await serve((_request, response) => response.end('ok'));
      const session = new ClientSession(site.url);
      await gather([1, 2, 3].map(() => session.get('x').run((response) => response.text())));
      assert.equal(site.sockets.size, 3);
      await session.close();
      await site.drained();
    }));

  it('leaves a connector that is not its own', () =>
    run(async () => {
      await using site = await serve((_request, response) => response.end('ok'));
      await using connector = new TCPConnector();
      for (let i = 0; i < 2; i++) {
        await using session = new ClientSession(site.url, { connector, connectorOwner: false });
        assert.equal(await session.get('x').run((response) => response.text()), 'ok');
      }
      assert.equal(connector.closed, false);
      assert.equal(site.connections, 1);
      const session = new ClientSession(site.url, { connector });
      session.detach();
      assert.equal(session.closed, true);
      assert.equal(session.connector, null);
    }));

  it('comes by itself when the program is cancelled', () =>
    run(async () => {
      await using site = await serve(() => {});
      const task = createTask(async () => {
        await using session = new ClientSession(site.url);
        await session.get('x');
      });
      await untilConnected(site);
      await sleep(0.01);
      await assertCancelled(task);
      await site.drained();
    }));
});
