import assert from 'node:assert/strict';
import { createConnection, createServer } from 'node:net';
import { describe, mock, test } from 'node:test';
import fc from 'fast-check';
import {
  type BaseEventLoop,
  createEagerTaskFactory,
  createTask,
  eagerTaskFactory,
  type ExceptionContext,
  Future,
  gather,
  getRunningLoop,
  type Handle,
  KeyboardInterrupt,
  newEventLoop,
  run,
  sleep,
  SystemExit,
  Task,
  type TimerHandle,
} from 'asyncio-ts';
import { VirtualEventLoop } from 'asyncio-ts/testing';
import '../support/leaks.ts';
import { logOf, runVirtually, textOf } from '../support/programs.ts';

const any = (value: unknown): any => value;

/** Run `setUp` with a fresh virtual loop, then the loop until it calls `loop.stop()`. */
async function withLoop(setUp: (loop: VirtualEventLoop) => void): Promise<VirtualEventLoop> {
  const loop = new VirtualEventLoop();
  setUp(loop);
  await loop.runForever();
  loop.close();
  return loop;
}

describe('callSoon (P21)', () => {
  test('a burst after a long line of turns stays in order, and waits for the next iteration', async () => {
    const order: string[] = [];
    await runVirtually(function* () {
      const loop = getRunningLoop();
      const end = loop.createFuture<void>();
      for (let turn = 0; turn < 100; turn++) yield* sleep(0);
      // Due now, so that it runs at the begin of the next iteration.
      loop.callSoon(() => {
        for (let i = 0; i < 40; i++) loop.callSoon(() => order.push(`burst ${i}`));
        loop.callAt(loop.time(), () => order.push('timer'));
        loop.callSoon(() => end.setResult());
      });
      loop.callSoon(() => order.push('beside'));
      yield* end;
    });
    assert.deepEqual(order, ['beside', ...Array.from({ length: 40 }, (_, i) => `burst ${i}`), 'timer']);
  });

  test('runs callbacks first in, first out, each exactly once, with their arguments', async () => {
    const order: unknown[] = [];
    await withLoop((loop) => {
      for (let i = 0; i < 1000; i++) loop.callSoon((...args) => order.push(args), i, 'x');
      loop.callSoon(() => loop.stop());
    });
    assert.deepEqual(
      order,
      Array.from({ length: 1000 }, (_, i) => [i, 'x']),
    );
  });

  test('leaves what a callback queues to the next iteration', async () => {
    const order: string[] = [];
    await withLoop((loop) => {
      loop.callSoon(() => {
        order.push('a');
        loop.callSoon(() => order.push('d'));
        loop.callSoon(() => loop.stop());
      });
      loop.callSoon(() => order.push('b'));
      loop.callLater(0, () => order.push('c'));
    });
    assert.deepEqual(order, ['a', 'b', 'c', 'd']);
  });

  test('leaves it there also when it is so much that the queue has to grow', async () => {
    for (const count of [10, 15, 16, 17, 40, 63, 64, 65, 200, 1000]) {
      const order: string[] = [];
      await withLoop((loop) => {
        // The queue is used up to some place within it first.
        for (let i = 0; i < 7; i++) loop.callSoon(() => {});
        loop.callSoon(() => {
          for (let i = 0; i < count; i++) {
            loop.callSoon(() => {
              order.push('queued');
              loop.callSoon(() => order.push('after'));
            });
          }
          loop.callLater(0, () => order.push('timer'));
          loop.callLater(0, () => loop.callSoon(() => loop.stop()));
        });
        for (let i = 0; i < 5; i++) loop.callSoon(() => order.push('there before'));
        loop.callLater(0, () => order.push('timer before'));
      });
      assert.deepEqual(
        order,
        [
          ...Array<string>(5).fill('there before'),
          'timer before',
          ...Array<string>(count).fill('queued'),
          'timer',
          ...Array<string>(count).fill('after'),
        ],
        `${count} callbacks`,
      );
    }
  });

  test('of a cancelled handle runs nothing', async () => {
    const order: string[] = [];
    await withLoop((loop) => {
      loop.callSoon(() => handle.cancel());
      const handle: Handle = loop.callSoon(() => order.push('no'));
      loop.callSoon(() => {
        order.push('yes');
        loop.stop();
      });
    });
    assert.deepEqual(order, ['yes']);
  });

  test('is legal from any callback of the thread, and wakes the loop', async () => {
    const order: string[] = [];
    await run(async () => {
      const loop = getRunningLoop();
      const future = loop.createFuture<void>();
      const server = createServer((socket) => {
        socket.end();
        loop.callSoon(() => order.push('from a socket'));
        loop.callSoonThreadsafe(() => future.setResult());
      });
      server.listen(0, '127.0.0.1', () => {
        createConnection((server.address() as { port: number }).port, '127.0.0.1').resume();
      });
      await future;
      const second = loop.createFuture<void>();
      setTimeout(() => loop.createTask(async () => second.setResult()), 1);
      await second;
      const third = loop.createFuture<void>();
      process.nextTick(() => third.setResult());
      await third;
      server.close();
    });
    assert.deepEqual(order, ['from a socket']);
  });

  test('an async callback runs to its end, and its error is reported', async () => {
    const contexts: ExceptionContext[] = [];
    const order: number[] = [];
    await runVirtually(async () => {
      const loop = getRunningLoop();
      loop.setExceptionHandler((_loop, context) => contexts.push(context));
      loop.callSoon(async () => {
        order.push(1);
        await sleep(1);
        order.push(2);
        throw new Error('late');
      });
      await sleep(2);
    });
    assert.deepEqual(order, [1, 2]);
    assert.deepEqual(
      contexts.map((context) => String(context.exception)),
      ['Error: late'],
    );
  });
});

