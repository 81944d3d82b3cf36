import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { createTask, getRunningLoop, type Handle, sleep, TimerHandle } from 'asyncio-ts';
import '../support/leaks.ts';
import { runVirtually } from '../support/programs.ts';

function greet(..._args: unknown[]): void {}

describe('a handle', () => {
  test('prints its callback, without arguments, which may be secret', async () => {
    await runVirtually(async () => {
      const loop = getRunningLoop();
      assert.equal(String(loop.callSoon(greet, 'secret')), '<Handle greet()>');
      assert.match(String(loop.callSoon(() => {})), /^<Handle .+\(\)>$/);
      const timer = loop.callAt(2.5, greet, 'secret');
      assert.ok(timer instanceof TimerHandle);
      assert.equal(String(timer), '<TimerHandle when=2.5 greet()>');
      assert.equal(timer.when(), 2.5);
      timer.cancel();
      assert.equal(String(timer), '<TimerHandle cancelled when=2.5>');
      await sleep(0);
    });
  });

  test('keeps arguments and place in debug mode, also once it is cancelled', async () => {
    await runVirtually(
      async () => {
        const handle = getRunningLoop().callSoon(greet, 1, 'x');
        const text = /^<Handle greet\(1, 'x'\) created at .*handles\.test\.\w+:\d+>$/;
        assert.match(String(handle), text);
        handle.cancel();
        assert.match(
          String(handle),
          /^<Handle cancelled greet\(1, 'x'\) created at .*handles\.test\.\w+:\d+>$/,
        );
      },
      { debug: true },
    );
  });

  test('is cancelled once, and may be cancelled again, while it runs and after', async () => {
    await runVirtually(async () => {
      const loop = getRunningLoop();
      let runs = 0;
      const handle: Handle = loop.callSoon(() => {
        runs++;
        handle.cancel();
        handle.cancel();
      });
      assert.equal(handle.cancelled(), false);
      await sleep(0);
      assert.equal(handle.cancelled(), true);
      handle.cancel();
      assert.equal(runs, 1);
      const timer = loop.callLater(1, () => runs++);
      await sleep(2);
      timer.cancel();
      timer.cancel();
      assert.equal(runs, 2);
    });
  });

  test('lets its callback and arguments go when it is cancelled', async () => {
    await runVirtually(async () => {
      const handle = getRunningLoop().callLater(3600, greet, { big: true });
      handle.cancel();
      assert.ok(!Object.values(handle).includes(greet));
      await createTask(async () => {});
    });
  });

  test('an error of a cancelled handle is reported with its text', async () => {
    const messages: string[] = [];
    await runVirtually(async () => {
      const loop = getRunningLoop();
      loop.setExceptionHandler((_loop, context) => messages.push(context.message));
      const handle: Handle = loop.callSoon(function explode() {
        handle.cancel();
        throw new Error('boom');
      });
      await sleep(0);
    });
    assert.deepEqual(messages, ['Exception in callback explode()']);
  });
});
