import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import {
  Context,
  ContextVar,
  copyContext,
  coroutine,
  createTask,
  type Gen,
  gather,
  getRunningLoop,
  type Handle,
  sleep,
  TaskGroup,
  timeout,
  Token,
} from 'asyncio-ts';
import '../support/leaks.ts';
import { runVirtually } from '../support/programs.ts';

describe('ContextVar', () => {
  test('gives the value of the context, else the argument, else the default', () => {
    const plain = new ContextVar<number>('plain');
    const byDefault = new ContextVar<number | undefined>('byDefault', { default: undefined });
    copyContext().run(() => {
      assert.equal(plain.name, 'plain');
      assert.throws(() => plain.get(), { name: 'LookupError' });
      assert.equal(plain.get('argument'), 'argument');
      assert.equal(plain.get(undefined), undefined);
      assert.equal(byDefault.get(), undefined);
      assert.equal(byDefault.get(5), 5);
      plain.set(0);
      assert.equal(plain.get(7), 0);
    });
    assert.throws(() => plain.get(), { name: 'LookupError' });
  });

  test('goes back with its tokens, in any nesting, and with using', () => {
    const variable = new ContextVar<number>('v');
    copyContext().run(() => {
      const first = variable.set(1);
      const second = variable.set(2);
      assert.equal(first.oldValue, Token.MISSING);
      assert.equal(second.oldValue, 1);
      assert.equal(first.var, variable);
      variable.reset(second);
      assert.equal(variable.get(), 1);
      {
        using _token = variable.set(5);
        assert.equal(variable.get(), 5);
      }
      assert.equal(variable.get(), 1);
      variable.reset(first);
      assert.equal(variable.get(null), null);
    });
  });

  test('prints name and default', () => {
    assert.match(String(new ContextVar('v', { default: 'd' })), /^<ContextVar name='v' default='d'/);
    assert.match(String(new ContextVar('v')), /^<ContextVar name='v'/);
  });
});

describe('Context', () => {
  test('is a mapping of the variables that were set in it', () => {
    const a = new ContextVar<number>('a');
    const b = new ContextVar<number>('b');
    const context = new Context();
    assert.equal(context.size, 0);
    context.run(() => {
      a.set(1);
      b.set(2);
    });
    assert.equal(context.size, 2);
    assert.equal(context.get(a), 1);
    assert.equal(context.has(b), true);
    assert.deepEqual([...context], [a, b]);
    assert.deepEqual([...context.keys()], [a, b]);
    assert.deepEqual([...context.values()], [1, 2]);
    assert.deepEqual(
      [...context.items()],
      [
        [a, 1],
        [b, 2],
      ],
    );
    const other = new ContextVar<number>('other');
    assert.equal(context.get(other), null);
    assert.equal(context.get(other, 5), 5);
    const copy = context.copy();
    copy.run(() => a.set(9));
    assert.equal(context.get(a), 1);
    assert.equal(copy.get(a), 9);
  });

  test('run passes arguments, gives the result, and restores after an error', () => {
    const variable = new ContextVar<number>('v', { default: 0 });
    const context = new Context();
    assert.equal(
      context.run((x: number, y: number) => x + y, 2, 3),
      5,
    );
    assert.throws(
      () =>
        context.run(() => {
          variable.set(1);
          throw new RangeError('boom');
        }),
      { message: 'boom' },
    );
    assert.equal(variable.get(), 0);
    assert.equal(context.get(variable), 1);
    context.run(() => new Context().run(() => assert.equal(variable.get(), 0)));
  });

  test('of an async function holds up to its first await', async () => {
    const variable = new ContextVar<string>('v', { default: 'none' });
    await runVirtually(async () => {
      variable.set('task');
      const context = new Context();
      const result = await context.run(async () => {
        variable.set('inside');
        const before = variable.get();
        await sleep(1);
        return [before, variable.get()];
      });
      assert.deepEqual(result, ['inside', 'task']);
      assert.equal(variable.get(), 'task');
    });
  });
});

describe('contexts of callbacks and tasks (P33)', () => {
  const variable = new ContextVar<string>('v', { default: 'none' });

  test('each callback has a copy of its own; bind gives it a context as it is', async () => {
    await runVirtually(async () => {
      const loop = getRunningLoop();
      const seen: string[] = [];
      variable.set('registration');
      const see = (): void => {
        seen.push(variable.get());
        variable.set('changed');
      };
      loop.callSoon(see);
      loop.callLater(1, see);
      const context = new Context();
      const bound: Handle = loop.callSoon(context.bind(see));
      loop.callAt(2, context.bind(see));
      assert.equal(bound.getContext(), context);
      variable.set('later');
      await sleep(3);
      assert.deepEqual(seen, ['registration', 'none', 'registration', 'changed']);
      assert.equal(variable.get(), 'later');
    });
  });

  test('a bound function prints as the function, and can be called by hand', async () => {
    await runVirtually(async () => {
      function named(x: number): number {
        return x + 1;
      }
      const context = new Context();
      assert.equal(context.bind(named)(4), 5);
      assert.match(String(getRunningLoop().callSoon(context.bind(named), 1)), /^<Handle named\(/);
      await sleep(0);
    });
  });

  test('tasks, groups, gather and coroutines: a task has one, what it awaits inline shares it', async () => {
    await runVirtually(async () => {
      for (const style of ['async', 'generator']) {
        variable.set('main');
        const set = (value: string): any =>
          style === 'async'
            ? async () => {
                variable.set(value);
                await sleep(1);
                return variable.get();
              }
            : function* (): Gen<string> {
                variable.set(value);
                yield* sleep(1);
                return variable.get();
              };
        assert.deepEqual(await gather(set('a'), set('b')), ['a', 'b']);
        assert.equal(variable.get(), 'main');
        const inline = coroutine<unknown, [], string>(set('inline'));
        assert.equal(await inline(), 'inline');
        assert.equal(variable.get(), 'inline');
        await timeout(5).run(set('in a timeout'));
        assert.equal(variable.get(), 'in a timeout');
        await new TaskGroup().run(async (tg) => {
          tg.createTask(set('child'));
          variable.set('in a group');
        });
        assert.equal(variable.get(), 'in a group');
      }
    });
  });

  test('a random tree of tasks keeps its values apart', async () => {
    await runVirtually(async () => {
      const grow = async (path: string, depth: number): Promise<void> => {
        variable.set(path);
        await sleep(path.length % 3);
        assert.equal(variable.get(), path);
        if (depth > 0) {
          await gather(
            () => grow(`${path}a`, depth - 1),
            () => grow(`${path}b`, depth - 1),
            function* (): Gen<void> {
              variable.set(`${path}g`);
              yield* sleep(1);
              assert.equal(variable.get(), `${path}g`);
            },
          );
        }
        assert.equal(variable.get(), path);
      };
      await createTask(() => grow('r', 5));
    });
  });
});
