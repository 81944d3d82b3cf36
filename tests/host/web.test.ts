import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import '../support/leaks.ts';
import { runProgram } from '../support/programs.ts';

// The entry for browsers, on Node: no context storage, no signals, no resources to look at.
const web = `
  import * as a from 'asyncio-ts/core';
  const { run, sleep, createTask, gather, currentTask, getRunningLoop, waitFor, timeout, TaskGroup, fromPromise, newEventLoop, EventLoop } = a;
  const loopFactory = () => new EventLoop();
  // Between turns of the loop: a first timer may be due before the host knows that a turn is over, a second may not.
  const later = () => new Promise((resolve) => setTimeout(() => setTimeout(resolve, 1), 1));
  const text = async (f) => { try { return await f(); } catch (e) { return e.name + ': ' + e.message; } };
`;

async function outputOf(code: string): Promise<string> {
  const { stdout, stderr } = await runProgram(web + code);
  return stdout + stderr;
}

describe('the web host', () => {
  test('runs tasks in both styles, with timers, limits and groups', async () => {
    assert.equal(
      await outputOf(`
        console.log(await run(async () => {
          const order = [];
          await gather(
            async () => { await sleep(0.02); order.push('async'); },
            function* () { yield* sleep(0.01); order.push('generator'); },
          );
          order.push(await text(() => waitFor(sleep(5), 0.005)));
          order.push(await timeout(5).run(async () => { await sleep(0.001); return 'in time'; }));
          await new TaskGroup().run(async (tg) => { tg.createTask(async () => { await sleep(0); order.push('child'); }); });
          order.push(await fromPromise(new Promise((r) => setTimeout(r, 5, 'promise'))));
          return order.join();
        }, { loopFactory }));
      `),
      'generator,async,TimeoutError: ,in time,child,promise\n',
    );
  });

  test('runs the next handle only when the microtasks have drained', async () => {
    assert.equal(
      await outputOf(`
        console.log(await run(async () => {
          const order = [];
          const body = (name) => async () => {
            for (let i = 0; i < 2; i++) {
              order.push(name + i);
              for (let k = 0; k < 20; k++) await null;
              order.push(name + i + '.');
              await sleep(0);
            }
          };
          await gather(body('a'), body('b'));
          return order.join();
        }, { loopFactory }));
      `),
      'a0,a0.,b0,b0.,a1,a1.,b1,b1.\n',
    );
  });

  test('knows the current task before and after an await of ours', async () => {
    assert.equal(
      await outputOf(`
        await run(async () => {
          const check = async (task) => {
            const seen = [currentTask() === task()];
            await sleep(0.001);
            seen.push(currentTask() === task());
            await gather(sleep(0), sleep(0.001));
            seen.push(currentTask() === task());
            return seen.join();
          };
          const a = createTask(() => check(() => a));
          const b = createTask(() => check(() => b));
          console.log(await a, await b);
        }, { loopFactory });
      `),
      'true,true,true true,true,true\n',
    );
  });

  test('an await of ours that a foreign promise resumed names fromPromise', async () => {
    assert.equal(
      await outputOf(`
        await run(async () => {
          const result = text(async () => {
            await later();
            await sleep(0.001);
            return 'went on';
          });
          console.log(await fromPromise(result));
        }, { loopFactory });
      `),
      'RuntimeError: no running event loop: await it in a task (asyncio.run, createTask); where the host cannot follow ' +
        'async functions, wait for a foreign promise through fromPromise\n',
    );
  });

  test('foreign callbacks are no code of the task that ran last', async () => {
    assert.equal(
      await outputOf(`
        await run(async () => {
          const future = getRunningLoop().createFuture();
          later().then(async () => {
            let current;
            try { current = String(currentTask()); } catch (e) { current = e.message; }
            const awaited = await text(() => sleep(0));
            future.setResult(current + ' / ' + String(awaited).split(':')[0]);
          });
          console.log(await future);
        }, { loopFactory });
      `),
      'no running event loop / RuntimeError\n',
    );
  });

  test('after the run nothing is left, and outside of a loop there is none', async () => {
    assert.equal(
      await outputOf(`
        await run(async () => { await sleep(0.001); }, { loopFactory });
        console.log(await text(() => sleep(0)).then((t) => t.split(':')[0]), await text(() => currentTask()));
        for (let i = 0; i < 3; i++) await new Promise((resolve) => setTimeout(resolve, 1));
        console.log(process.getActiveResourcesInfo().filter((n) => n === 'MessagePort' || n === 'Timeout').length);
      `),
      'RuntimeError RuntimeError: no running event loop\n0\n',
    );
  });

  test('a loop of callbacks that queue themselves gives way', async () => {
    assert.equal(
      await outputOf(`
        await run(async () => {
          let beats = 0;
          const timer = setInterval(() => beats++, 1);
          const loop = getRunningLoop();
          const done = loop.createFuture();
          const step = () => (beats < 3 ? loop.callSoon(step) : done.setResult());
          loop.callSoon(step);
          await done;
          clearInterval(timer);
          console.log('gave way');
        }, { loopFactory });
      `),
      'gave way\n',
    );
  });
});
