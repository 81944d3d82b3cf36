/** WebSockets beside the server of the websockets package. */
import assert from 'node:assert/strict';
import { randomBytes } from 'node:crypto';
import { after, before, describe, it } from 'node:test';
import { createTask, gather, run, sleep, TimeoutError } from 'asyncio-ts';
import {
  type ClientWebSocketResponse,
  ClientSession,
  type WSConnectOptions,
  WSMsgType,
} from 'asyncio-ts/http';
import '../support/leaks.ts';
import type { ProgramServer } from '../support/program-server.ts';
import { startWebsockets, urlOf } from './peers.ts';

describe('the client and websockets', () => {
  let server: ProgramServer;
  before(async () => {
    server = await startWebsockets();
  });
  after(() => server[Symbol.asyncDispose]());

  function test(
    name: string,
    body: (socket: ClientWebSocketResponse) => Promise<void>,
    options: WSConnectOptions = {},
  ): void {
    it(name, { timeout: 60_000 }, () =>
      run(async () => {
        await using session = new ClientSession();
        await session.wsConnect(urlOf(server, 0, 'ws'), options).run(body);
      }),
    );
  }

  for (const compress of [0, 15]) {
    const how = compress === 0 ? '' : ', compressed';

    test(
      `messages of every size come back${how}`,
      async (socket) => {
        for (const size of [0, 1, 125, 126, 127, 65_535, 65_536, 1_000_000]) {
          const bytes = randomBytes(size);
          await socket.sendBytes(bytes);
          assert(bytes.equals(await socket.receiveBytes()), String(size));
          const text = 'é'.repeat(size >> 1);
          await socket.sendStr(text);
          assert.equal(await socket.receiveStr(), text);
        }
      },
      { compress },
    );

    test(
      `fragments are put together${how}`,
      async (socket) => {
        await socket.sendStr('fragments');
        assert.equal(await socket.receiveStr(), 'in three parts');
      },
      { compress },
    );
  }

  test('pings are answered both ways', async (socket) => {
    await socket.sendStr('ping');
    assert.equal(await socket.receiveStr(), 'ponged');
    await socket.ping('x');
    await socket.sendStr('after');
    assert.equal(await socket.receiveStr(), 'after');
  });

  test('many messages keep their order, while others are read', async (socket) => {
    const count = 2000;
    const sending = createTask(async () => {
      for (let i = 0; i < count; i++) await socket.sendStr(String(i));
    });
    for (let i = 0; i < count; i++) assert.equal(await socket.receiveStr(), String(i));
    await sending;
  });

  test('a close of the server is seen', async (socket) => {
    await socket.sendStr('close');
    const message = await socket.receive();
    assert.deepEqual([message.type, message.data, message.extra], [WSMsgType.CLOSE, 4000, 'as you like']);
    assert.equal(socket.closed, true);
  });

  test('a wait for a message has a limit, and the socket lives on', async (socket) => {
    await assert.rejects(async () => await socket.receive(0.05), TimeoutError);
    await socket.sendStr('still here');
    assert.equal(await socket.receiveStr(), 'still here');
  });

  test(
    'a protocol is agreed on',
    async (socket) => {
      assert.equal(socket.protocol, 'other');
    },
    { protocols: ['none', 'other'] },
  );

  it('a hundred sockets at once', { timeout: 60_000 }, () =>
    run(async () => {
      await using session = new ClientSession();
      const answers = await gather(
        Array.from({ length: 100 }, (_, index) => async () => {
          return await session.wsConnect(urlOf(server, 0, 'ws')).run(async (socket) => {
            await socket.sendStr(String(index));
            await sleep(0.01);
            return await socket.receiveStr();
          });
        }),
      );
      assert.deepEqual(
        answers,
        Array.from({ length: 100 }, (_, index) => String(index)),
      );
    }),
  );
});
