import assert from 'node:assert/strict';
import { existsSync, readFileSync } from 'node:fs';
import path from 'node:path';
import { describe, test } from 'node:test';
import * as asyncio from 'asyncio-ts';
import * as core from 'asyncio-ts/core';
import { Filter, Frame, Snapshot, Statistic, StatisticDiff, Trace, Traceback } from 'asyncio-ts/tracemalloc';
import { root } from '../support/project.ts';
import '../support/leaks.ts';

type Namespace = Record<string, unknown>;

const read = (file: string): string => readFileSync(path.join(root, file), 'utf8');

/** The names of the reference that exist now, per module: `name`, `Class.member` or `Class[Symbol.member]`. */
const surface = JSON.parse(read('tests/package/surface.json')) as Record<string, string[]>;

const place = new Traceback([new Frame('a.ts', 1)]);

/** Objects whose class sets properties in its constructor, where the prototype does not show them. */
const samples: Record<string, () => object | Promise<object>> = {
  IncompleteReadError: () => new asyncio.IncompleteReadError(new Uint8Array(1), 2),
  LimitOverrunError: () => new asyncio.LimitOverrunError('too long', 3),
  ExceptionGroup: () => new asyncio.ExceptionGroup('several', [new Error('one')]),
  ContextVar: () => new asyncio.ContextVar('name'),
  Token: () => new asyncio.ContextVar('name').set(1),
  Barrier: () => new asyncio.Barrier(2),
  Queue: () => new asyncio.Queue(),
  BaseEventLoop: () => withLoop((loop) => loop),
  Process: () =>
    asyncio.run(async () => {
      const process = await asyncio.createSubprocessExec('true');
      await process.wait();
      return process;
    }),
  FutureCallGraph: () => withLoop((loop) => asyncio.captureCallGraph(loop.createFuture()) ?? {}),
  FrameCallGraphEntry: () =>
    new asyncio.FrameCallGraphEntry({ file: 'a.ts', line: 1, column: 1, functionName: 'a' }),
  Frame: () => new Frame('a.ts', 1),
  Traceback: () => place,
  Trace: () => new Trace(0, 1, place),
  Statistic: () => new Statistic(place, 1, 1),
  StatisticDiff: () => new StatisticDiff(place, 1, 1, 1, 1),
  Snapshot: () => new Snapshot([], 1),
  Filter: () => new Filter(true, '*'),
};

function withLoop<T>(use: (loop: asyncio.AbstractEventLoop) => T): T {
  const loop = asyncio.newEventLoop();
  try {
    return use(loop);
  } finally {
    loop.close();
  }
}

/** Whether the name is exported, perhaps by a namespace, and the member is on the class, its prototype or its sample. */
async function exists(namespace: Namespace, name: string): Promise<boolean> {
  const [, inner, rest = ''] = /^([a-z]\w*)\.(.+)$/.exec(name) ?? [];
  if (inner !== undefined) return exists((namespace[inner] ?? {}) as Namespace, rest);
  const [, owner = '', , symbol, member = symbol] =
    /^(\w+)((?:\[Symbol\.(\w+)\]|\.(\w+)))?$/.exec(name) ?? [];
  const value = namespace[owner];
  if (member === undefined || typeof value !== 'function') return value !== undefined && member === undefined;
  const key = symbol === undefined ? member : (Symbol as unknown as Record<string, symbol>)[symbol];
  if (key === undefined) return false;
  return key in value || key in value.prototype || key in ((await samples[owner]?.()) ?? {});
}

describe('the public surface', () => {
  for (const [module, names] of Object.entries(surface)) {
    test(`${module} offers every name of the checklist`, async () => {
      const namespace = (await import(module)) as Namespace;
      const missing: string[] = [];
      for (const name of names) if (!(await exists(namespace, name))) missing.push(name);
      assert.deepEqual(missing, []);
    });
  }

  test('the browser-safe entry exports the objects of the main entry, but for the loop of its host', () => {
    const main: Namespace = asyncio;
    const different = Object.entries(core).filter(([name, value]) => main[name] !== value);
    assert.deepEqual(
      different.map(([name]) => name),
      ['EventLoop'],
    );
  });

  test('the abstract loop refuses whatever a loop may be asked for, by its name', () => {
    class Loop extends asyncio.AbstractEventLoop {}
    const loop = new Loop() as unknown as Record<string, () => unknown>;
    const methods = (surface['asyncio-ts'] ?? []).flatMap(
      (name) => /^AbstractEventLoop\.(?!toString)(\w+)$/.exec(name)?.[1] ?? [],
    );
    assert.ok(methods.length > 50);
    for (const method of methods) {
      const expected = { name: 'NotImplementedError', message: new RegExp(`^${method}\\(\\)`) };
      assert.throws(() => loop[method]?.(), expected);
    }
    assert.deepEqual(Object.keys(loop), []);
  });

  test('a loop of the web refuses sockets, processes and signals with the reason', () => {
    const loop = new core.EventLoop();
    const { createConnection, addReader } = loop as unknown as Record<string, () => unknown>;
    const message =
      /^(\w+)\(\): this event loop has no sockets, pipes, processes and signals; the one on Node does$/;
    for (const method of [createConnection, addReader]) {
      assert.throws(() => method?.call(loop), { name: 'NotImplementedError', message });
    }
    loop.close();
  });

  test('streams and processes refuse a loop of the web', async () => {
    const refused = { name: 'NotImplementedError', message: /this event loop has no sockets/ };
    await asyncio.run(
      async () => {
        await assert.rejects(async () => asyncio.openConnection('127.0.0.1', 1), refused);
        await assert.rejects(async () => asyncio.startServer(() => {}, '127.0.0.1', 0), refused);
        await assert.rejects(async () => asyncio.createSubprocessExec('true'), refused);
      },
      { loopFactory: () => new core.EventLoop() },
    );
  });

  test('every module that package.json declares is built, with its types', () => {
    const { exports } = JSON.parse(read('package.json')) as { exports: Record<string, string | object> };
    const files = Object.values(exports).flatMap((target) =>
      typeof target === 'string' ? [target] : Object.values(target as Record<string, string>),
    );
    assert.deepEqual(
      files.filter((file) => !existsSync(path.join(root, file))),
      [],
    );
  });
});
