import assert from 'node:assert/strict';
import { createSocket, type Socket } from 'node:dgram';
import { describe, test } from 'node:test';
import {
  type Address,
  createTask,
  DatagramProtocol,
  DatagramTransport,
  EventLoop,
  fromPromise,
  getRunningLoop,
  Future,
  CancelledError,
  run,
  sleep,
  type UdpTransport,
  waitFor,
} from 'asyncio-ts';
import { leavesNoDescriptor, reallyInBothStyles } from '../support/io.ts';
import { logOf, runProgram, textOf } from '../support/programs.ts';
import { on, type Steps, thrownBy } from '../support/styles.ts';
import '../support/leaks.ts';

const LOOPBACK: Address = ['127.0.0.1', 0];

/** Notes what it hears. */
class Recorder extends DatagramProtocol {
  readonly events: string[] = [];
  transport: UdpTransport | null = null;
  from: Address | null = null;
  #waiter: { count: number; future: Future<void> } | null = null;

  override connectionMade(transport: UdpTransport): void {
    this.transport = transport;
    this.note('made');
  }

  override datagramReceived(data: Buffer, addr: Address): void {
    this.from = addr;
    this.note(`received '${data.toString()}'`);
  }

  override errorReceived(error: NodeJS.ErrnoException): void {
    this.note(`error ${error.code}`);
  }

  override connectionLost(error: Error | null): void {
    this.note(`lost ${error}`);
  }

  override pauseWriting(): void {
    this.note('pause');
  }

  override resumeWriting(): void {
    this.note('resume');
  }

  note(event: string): void {
    this.events.push(event);
    if (this.#waiter !== null && this.events.length >= this.#waiter.count) {
      this.#waiter.future.setResult(undefined);
      this.#waiter = null;
    }
  }

  /** Wait until it has heard of `count` things. */
  *heard(count: number): Steps<string[]> {
    if (this.events.length < count) {
      const future = new Future<void>();
      this.#waiter = { count, future };
      yield* on(waitFor(future, 5));
    }
    return this.events;
  }
}

function* endpoint(
  local: Address | null,
  remote: Address | null = null,
  options: Parameters<EventLoop['createDatagramEndpoint']>[3] = {},
): Steps<[UdpTransport, Recorder]> {
  return yield* on(getRunningLoop().createDatagramEndpoint(() => new Recorder(), local, remote, options));
}

const nameOf = (transport: UdpTransport): Address => transport.getExtraInfo<Address>('sockname') as Address;

/** A port of the loopback where nobody is. */
function* deadAddress(): Steps<Address> {
  const [transport, protocol] = yield* endpoint(LOOPBACK);
  const address = nameOf(transport);
  transport.close();
  yield* protocol.heard(2);
  return address;
}

/** Holds what is sent until `release`, as a system does whose buffer is full. */
function hold(socket: Socket): { count: () => number; release: (error?: Error) => void } {
  const held: (() => void)[] = [];
  let failure: Error | null = null;
  const send = socket.send.bind(socket) as (...args: unknown[]) => void;
  const holding = (...args: unknown[]): void => {
    const answered = args.pop() as (error: Error | null) => void;
    held.push(() => {
      if (failure === null) send(...args, answered);
      else answered(failure);
    });
  };
  Object.assign(socket, { send: holding, getSendQueueCount: () => held.length });
  return {
    count: () => held.length,
    release: (error) => {
      failure = error ?? null;
      for (const go of held.splice(0)) go();
    },
  };
}