describe('timers (P22)', () => {
  test('run in order of their time, equal ones in order of creation', async () => {
    await fc.assert(
      fc.asyncProperty(fc.array(fc.integer({ min: -3, max: 8 }), { maxLength: 60 }), async (times) => {
        const order: number[] = [];
        await withLoop((loop) => {
          times.forEach((when, i) => loop.callAt(when, () => order.push(i)));
          loop.callAt(9, () => loop.stop());
        });
        const expected = times.map((when, i) => ({ when, i })).sort((a, b) => a.when - b.when || a.i - b.i);
        assert.deepEqual(
          order,
          expected.map(({ i }) => i),
        );
      }),
      { numRuns: 50 },
    );
  });

  test('a random mixture of timers and cancellations runs exactly those that are left', async () => {
    await fc.assert(
      fc.asyncProperty(
        fc.array(fc.record({ when: fc.integer({ min: 0, max: 20 }), cancels: fc.nat() }), { maxLength: 80 }),
        async (plan) => {
          const ran: number[] = [];
          const cancelled = new Set<number>();
          await withLoop((loop) => {
            const timers: TimerHandle[] = [];
            plan.forEach(({ when, cancels }, i) => {
              timers.push(loop.callAt(when, () => ran.push(i)));
              const victim = cancels % (i + 2);
              if (victim < i) {
                timers[victim]?.cancel();
                cancelled.add(victim);
              }
            });
            loop.callAt(21, () => loop.stop());
          });
          assert.deepEqual(
            [...ran].sort((a, b) => a - b),
            plan.map((_, i) => i).filter((i) => !cancelled.has(i)),
          );
          const whens = ran.map((i) => (plan[i] as { when: number }).when);
          assert.deepEqual(
            whens,
            [...whens].sort((a, b) => a - b),
          );
        },
      ),
      { numRuns: 50 },
    );
  });

  test('the clock stands at their time when they run', async () => {
    const times: number[] = [];
    await withLoop((loop) => {
      for (const delay of [0.25, 3600, 0.5]) loop.callLater(delay, () => times.push(loop.time()));
      loop.callLater({ hours: 2 }, () => loop.stop());
    });
    assert.deepEqual(times, [0.25, 0.5, 3600]);
  });

  test('a deadline in the past is due at once (F18)', async () => {
    const order: string[] = [];
    await withLoop((loop) => {
      loop.callLater(-5, () => order.push('-5'));
      loop.callAt(Number.NEGATIVE_INFINITY, () => order.push('-inf'));
      loop.callLater(0, () => {
        order.push('0');
        loop.stop();
      });
    });
    assert.deepEqual(order, ['-inf', '-5', '0']);
  });

  test('Infinity never comes, on the real clock as well (F18)', async () => {
    const log = await logOf(() =>
      run(async () => {
        const loop = getRunningLoop();
        const timer = loop.callLater(Number.POSITIVE_INFINITY, () => assert.fail('it came'));
        const task = createTask(() => sleep(Number.POSITIVE_INFINITY));
        await sleep(0.005);
        assert.equal(timer.when(), Number.POSITIVE_INFINITY);
        assert.equal(task.done(), false);
        timer.cancel();
        task.cancel();
      }),
    );
    assert.deepEqual(log, []);
  });

  test('more than 2**31 milliseconds do not fire at once (N1, F18)', async () => {
    await run(async () => {
      const loop = getRunningLoop();
      let fired = 0;
      const timers = [2 ** 31 - 1, 2 ** 31, 2 ** 31 + 1, 2 ** 40, Number.MAX_VALUE].map((ms) =>
        loop.callLater({ milliseconds: ms }, () => fired++),
      );
      await sleep(0.005);
      assert.equal(fired, 0);
      for (const timer of timers) timer.cancel();
    });
    await runVirtually(async () => {
      await sleep({ milliseconds: 2 ** 31 + 1 });
      assert.equal(getRunningLoop().time(), (2 ** 31 + 1) / 1000);
    });
  });

  test('a cancelled timer leaves the heap at once', async () => {
    await runVirtually(async () => {
      const loop = any(getRunningLoop());
      const before = loop._timers?.size;
      for (let i = 0; i < 10_000; i++) loop.callLater(1000 - i / 100, () => {}).cancel();
      assert.equal(loop._timers?.size, before);
    });
  });

  test('a timer that is ready can still be cancelled by an earlier callback', async () => {
    const order: string[] = [];
    await withLoop((loop) => {
      loop.callAt(1, () => {
        order.push('first');
        second.cancel();
      });
      const second = loop.callAt(1, () => order.push('second'));
      loop.callAt(2, () => loop.stop());
    });
    assert.deepEqual(order, ['first']);
  });

  test('the delays of one call to the next add up on a virtual clock', async () => {
    let count = 0;
    const loop = await withLoop((loop) => {
      const tick = (): void => {
        if (++count === 1000) loop.stop();
        else loop.callLater(1, tick);
      };
      loop.callLater(1, tick);
    });
    assert.equal(loop.time(), 1000);
  });

  test('a jump of the wall clock changes nothing (P39, F16)', async () => {
    mock.method(Date, 'now', () => 0);
    try {
      const times: number[] = [];
      await run(async () => {
        for (const day of [86_400_000, -86_400_000, 3_600_000]) {
          mock.method(Date, 'now', () => 1e12 + day);
          const before = getRunningLoop().time();
          await sleep(0.001);
          times.push(getRunningLoop().time() - before);
        }
      });
      assert.ok(times.every((time) => time > 0 && time < 100));
    } finally {
      mock.restoreAll();
    }
  });
});

