import assert from 'node:assert/strict';
import { ADDRCONFIG } from 'node:dns';
import { describe, test } from 'node:test';
import { createTask, getRunningLoop, run, sleep } from 'asyncio-ts';
import { reallyInBothStyles } from '../support/io.ts';
import { logOf } from '../support/programs.ts';
import { on, thrownBy } from '../support/styles.ts';
import '../support/leaks.ts';

describe('getaddrinfo', () => {
  reallyInBothStyles('gives each kind of socket for an address, as the system does', function* () {
    const loop = getRunningLoop();
    assert.deepEqual(yield* on(loop.getaddrinfo('127.0.0.1', 80)), [
      [4, 1, 6, '', ['127.0.0.1', 80]],
      [4, 2, 17, '', ['127.0.0.1', 80]],
      [4, 3, 0, '', ['127.0.0.1', 80]],
    ]);
    assert.deepEqual(yield* on(loop.getaddrinfo('::1', '80', { type: 1 })), [
      [6, 1, 6, '', ['::1', 80, 0, 0]],
    ]);
    assert.deepEqual(yield* on(loop.getaddrinfo('10.0.0.1', null, { proto: 17, type: 2 })), [
      [4, 2, 17, '', ['10.0.0.1', 0]],
    ]);
  });

  reallyInBothStyles('gives the loopback addresses without a host, and all of them to bind', function* () {
    const loop = getRunningLoop();
    const hosts = function* (flags: number) {
      const infos = yield* on(loop.getaddrinfo(null, 80, { type: 1, flags }));
      return infos.map(([, , , , sockaddr]) => sockaddr[0]);
    };
    assert.deepEqual(yield* hosts(0), ['::1', '127.0.0.1']);
    assert.deepEqual(yield* hosts(1), ['0.0.0.0', '::']);
  });

  reallyInBothStyles('resolves names', function* () {
    const infos = yield* on(
      getRunningLoop().getaddrinfo('localhost', 80, { family: 4, type: 1, flags: ADDRCONFIG }),
    );
    assert.deepEqual(infos, [[4, 1, 6, '', ['127.0.0.1', 80]]]);
  });

  reallyInBothStyles("throws Node's errors with their codes", function* () {
    const loop = getRunningLoop();
    const coded = [
      [loop.getaddrinfo('no-such-name.invalid', 80), /ENOTFOUND|EAI_AGAIN/],
      [loop.getaddrinfo('localhost', 80, { flags: 4 }), /ENOTFOUND/],
      [loop.getaddrinfo('127.0.0.1', 80, { family: 6 }), /EAI_ADDRFAMILY/],
      [loop.getaddrinfo('127.0.0.1', 'no-such-service'), /EAI_SERVICE/],
      [loop.getaddrinfo('127.0.0.1', 80, { type: 1, proto: 17 }), /EAI_SOCKTYPE/],
      [loop.getaddrinfo('127.0.0.1', 65_536), /^RangeError: port must be 0-65535, got 65536/],
      [
        loop.getaddrinfo(5 as unknown as string, 80),
        /^TypeError: getaddrinfo\(\) argument 1 must be string or None/,
      ],
    ] as const;
    for (const [coro, text] of coded) assert.match(yield* thrownBy(coro), text);
  });

  reallyInBothStyles('can be cancelled while it waits', function* () {
    const task = createTask(getRunningLoop().getaddrinfo('localhost', 80));
    yield* on(sleep(0));
    task.cancel();
    assert.equal(yield* thrownBy(task), 'CancelledError');
  });

  test('logs in debug mode what it looks up and how long that took', async () => {
    const lines = await logOf(() =>
      run(async () => void (await getRunningLoop().getaddrinfo('localhost', 80, { family: 4, type: 1 })), {
        debug: true,
      }),
    );
    const [first, second] = lines.filter((line) => line.includes('address info'));
    assert.equal(first, 'debug: Get address info localhost:80, family=4, type=1');
    assert.match(
      second ?? '',
      /^(debug|info): Getting address info localhost:80, family=4, type=1 took \d+\.\d{3}ms: \[\[4, 1, 6, '', \['127\.0\.0\.1', 80\]\]\]$/,
    );
  });
});

describe('getnameinfo', () => {
  reallyInBothStyles('gives numbers without a look-up, and names by one', function* () {
    const loop = getRunningLoop();
    assert.deepEqual(yield* on(loop.getnameinfo(['192.0.2.1', 80], 3)), ['192.0.2.1', '80']);
    const [host, service] = yield* on(loop.getnameinfo(['127.0.0.1', 80], 2));
    assert.match(host, /localhost/);
    assert.equal(service, '80');
  });

  reallyInBothStyles('gives the number of a host without a name, unless a name is required', function* () {
    const loop = getRunningLoop();
    const named = yield* thrownBy(loop.getnameinfo(['192.0.2.1', 80], 8));
    assert.match(named, /ENOTFOUND|EAI_AGAIN/);
    if (named.includes('ENOTFOUND')) {
      assert.equal((yield* on(loop.getnameinfo(['192.0.2.1', 80])))[0], '192.0.2.1');
    }
    assert.equal(
      yield* thrownBy(loop.getnameinfo('192.0.2.1')),
      'TypeError: getnameinfo() argument 1 must be a tuple',
    );
  });
});