describe('createDatagramEndpoint', () => {
  reallyInBothStyles('sends and receives between an unconnected and a connected endpoint', function* () {
    const [server, heard] = yield* endpoint(LOOPBACK);
    const [client, answers] = yield* endpoint(null, nameOf(server));
    assert(server instanceof DatagramTransport);
    client.sendto(Buffer.from('hello'));
    client.sendto(Buffer.from('again'), nameOf(server));
    assert.deepEqual(yield* heard.heard(3), ['made', "received 'hello'", "received 'again'"]);
    assert.deepEqual(heard.from, nameOf(client));
    server.sendto(Buffer.from('hello you'), heard.from);
    assert.deepEqual(yield* answers.heard(2), ['made', "received 'hello you'"]);
    assert.deepEqual(client.getExtraInfo('peername'), nameOf(server));
    assert.equal(server.getExtraInfo('peername'), null);
    assert.equal(typeof server.getExtraInfo<Socket>('socket')?.address, 'function');
    client.close();
    server.close();
    assert.equal((yield* heard.heard(4)).at(-1), 'lost null');
    assert.equal((yield* answers.heard(3)).at(-1), 'lost null');
  });

  reallyInBothStyles('speaks IPv6, with its four-part addresses', function* () {
    const [server, heard] = yield* endpoint(['::1', 0]);
    const [client] = yield* endpoint(null, nameOf(server).slice(0, 2) as unknown as Address);
    client.sendto(Buffer.from('six'));
    yield* heard.heard(2);
    assert.deepEqual(heard.from, ['::1', nameOf(client)[1], 0, 0]);
    client.close();
    server.close();
  });

  reallyInBothStyles('takes names for addresses, to bind, connect and send to', function* () {
    const [server, heard] = yield* endpoint(['localhost', 0], null, { family: 4 });
    const [client] = yield* endpoint(null, ['localhost', Number(nameOf(server)[1])], { family: 4 });
    const [free] = yield* endpoint(null, null, { family: 4 });
    client.sendto(Buffer.from('a'));
    yield* heard.heard(2);
    free.sendto(Buffer.from('b'), ['localhost', Number(nameOf(server)[1])]);
    assert.equal(free.getWriteBufferSize(), 9, 'it waits for the look-up');
    yield* heard.heard(3);
    assert.equal(free.getWriteBufferSize(), 0);
    for (const transport of [server, client, free]) transport.close();
  });

  reallyInBothStyles('hands over what came in before connectionMade, after it', function* () {
    const socket = createSocket('udp4');
    yield* on(fromPromise(new Promise<void>((resolve) => socket.bind(0, '127.0.0.1', resolve))));
    const other = createSocket('udp4');
    const creation = getRunningLoop().createDatagramEndpoint(() => new Recorder(), null, null, {
      sock: socket,
    });
    const task = createTask(creation);
    yield* on(
      fromPromise(new Promise((resolve) => other.send('early', socket.address().port, '127.0.0.1', resolve))),
    );
    const [transport, protocol] = yield* on(task);
    assert.deepEqual((yield* protocol.heard(2)).slice(0, 2), ['made', "received 'early'"]);
    other.close();
    transport.close();
  });

  reallyInBothStyles(
    'binds a socket of the user that has no address yet, and closes it in the end',
    function* () {
      const sock = createSocket('udp4');
      const [transport, protocol] = yield* endpoint(null, null, { sock });
      assert.notEqual(nameOf(transport)[1], 0);
      transport.close();
      yield* protocol.heard(2);
      assert.throws(() => sock.address());
    },
  );

  reallyInBothStyles('refuses arguments that do not go together, with the texts of CPython', function* () {
    const sock = createSocket('udp4');
    const given = [
      [null, null, {}, 'RangeError: unexpected address family'],
      [['127.0.0.1'], null, {}, 'TypeError: 2-tuple is expected'],
      [['127.0.0.1', 0], ['::1', 1], {}, 'RangeError: can not get address information'],
      [null, null, { sock: {} }, 'RangeError: A datagram socket was expected, got {}'],
      [
        ['127.0.0.1', 0],
        null,
        { sock, family: 4 },
        'RangeError: socket modifier keyword arguments can not be used when sock is specified. ' +
          "(localAddr=('127.0.0.1', 0), family=4)",
      ],
    ] as unknown as [Address, Address, object, string][];
    for (const [local, remote, options, text] of given) {
      assert.equal(yield* thrownBy(createTask(() => steps(local, remote, options))), text);
    }
    function steps(local: Address, remote: Address, options: object): PromiseLike<unknown> {
      return getRunningLoop().createDatagramEndpoint(() => new Recorder(), local, remote, options);
    }
    sock.close();
  });

  reallyInBothStyles('shares a port with reusePort, where Node can', function* () {
    const [major = 0, minor = 0] = process.versions.node.split('.').map(Number);
    const open = (local: Address) =>
      getRunningLoop().createDatagramEndpoint(() => new Recorder(), local, null, { reusePort: true });
    if (major < 22 || (major === 22 && minor < 12)) {
      assert.match(yield* thrownBy(open(LOOPBACK)), /^RangeError: reusePort not supported/);
      return;
    }
    const [first] = yield* on(open(LOOPBACK));
    const [second] = yield* on(open(nameOf(first)));
    assert.deepEqual(nameOf(second), nameOf(first));
    first.close();
    second.close();
  });

  reallyInBothStyles('says why there are no Unix datagram sockets', function* () {
    const creation = getRunningLoop().createDatagramEndpoint(() => new Recorder(), '/tmp/none.sock');
    assert.match(
      yield* thrownBy(creation),
      /^NotImplementedError: Unix datagram sockets do not exist in Node.*UDP on the loopback/,
    );
  });

  reallyInBothStyles(
    'throws the error of the system for an address that is taken or is not here',
    function* () {
      const [first] = yield* endpoint(LOOPBACK);
      assert.match(yield* thrownBy(createTask(() => endpointOf(nameOf(first)))), /EADDRINUSE/);
      assert.match(yield* thrownBy(createTask(() => endpointOf(['192.0.2.1', 0]))), /EADDRNOTAVAIL/);
      first.close();
      function endpointOf(local: Address): PromiseLike<unknown> {
        return getRunningLoop().createDatagramEndpoint(() => new Recorder(), local);
      }
    },
  );

  test('leaves no socket behind when it is cancelled at any moment, or the factory throws', async () => {
    await leavesNoDescriptor(() =>
      run(async () => {
        for (let turns = 0; turns < 12; turns++) {
          const task = createTask(
            getRunningLoop().createDatagramEndpoint(() => new Recorder(), ['localhost', 0], ['localhost', 9]),
          );
          for (let i = 0; i < turns; i++) await sleep(0);
          task.cancel();
          try {
            const [transport] = await task;
            transport.close();
          } catch (error) {
            assert(error instanceof CancelledError);
          }
        }
        const failing = getRunningLoop().createDatagramEndpoint(() => {
          throw new Error('no protocol');
        }, LOOPBACK);
        assert.equal(await textOf(() => failing), 'Error: no protocol');
      }),
    );
  });

  test('allowBroadcast leaves the socket unconnected, with one address to send to', async () => {
    await run(function* main() {
      const [transport, protocol] = yield* getRunningLoop().createDatagramEndpoint(
        () => new Recorder(),
        LOOPBACK,
        ['127.0.0.1', 9],
        { allowBroadcast: true },
      );
      assert.equal(transport.getExtraInfo('peername'), null);
      transport.sendto(Buffer.from('a'));
      assert.throws(() => transport.sendto(Buffer.from('a'), ['127.0.0.1', 10]), {
        name: 'RangeError',
        message: "Invalid address: must be None or ('127.0.0.1', 9)",
      });
      transport.close();
      yield* sleep(0.01);
      assert.deepEqual(protocol.events, ['made', 'lost null']);
    });
  });
});