describe('stop, close and the runs of a loop', () => {
  test('stop lets the iteration end; what it queued stays for the next run', async () => {
    const order: string[] = [];
    const loop = new VirtualEventLoop();
    loop.callSoon(() => {
      loop.stop();
      order.push('a');
      loop.callSoon(() => order.push('next run'));
    });
    loop.callSoon(() => order.push('b'));
    await loop.runForever();
    assert.deepEqual(order, ['a', 'b']);
    loop.callSoon(() => loop.stop());
    await loop.runForever();
    assert.deepEqual(order, ['a', 'b', 'next run']);
    loop.close();
  });

  test('stop before a run gives one iteration', async () => {
    const order: string[] = [];
    const loop = new VirtualEventLoop();
    loop.stop();
    loop.callSoon(() => {
      order.push('a');
      loop.callSoon(() => order.push('b'));
    });
    await loop.runForever();
    assert.deepEqual(order, ['a']);
    loop.close();
  });

  test('stop from outside wakes a loop that waits', async () => {
    const loop = newEventLoop();
    setTimeout(() => loop.stop(), 1);
    loop.callLater(3600, () => {});
    await loop.runForever();
    assert.equal(loop.isRunning(), false);
    loop.close();
  });

  test('runUntilComplete gives the result, throws the error, and tells when it was stopped first', async () => {
    const loop = new VirtualEventLoop();
    assert.equal(await loop.runUntilComplete(async () => 5), 5);
    assert.equal(await loop.runUntilComplete(sleep(1, 'x')), 'x');
    assert.equal(await loop.runUntilComplete(Promise.resolve(7)), 7);
    await assert.rejects(
      loop.runUntilComplete(async () => {
        throw new RangeError('boom');
      }),
      { message: 'boom' },
    );
    const forever = loop.createFuture<void>();
    loop.callSoon(() => loop.stop());
    assert.equal(
      await textOf(() => loop.runUntilComplete(forever)),
      'RuntimeError: Event loop stopped before Future completed.',
    );
    assert.equal(String(forever), '<Future pending>');
    loop.close();
  });

  test('KeyboardInterrupt and SystemExit of a callback leave the loop, which can run again', async () => {
    for (const error of [new KeyboardInterrupt(), new SystemExit(3)]) {
      const order: string[] = [];
      const loop = new VirtualEventLoop();
      loop.callSoon(() => {
        throw error;
      });
      loop.callSoon(() => {
        order.push('later');
        loop.stop();
      });
      await assert.rejects(loop.runForever(), (thrown) => thrown === error);
      assert.deepEqual(order, []);
      await loop.runForever();
      assert.deepEqual(order, ['later']);
      loop.close();
    }
  });

  test('KeyboardInterrupt and SystemExit of a task are stored in it, and leave the loop', async () => {
    const bodies: [string, (error: Error) => () => any][] = [
      [
        'async',
        (error) => async () => {
          await sleep(1);
          throw error;
        },
      ],
      [
        'generator',
        (error) =>
          function* () {
            yield* sleep(1);
            throw error;
          },
      ],
    ];
    for (const [style, body] of bodies) {
      const error = new SystemExit(3);
      const loop = new VirtualEventLoop();
      const task = loop.createTask(body(error));
      await assert.rejects(loop.runForever(), (thrown) => thrown === error, style);
      assert.equal(task.exception(), error);
      loop.close();
    }
  });

  test('close reports the tasks that are pending, and drops what is queued', async () => {
    const contexts: ExceptionContext[] = [];
    const loop = new VirtualEventLoop();
    loop.setExceptionHandler((_loop, context) => contexts.push(context));
    const task = loop.createTask(() => sleep(1), { name: 'left' });
    loop.callSoon(() => assert.fail('dropped'));
    loop.callLater(1, () => assert.fail('dropped'));
    loop.close();
    assert.equal(contexts.length, 1);
    assert.deepEqual(Object.keys(contexts[0] as object).sort(), ['message', 'task']);
    assert.equal(contexts[0]?.message, 'Task was destroyed but it is pending!');
    assert.equal(contexts[0]?.['task'], task);
  });

  test('several loops take turns, and each knows itself', async () => {
    const order: string[] = [];
    const loops = [newEventLoop(), newEventLoop(), newEventLoop()];
    await Promise.all(
      loops.map((loop, n) =>
        loop.runUntilComplete(async () => {
          for (let i = 0; i < 3; i++) {
            // Each waits for the one before it: none gets on without the others.
            while (order.length % loops.length !== n) await sleep(0);
            assert.equal(getRunningLoop(), loop);
            order.push(`${n}.${i}`);
          }
          return createTask(async () => {
            assert.equal(getRunningLoop(), loop);
          });
        }),
      ),
    );
    assert.deepEqual(order, ['0.0', '1.0', '2.0', '0.1', '1.1', '2.1', '0.2', '1.2', '2.2']);
    for (const loop of loops) loop.close();
  });

  test('loops that are busy all the time take turns, too', async () => {
    const loops = [newEventLoop(), newEventLoop()];
    const counts = [0, 0];
    await Promise.all(
      loops.map((loop, n) => {
        const step = (): void => {
          counts[n] = (counts[n] as number) + 1;
          if (counts.every((count) => count > 100)) for (const each of loops) each.stop();
          loop.callSoon(step);
        };
        loop.callSoon(step);
        return loop.runForever();
      }),
    );
    assert.ok(counts.every((count) => count > 100));
    for (const loop of loops) loop.close();
  });

  test('toString tells the state', () => {
    const loop = newEventLoop();
    assert.match(
      String(loop),
      /^<EventLoop running=(false|False) closed=(false|False) debug=(false|False)>$/,
    );
    loop.close();
  });
});

