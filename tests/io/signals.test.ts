import assert from 'node:assert/strict';
import type { ChildProcess } from 'node:child_process';
import { describe, test } from 'node:test';
import { coroutine, EventLoop, getRunningLoop, run, sleep } from 'asyncio-ts';
import { runProgram } from '../support/programs.ts';
import '../support/leaks.ts';

/** Sends each signal when the program has printed the line with its name; at most once each. */
function signalAt(signals: Record<string, NodeJS.Signals>): (output: string, child: ChildProcess) => void {
  const left = new Map(Object.entries(signals));
  return (output, child) => {
    for (const [line, signal] of left) {
      if (!output.includes(`${line}\n`)) continue;
      left.delete(line);
      child.kill(signal);
    }
  };
}

describe('addSignalHandler', () => {
  for (const style of ['async () => {', 'function* () {']) {
    const wait = style.startsWith('async') ? 'await' : 'yield*';
    test(`calls back in a handle of the loop, which an idle loop waits for (${wait})`, async () => {
      const { stdout, stderr, code } = await runProgram(
        `
        await asyncio.run(${style}
          const loop = asyncio.getRunningLoop();
          const stop = new asyncio.Event();
          const name = new asyncio.ContextVar('name');
          name.set('the context of the call');
          loop.addSignalHandler('SIGTERM', (word) => {
            console.log(word, asyncio.getRunningLoop() === loop, name.get());
            stop.set();
          }, 'stop');
          console.log('ready');
          ${wait} stop.wait();
          console.log('stopped', loop.removeSignalHandler('SIGTERM'), loop.removeSignalHandler('SIGTERM'));
        });
      `,
        { onOutput: signalAt({ ready: 'SIGTERM' }) },
      );
      assert.equal(stdout, 'ready\nstop true the context of the call\nstopped true false\n');
      assert.deepEqual({ stderr, code }, { stderr: '', code: 0 });
    });
  }

  test('has one handler per signal: the new one replaces, by name or by number', async () => {
    const { stdout, code } = await runProgram(
      `
      await asyncio.run(async () => {
        const loop = asyncio.getRunningLoop();
        const stop = new asyncio.Event();
        loop.addSignalHandler('SIGUSR2', () => console.log('old'));
        loop.addSignalHandler((await import('node:os')).constants.signals.SIGUSR2, () => stop.set());
        console.log(process.listenerCount('SIGUSR2'));
        await stop.wait();
        console.log('new');
      });
      console.log(process.listenerCount('SIGUSR2'));
    `,
      { onOutput: signalAt({ '1': 'SIGUSR2' }) },
    );
    assert.equal(stdout, '1\nnew\n0\n');
    assert.equal(code, 0);
  });

  test('for SIGINT goes before KeyboardInterrupt while it is there (P61)', async () => {
    const { stdout, code } = await runProgram(
      `
      await asyncio.run(async () => {
        const loop = asyncio.getRunningLoop();
        const heard = new asyncio.Event();
        loop.addSignalHandler('SIGINT', () => heard.set());
        console.log('ready');
        await heard.wait();
        loop.removeSignalHandler('SIGINT');
        try {
          console.log('again');
          await asyncio.sleep(60);
        } finally {
          console.log('interrupted');
        }
      });
    `,
      { onOutput: signalAt({ ready: 'SIGINT', again: 'SIGINT' }) },
    );
    assert.equal(stdout, 'ready\nagain\ninterrupted\n');
    assert.equal(code, 130);
  });

  test("leaves the user's own listeners alone, and both hear (P61)", async () => {
    const { stdout, code } = await runProgram(
      `
      process.on('SIGTERM', () => console.log('mine'));
      await asyncio.run(async () => {
        const stop = new asyncio.Event();
        asyncio.getRunningLoop().addSignalHandler('SIGTERM', () => stop.set());
        console.log('ready');
        await stop.wait();
      });
      console.log(process.listenerCount('SIGTERM'));
    `,
      { onOutput: signalAt({ ready: 'SIGTERM' }) },
    );
    assert.equal(stdout, 'ready\nmine\n1\n');
    assert.equal(code, 0);
  });

  test('that is removed leaves a loop that nobody can wake to its deadlock', async () => {
    const { stdout } = await runProgram(
      `
      try {
        await asyncio.run(async () => {
          const loop = asyncio.getRunningLoop();
          loop.addSignalHandler('SIGTERM', () => loop.removeSignalHandler('SIGTERM'));
          console.log('ready');
          await new asyncio.Event().wait();
        });
      } catch (error) {
        console.log(error.name);
      }
    `,
      { onOutput: signalAt({ ready: 'SIGTERM' }) },
    );
    assert.equal(stdout, 'ready\nDeadlockError\n');
  });

  test('reports errors of the callback, and goes on', async () => {
    const { stdout, stderr, code } = await runProgram(
      `
      await asyncio.run(async () => {
        asyncio.getRunningLoop().addSignalHandler('SIGTERM', function onTerm() { throw new Error('no'); });
        console.log('ready');
        await asyncio.sleep(0.2);
        console.log('on');
      });
    `,
      { onOutput: signalAt({ ready: 'SIGTERM' }) },
    );
    assert.equal(stdout, 'ready\non\n');
    assert.match(stderr, /Exception in callback onTerm\(\)[^]*Error: no/);
    assert.equal(code, 0);
  });

  test('refuses coroutines, unknown signals and those that cannot be caught, with the texts of CPython', () => {
    const loop = new EventLoop();
    const nothing = (): void => {};
    const refuses = (sig: unknown, callback: unknown, expected: object): void =>
      assert.throws(() => loop.addSignalHandler(sig as number, callback as () => void), expected);
    const coroutines = {
      name: 'TypeError',
      message: 'coroutines cannot be used with addSignalHandler()',
    };
    refuses('SIGTERM', async () => {}, coroutines);
    refuses('SIGTERM', function* () {}, coroutines);
    refuses(
      'SIGTERM',
      coroutine(async () => {}),
      coroutines,
    );
    refuses(99, nothing, { name: 'RangeError', message: 'invalid signal number 99' });
    refuses('SIGNAL', nothing, { name: 'RangeError', message: "invalid signal 'SIGNAL'" });
    refuses(null, nothing, { name: 'TypeError', message: /^sig must be .* an int, not null$/ });
    refuses('SIGKILL', nothing, { name: 'RuntimeError', message: 'sig 9 cannot be caught' });
    refuses(9, nothing, { name: 'RuntimeError', message: 'sig 9 cannot be caught' });
    refuses('SIGSTOP', nothing, { name: 'RuntimeError', message: /^sig \d+ cannot be caught$/ });
    refuses('SIGTERM', 5, { name: 'TypeError', message: /callable/ });
    assert.equal(loop.removeSignalHandler('SIGTERM'), false);
    assert.throws(() => loop.removeSignalHandler(99), { name: 'RangeError' });
    loop.close();
    refuses('SIGTERM', nothing, { name: 'RuntimeError', message: 'Event loop is closed' });
  });

  test('ends with the loop', async () => {
    const before = process.listenerCount('SIGHUP');
    await run(async () => {
      getRunningLoop().addSignalHandler('SIGHUP', () => {});
      assert.equal(process.listenerCount('SIGHUP'), before + 1);
      await sleep(0);
    });
    assert.equal(process.listenerCount('SIGHUP'), before);
  });

  test('is refused in a worker, which gets no signals', async () => {
    const { stdout } = await runProgram(`
      const { Worker } = await import('node:worker_threads');
      const url = JSON.stringify(import.meta.resolve('asyncio-ts'));
      new Worker(new URL('data:text/javascript,' + encodeURIComponent(
        'import { EventLoop } from ' + url + ';' +
        'try { new EventLoop().addSignalHandler("SIGTERM", () => {}); } catch (e) { console.log(String(e)); }')));
    `);
    assert.equal(
      stdout,
      'RuntimeError: addSignalHandler() only works in the main thread: workers get no signals\n',
    );
  });
});