describe('a datagram transport (P51)', () => {
  reallyInBothStyles('sends and receives empty datagrams', function* () {
    const [server, heard] = yield* endpoint(LOOPBACK);
    const [client] = yield* endpoint(null, nameOf(server));
    const [free] = yield* endpoint(LOOPBACK);
    client.sendto(Buffer.alloc(0));
    free.sendto(new Uint8Array(0), nameOf(server));
    assert.deepEqual(yield* heard.heard(3), ['made', "received ''", "received ''"]);
    for (const transport of [server, client, free]) transport.close();
  });

  reallyInBothStyles('hears that the remote refuses, and lives on', function* () {
    const dead = yield* deadAddress();
    const [client, protocol] = yield* endpoint(null, dead);
    client.sendto(Buffer.from('anybody?'));
    assert.deepEqual(yield* protocol.heard(2), ['made', 'error ECONNREFUSED']);
    assert.equal(client.isClosing(), false);
    const [server, heard] = yield* endpoint(dead);
    client.sendto(Buffer.from('now?'));
    assert.equal((yield* heard.heard(2))[1], "received 'now?'");
    server.sendto(Buffer.from('yes'), heard.from);
    assert.equal((yield* protocol.heard(3))[2], "received 'yes'");
    client.close();
    server.close();
  });

  reallyInBothStyles('tells errorReceived of what cannot be sent, and lives on', function* () {
    const [server, heard] = yield* endpoint(LOOPBACK);
    const [client, protocol] = yield* endpoint(LOOPBACK);
    client.sendto(Buffer.alloc(70_000), nameOf(server));
    assert.equal(protocol.events.length, 1, 'in a handle of the loop, not in sendto');
    assert.deepEqual(yield* protocol.heard(2), ['made', 'error EMSGSIZE']);
    client.sendto(Buffer.from('small'), nameOf(server));
    assert.equal((yield* heard.heard(2))[1], "received 'small'");
    client.close();
    server.close();
  });

  reallyInBothStyles('tells of an error before connectionLost, if it is closed right after', function* () {
    const [client, protocol] = yield* endpoint(LOOPBACK);
    client.sendto(Buffer.alloc(70_000), ['127.0.0.1', 9]);
    client.close();
    assert.deepEqual(yield* protocol.heard(3), ['made', 'error EMSGSIZE', 'lost null']);
  });

  reallyInBothStyles('counts 8 bytes more per datagram, pauses, resumes, and ends at 0 (H42)', function* () {
    const [server] = yield* endpoint(LOOPBACK);
    const [client, protocol] = yield* endpoint(null, nameOf(server));
    const system = hold(client.getExtraInfo<Socket>('socket') as Socket);
    assert.deepEqual(client.getWriteBufferLimits(), [16384, 65536]);
    client.setWriteBufferLimits(30);
    assert.deepEqual(client.getWriteBufferLimits(), [7, 30]);
    client.sendto(Buffer.from('ab'));
    assert.equal(client.getWriteBufferSize(), 10);
    client.sendto(Buffer.alloc(0));
    assert.equal(client.getWriteBufferSize(), 18);
    client.sendto(Buffer.alloc(4));
    assert.deepEqual(protocol.events, ['made'], 'at the mark, not above');
    client.sendto(Buffer.alloc(0));
    assert.deepEqual(protocol.events, ['made', 'pause']);
    assert.equal(system.count(), 4);
    system.release();
    assert.deepEqual(yield* protocol.heard(3), ['made', 'pause', 'resume']);
    assert.equal(client.getWriteBufferSize(), 0);
    client.close();
    server.close();
  });

  reallyInBothStyles('resumes after errors of what was buffered (H42)', function* () {
    const [client, protocol] = yield* endpoint(null, ['127.0.0.1', 9]);
    const system = hold(client.getExtraInfo<Socket>('socket') as Socket);
    client.setWriteBufferLimits(10);
    for (let i = 0; i < 3; i++) client.sendto(Buffer.from('abc'));
    system.release(Object.assign(new Error('full'), { code: 'ENOBUFS' }));
    const error = 'error ENOBUFS';
    assert.deepEqual((yield* protocol.heard(6)).toSorted(), [error, error, error, 'made', 'pause', 'resume']);
    assert.equal(client.getWriteBufferSize(), 0);
    client.close();
    yield* protocol.heard(7);
  });

  reallyInBothStyles('sends what waits at close, then connectionLost, once', function* () {
    const [server, heard] = yield* endpoint(LOOPBACK);
    const [client, protocol] = yield* endpoint(null, nameOf(server));
    const system = hold(client.getExtraInfo<Socket>('socket') as Socket);
    client.sendto(Buffer.from('1'));
    client.sendto(Buffer.from('2'));
    client.close();
    client.close();
    assert.equal(client.isClosing(), true);
    yield* on(sleep(0.005));
    assert.deepEqual(protocol.events, ['made']);
    system.release();
    assert.deepEqual(yield* heard.heard(3), ['made', "received '1'", "received '2'"]);
    assert.deepEqual(yield* protocol.heard(2), ['made', 'lost null']);
    yield* on(sleep(0.005));
    assert.equal(protocol.events.length, 2);
    server.close();
  });

  reallyInBothStyles('drops what waits at abort', function* () {
    const [client, protocol] = yield* endpoint(null, ['127.0.0.1', 9]);
    hold(client.getExtraInfo<Socket>('socket') as Socket);
    client.sendto(Buffer.from('1'));
    client.abort();
    client.abort();
    assert.equal(client.getWriteBufferSize(), 0);
    assert.deepEqual(yield* protocol.heard(2), ['made', 'lost null']);
  });

  reallyInBothStyles('lets the data be changed after sendto', function* () {
    const [server, heard] = yield* endpoint(LOOPBACK);
    const [client] = yield* endpoint(null, nameOf(server));
    const system = hold(client.getExtraInfo<Socket>('socket') as Socket);
    const data = Buffer.from('before');
    client.sendto(data);
    data.write('after!');
    system.release();
    assert.equal((yield* heard.heard(2))[1], "received 'before'");
    client.close();
    server.close();
  });

  reallyInBothStyles('refuses what is no bytes, and addresses that cannot be', function* () {
    const [client] = yield* endpoint(LOOPBACK);
    const refused = [
      ['text', ['127.0.0.1', 9], "TypeError: data argument must be a bytes-like object, not 'string'"],
      [Buffer.alloc(1), null, 'TypeError: sendto(): an address must be [host, port], not null'],
      [Buffer.alloc(1), '/path', "TypeError: sendto(): an address must be [host, port], not '/path'"],
      [Buffer.alloc(1), ['127.0.0.1', 70_000], /^RangeError/],
    ] as const;
    for (const [data, addr, text] of refused) {
      const thrown = yield* on(fromPromise(textOf(() => client.sendto(data as Buffer, addr as Address))));
      if (typeof text === 'string') assert.equal(thrown, text);
      else assert.match(thrown, text);
    }
    client.close();
  });

  test('ignores sends after the end, and warns from the sixth on', async () => {
    const lines = await logOf(() =>
      run(function* main() {
        const [transport] = yield* getRunningLoop().createDatagramEndpoint(() => new Recorder(), null, [
          '127.0.0.1',
          9,
        ]);
        transport.close();
        for (let i = 0; i < 6; i++) transport.sendto(Buffer.from('late'));
        yield* sleep(0);
      }),
    );
    assert.deepEqual(lines, [
      'warning: socket.send() raised exception.',
      'warning: socket.send() raised exception.',
    ]);
  });

  test('tells the exception handler of errors of the protocol, and lives on', async () => {
    class Failing extends Recorder {
      override datagramReceived(data: Buffer, addr: Address): void {
        super.datagramReceived(data, addr);
        throw new Error(`cannot ${data}`);
      }
    }
    class FailingLater extends Recorder {
      override datagramReceived(data: Buffer, addr: Address): void;
      override async datagramReceived(data: Buffer, addr: Address): Promise<void> {
        super.datagramReceived(data, addr);
        await sleep(0);
        throw new Error(`cannot ${data}`);
      }
    }
    for (const Class of [Failing, FailingLater]) {
      const told: string[] = [];
      await run(async () => {
        const loop = getRunningLoop();
        loop.setExceptionHandler((_, { message, exception }) => told.push(`${message}: ${exception}`));
        const [transport, protocol] = await loop.createDatagramEndpoint(() => new Class(), LOOPBACK);
        transport.sendto(Buffer.from('a'), nameOf(transport));
        transport.sendto(Buffer.from('b'), nameOf(transport));
        while (told.length < 2) await sleep(0.001);
        assert.equal(protocol.events.length, 3);
        transport.close();
      });
      const message = `Exception in callback ${Class.name}.datagramReceived(): Error: cannot`;
      assert.deepEqual(told, [`${message} a`, `${message} b`]);
    }
  });

  test('that is still open is closed with the loop, and in debug mode named', async () => {
    await leavesNoDescriptor(async () => {
      const lines = await logOf(() =>
        run(
          async () => {
            await getRunningLoop().createDatagramEndpoint(() => new Recorder(), LOOPBACK);
          },
          { debug: true },
        ),
      );
      assert.match(
        lines.join('\n'),
        /warning: unclosed transport <UdpTransport sockname=\('127\.0\.0\.1', \d+\)/,
      );
    });
  });

  test('a thousand datagrams each way, and the process ends by itself (P62)', async () => {
    const { stdout, stderr, code } = await runProgram(`
      class Echo extends asyncio.DatagramProtocol {
        connectionMade(transport) { this.transport = transport; }
        datagramReceived(data, addr) { this.transport.sendto(data, addr); }
      }
      class Count extends asyncio.DatagramProtocol {
        count = 0;
        done = new asyncio.Event();
        connectionMade(transport) { this.transport = transport; transport.sendto(Buffer.from('0')); }
        datagramReceived(data) {
          if (++this.count === 1000) this.done.set();
          else this.transport.sendto(Buffer.from(String(this.count)));
        }
      }
      await asyncio.run(async () => {
        const loop = asyncio.getRunningLoop();
        const [server] = await loop.createDatagramEndpoint(() => new Echo(), ['127.0.0.1', 0]);
        const [, counter] = await loop.createDatagramEndpoint(
          () => new Count(), null, server.getExtraInfo('sockname'));
        await asyncio.waitFor(counter.done.wait(), 20);
        console.log(counter.count);
      });
    `);
    assert.deepEqual({ stdout, stderr, code }, { stdout: '1000\n', stderr: '', code: 0 });
  });
});

describe('what Node has no calls for', () => {
  test('throws NotImplementedError with the reason and what comes nearest', () => {
    const loop = new EventLoop();
    const calls = {
      addReader: /readiness.*connectReadPipe/,
      removeReader: /readiness/,
      addWriter: /readiness.*connectWritePipe/,
      removeWriter: /readiness/,
      sockRecv: /openConnection/,
      sockRecvInto: /BufferedProtocol/,
      sockRecvfrom: /createDatagramEndpoint/,
      sockRecvfromInto: /createDatagramEndpoint/,
      sockSendall: /drain/,
      sockSendto: /sendto/,
      sockConnect: /createConnection/,
      sockAccept: /createServer/,
      sockSendfile: /sendfile/,
    };
    for (const [name, text] of Object.entries(calls)) {
      const call = loop[name as keyof typeof calls] as (...args: unknown[]) => never;
      assert.throws(() => call.call(loop, 1, () => {}), { name: 'NotImplementedError', message: text }, name);
    }
    loop.close();
  });
});