describe('a busy loop gives way to I/O (N2, P20)', () => {
  test('a timer and a socket of Node get their turns under callbacks that queue themselves', async () => {
    let turns = 0;
    let heartbeats = 0;
    let echoed = 0;
    await run(async () => {
      const loop = getRunningLoop();
      const done = loop.createFuture<void>();
      const server = createServer((socket) => socket.pipe(socket));
      await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
      const client = createConnection((server.address() as { port: number }).port, '127.0.0.1');
      client.on('data', () => {
        echoed++;
        if (!done.done()) client.write('x');
      });
      client.write('x');
      const heartbeat = setInterval(() => heartbeats++, 1);
      const step = (): void => {
        if (++turns < 100_000 || heartbeats < 3 || echoed < 3) loop.callSoon(step);
        else done.setResult();
      };
      for (let i = 0; i < 10; i++) loop.callSoon(step);
      await Promise.resolve();
      try {
        await done;
      } finally {
        clearInterval(heartbeat);
        client.end();
        await new Promise((resolve) => server.close(resolve));
      }
    });
    assert.ok(turns >= 100_000);
    assert.ok(heartbeats >= 3);
    assert.ok(echoed >= 3);
  });

  test('so it does under tasks that go on with sleep(0), in both styles', async () => {
    let beats = 0;
    for (const body of [
      async () => {
        while (beats < 3) await sleep(0);
      },
      function* () {
        while (beats < 3) yield* sleep(0);
      },
    ]) {
      beats = 0;
      await run(async () => {
        const heartbeat = setInterval(() => beats++, 1);
        await createTask(any(body));
        clearInterval(heartbeat);
      });
      assert.ok(beats >= 3);
    }
  });
});