describe('handleSigterm', () => {
  const server = (options: string, cleanUp = ''): string => `
    const main = async () => {
      try {
        console.log('ready');
        await asyncio.sleep(60);
      } catch (e) {
        console.log(e.name);
        ${cleanUp}
        throw e;
      }
    };
    await asyncio.run(main, ${options});
  `;

  test('lets SIGTERM cancel main; after the clean-up the process ends with 143 (P63)', async () => {
    const { stdout, stderr, code, signal } = await runProgram(
      server('{ handleSigterm: true }', "await asyncio.sleep(0.01); console.log('cleaned up');"),
      { onOutput: signalAt({ ready: 'SIGTERM' }) },
    );
    assert.equal(stdout, 'ready\nCancelledError\ncleaned up\n');
    assert.deepEqual({ code, signal }, { code: 143, signal: null });
    assert.doesNotMatch(stderr, /\n {4}at /, 'no stack');
  });

  test('lets a job in progress end, and cancels what is left (P63)', async () => {
    const { stdout, code } = await runProgram(
      `
      const write = (text) => process.stdout.write(text);
      async function handle(n) { // a response in two halves
        write('<' + n);
        await asyncio.sleep(0.05);
        write(n + '>\\n');
      }
      await asyncio.run(async () => {
        asyncio.createTask(async () => { try { await asyncio.sleep(60); } finally { write('left\\n'); } });
        for (let n = 0; ; n++) {
          if (n === 2) write('ready\\n');
          const response = asyncio.createTask(() => handle(n));
          try {
            await asyncio.shield(response);
          } finally {
            await response; // the one in progress
          }
        }
      }, { handleSigterm: true });
    `,
      { onOutput: signalAt({ ready: 'SIGTERM' }) },
    );
    const lines = stdout.trim().split('\n');
    assert.equal(lines.at(-1), 'left');
    for (const line of lines.slice(0, -1)) assert.match(line, /^<(\d+)\1>$|^ready$/);
    assert.equal(code, 143);
  });

  test('throws SystemExit, which can be caught', async () => {
    const { stdout, code } = await runProgram(
      `
      try {
        await asyncio.run(async () => { console.log('ready'); await asyncio.sleep(60); }, { handleSigterm: true });
      } catch (e) {
        console.log(e.name, e.code, e instanceof asyncio.SystemExit, process.listenerCount('SIGTERM'));
      }
    `,
      { onOutput: signalAt({ ready: 'SIGTERM' }) },
    );
    assert.equal(stdout, 'ready\nSystemExit 143 true 0\n');
    assert.equal(code, 0);
  });

  for (const second of ['SIGTERM', 'SIGINT'] as const) {
    test(`ends at once at a second signal while the clean-up hangs: ${second} (P59)`, async () => {
      const { stdout, code, signal } = await runProgram(
        server('{ handleSigterm: true }', "console.log('hanging'); await asyncio.sleep(60);"),
        { onOutput: signalAt({ ready: 'SIGTERM', hanging: second }) },
      );
      assert.equal(stdout, 'ready\nCancelledError\nhanging\n');
      assert.deepEqual({ code, signal }, { code: null, signal: second });
    });
  }

  test('is off by default: SIGTERM ends the process', async () => {
    const { stdout, code, signal } = await runProgram(server('{}'), {
      onOutput: signalAt({ ready: 'SIGTERM' }),
    });
    assert.equal(stdout, 'ready\n');
    assert.deepEqual({ code, signal }, { code: null, signal: 'SIGTERM' });
  });

  test('does not keep a deadlock from being seen, nor replace a handler or listener', async () => {
    const { stdout } = await runProgram(`
      const listening = [];
      await asyncio.run(() => new asyncio.Event().wait(), { handleSigterm: true }).catch((e) => listening.push(e.name));
      process.on('SIGTERM', () => {});
      await asyncio.run(async () => listening.push(process.listenerCount('SIGTERM')), { handleSigterm: true });
      console.log(...listening);
      process.exit(0);
    `);
    assert.equal(stdout, 'DeadlockError 1\n');
  });

  test('two runs at a time both end', async () => {
    const { stdout, code } = await runProgram(
      `
      const main = (name) => async () => {
        console.log(name);
        try { await asyncio.sleep(60); } finally { console.log('end of ' + name); }
      };
      const options = { handleSigterm: true };
      await Promise.allSettled([asyncio.run(main('one'), options), asyncio.run(main('two'), options)]);
    `,
      { onOutput: signalAt({ two: 'SIGTERM' }) },
    );
    assert.equal(stdout, 'one\ntwo\nend of one\nend of two\n');
    assert.equal(code, 0);
  });
});