describe('the exception handler', () => {
  async function contextsOf(act: (loop: BaseEventLoop) => unknown): Promise<ExceptionContext[]> {
    const contexts: ExceptionContext[] = [];
    await runVirtually(async () => {
      const loop = getRunningLoop() as BaseEventLoop;
      loop.setExceptionHandler((given, context) => {
        assert.equal(given, loop);
        contexts.push(context);
      });
      await act(loop);
      await sleep(1);
    });
    return contexts;
  }

  test('hears of an error in a callback, with the handle', async () => {
    const boom = new Error('boom');
    const contexts = await contextsOf((loop) => {
      loop.callSoon(function explode() {
        throw boom;
      });
    });
    assert.equal(contexts.length, 1);
    assert.deepEqual(Object.keys(contexts[0] as object).sort(), ['exception', 'handle', 'message']);
    assert.match(contexts[0]?.message ?? '', /^Exception in callback explode\(\)/);
    assert.equal(contexts[0]?.exception, boom);
    assert.match(String(contexts[0]?.['handle']), /^<Handle explode\(\)/);
  });

  test('hears where the handle was made in debug mode', async () => {
    const contexts = await contextsOf((loop) => {
      loop.setDebug(true);
      loop.callSoon(() => {
        throw new Error('boom');
      });
    });
    assert.deepEqual(Object.keys(contexts[0] as object).sort(), [
      'exception',
      'handle',
      'message',
      'sourceTraceback',
    ]);
    const [frame] = (contexts[0] as ExceptionContext)['sourceTraceback'] as { file: string }[];
    assert.match(frame?.file ?? '', /loop\.test/);
  });

  test('hears of an error in a done callback; the other callbacks run', async () => {
    let ran = false;
    const contexts = await contextsOf((loop) => {
      const future = loop.createFuture<void>();
      future.addDoneCallback(() => {
        throw new Error('boom');
      });
      future.addDoneCallback(() => {
        ran = true;
      });
      future.setResult();
    });
    assert.equal(contexts.length, 1);
    assert.ok(ran);
  });

  test('that throws is told to the default one, with both (P30, F20)', async () => {
    const lines = await logOf(() =>
      runVirtually(async () => {
        const loop = getRunningLoop();
        loop.setExceptionHandler(() => {
          throw new RangeError('of the handler');
        });
        loop.callSoon(() => {
          throw new Error('of the callback');
        });
        await sleep(1);
      }),
    );
    assert.equal(lines.length, 1);
    assert.match(lines[0] ?? '', /^error: Unhandled error in exception handler\n/);
    assert.match(lines[0] ?? '', /\ncontext: \{ message: 'Exception i/);
    assert.match(lines[0] ?? '', /RangeError: of the handler/);
  });

  test('that throws KeyboardInterrupt or SystemExit leaves the loop', async () => {
    await assert.rejects(
      runVirtually(async () => {
        const loop = getRunningLoop();
        loop.setExceptionHandler(() => {
          throw new SystemExit(4);
        });
        loop.callSoon(() => {
          throw new Error('boom');
        });
        await sleep(1);
      }),
      { name: 'SystemExit' },
    );
  });

  test('by default logs the message, each key in its order, and the error', async () => {
    const lines = await logOf(() =>
      runVirtually(async () => {
        getRunningLoop().callExceptionHandler({
          message: 'it broke',
          zeta: 1,
          alpha: 'a',
          exception: new RangeError('boom'),
        });
        getRunningLoop().callExceptionHandler({ message: '' });
        getRunningLoop().defaultExceptionHandler({ message: 'direct' });
      }),
    );
    assert.match(lines[0] ?? '', /^error: it broke\nalpha: 'a'\nzeta: 1\nRangeError: boom\n {4}at /);
    assert.equal(lines[1], 'error: Unhandled exception in event loop');
    assert.equal(lines[2], 'error: direct');
  });

  test('a value that cannot be printed does not stop the default handler (P30)', async () => {
    const evil = {
      toString() {
        throw new Error('no text');
      },
    };
    const lines = await logOf(() =>
      runVirtually(async () => {
        getRunningLoop().callExceptionHandler({ message: 'it broke', evil });
      }),
    );
    assert.deepEqual(lines, ['error: it broke\nevil: <unprintable object>']);
  });

  test('a default handler of a subclass that throws is logged', async () => {
    class Broken extends VirtualEventLoop {
      override defaultExceptionHandler(): void {
        throw new RangeError('broken default');
      }
    }
    const lines = await logOf(() =>
      run(
        async () => {
          getRunningLoop().callExceptionHandler({ message: 'it broke' });
        },
        { loopFactory: () => new Broken() },
      ),
    );
    assert.match(
      lines[0] ?? '',
      /^error: Exception in default exception handler\nRangeError: broken default/,
    );
  });

  test('is the one that was set, and null again', async () => {
    await runVirtually(async () => {
      const loop = getRunningLoop();
      assert.equal(loop.getExceptionHandler(), null);
      const handler = (): void => {};
      loop.setExceptionHandler(handler);
      assert.equal(loop.getExceptionHandler(), handler);
      loop.setExceptionHandler(null);
      assert.equal(loop.getExceptionHandler(), null);
    });
  });
});

describe('debug mode', () => {
  test('reports a slow callback with its text and place (F21)', async () => {
    const lines = await logOf(() =>
      run(
        async () => {
          const loop = getRunningLoop() as BaseEventLoop;
          loop.slowCallbackDuration = 0.02;
          const block = (): void => {
            const end = performance.now() + 30;
            while (performance.now() < end);
          };
          loop.callSoon(block);
          await sleep(0);
          loop.slowCallbackDuration = 10;
        },
        { debug: true },
      ),
    );
    const slow = lines.filter((line) => line.includes('block'));
    assert.equal(slow.length, 1);
    assert.match(
      slow[0] ?? '',
      /^warning: Executing <Handle block\(\).* created at .*loop\.test\.\w+:\d+> took \d\.\d{3} seconds$/,
    );
  });

  test('reports a slow step of a task, in both styles', async () => {
    const block = (): void => {
      const end = performance.now() + 30;
      while (performance.now() < end);
    };
    for (const body of [
      async function slowWork() {
        block();
      },
      function* slowWork() {
        block();
      },
    ]) {
      const lines = await logOf(() =>
        run(
          async () => {
            const loop = getRunningLoop() as BaseEventLoop;
            loop.slowCallbackDuration = 0.02;
            const task = createTask(any(body), { name: 'slow' });
            await task;
            loop.slowCallbackDuration = 10;
          },
          { debug: true },
        ),
      );
      const slow = lines.filter((line) => line.includes("name='slow'"));
      assert.equal(slow.length, 1, String(body));
      assert.match(slow[0] ?? '', /^warning: Executing <Task .*name='slow' coro=<slowWork\(\).* took \d/);
    }
  });

  test('is off by default, on by option and by environment, and can be switched', async () => {
    await run(async () => assert.equal(getRunningLoop().getDebug(), false));
    await run(async () => assert.equal(getRunningLoop().getDebug(), true), { debug: true });
    process.env['PYTHONASYNCIODEBUG'] = '1';
    try {
      await run(async () => assert.equal(getRunningLoop().getDebug(), true));
      await run(async () => assert.equal(getRunningLoop().getDebug(), false), { debug: false });
    } finally {
      delete process.env['PYTHONASYNCIODEBUG'];
    }
  });

  test('futures and tasks show where they were made', async () => {
    await runVirtually(
      async () => {
        const loop = getRunningLoop();
        assert.match(String(loop.createFuture()), /^<Future pending created at .*loop\.test\.\w+:\d+>$/);
        assert.match(String(new Future()), /^<Future pending created at .*loop\.test\.\w+:\d+>$/);
        const task = createTask(async () => {}, { name: 't' });
        assert.match(String(task), /^<Task pending name='t' coro=<.*> created at .*loop\.test\.\w+:\d+>$/);
        await task;
      },
      { debug: true },
    );
  });

  test('a suspended task shows where it waits', async () => {
    await runVirtually(
      async () => {
        for (const body of [
          async function waits() {
            await sleep(5);
          },
          function* waits() {
            yield* sleep(5);
          },
        ]) {
          const task = createTask(any(body));
          await sleep(1);
          assert.match(String(task), /coro=<waits\(\) running at .*loop\.test\.\w+:\d+>/, String(body));
          await task;
        }
      },
      { debug: true },
    );
  });

  test('a task that cannot be cancelled in a foreign promise is reported', async () => {
    const lines = await logOf(() =>
      run(
        async () => {
          let open: () => void = () => {};
          const task = createTask(
            async () => {
              await new Promise<void>((resolve) => {
                open = resolve;
              });
              await sleep(1);
            },
            { name: 'foreign' },
          );
          await sleep(0);
          task.cancel();
          open();
          await assert.rejects(async () => await task, { name: 'CancelledError' });
        },
        { debug: true },
      ),
    );
    assert.match(
      lines.join('\n'),
      /<Task cancelling name='foreign'.*was asked to cancel while it waits for a promise.*fromPromise\(\)/,
    );
  });
});

describe('a task factory', () => {
  test('makes every task, and gets all the options', async () => {
    await runVirtually(async () => {
      const loop = getRunningLoop();
      const calls: unknown[] = [];
      loop.setTaskFactory((given, coro, options) => {
        assert.equal(given, loop);
        calls.push(options?.name);
        return new Task(coro, { ...options, loop: given });
      });
      assert.notEqual(loop.getTaskFactory(), null);
      await createTask(async () => {}, { name: 'a' });
      await loop.createTask(async () => {}, { name: 'b' });
      await gather(async () => {});
      loop.setTaskFactory(null);
      assert.equal(loop.getTaskFactory(), null);
      await createTask(async () => {}, { name: 'no' });
      assert.deepEqual(calls, ['a', 'b', undefined]);
    });
  });

  test('of eager tasks runs the first step within the call', async () => {
    await runVirtually(async () => {
      const loop = getRunningLoop();
      loop.setTaskFactory(eagerTaskFactory);
      const order: string[] = [];
      const done = createTask(function* () {
        order.push('first step');
        return 5;
      });
      order.push('after the call');
      assert.deepEqual(order, ['first step', 'after the call']);
      assert.equal(done.done(), true);
      assert.equal(done.getCoro(), null);
      assert.equal(await done, 5);
      const lazy = createTask(async () => order.push('lazy'), { eagerStart: false });
      assert.equal(order.length, 2);
      await lazy;
    });
  });

  test('of a class of ones own', async () => {
    class Counted<T> extends Task<T> {
      readonly made = true;
    }
    await runVirtually(async () => {
      getRunningLoop().setTaskFactory(createEagerTaskFactory(Counted));
      const task = createTask(function* () {
        yield* sleep(1);
        return 3;
      });
      assert.ok(task instanceof Counted);
      assert.match(String(task), /^<Counted pending/);
      assert.equal(await task, 3);
    });
  });
});
