/** Faults of the kind that such code always has, put into a copy of the library: the explorer must find each. */
import { mkdtempSync, rmSync } from 'node:fs';
import path from 'node:path';
import { pathToFileURL } from 'node:url';
import type * as Asyncio from 'asyncio-ts';
import type * as Testing from 'asyncio-ts/testing';
import { rolldown } from 'rolldown';
import { root } from '../../support/project.ts';

/** One fault: texts of a source file of `src/core` and what stands in their place. */
export interface Mutant {
  readonly name: string;
  /** What it is a fault of. */
  readonly primitive: string;
  readonly file: string;
  readonly changes: readonly (readonly [from: string, to: string])[];
}

export const mutants: readonly Mutant[] = [
  {
    name: 'a cancelled waiter of a lock does not wake the next',
    primitive: 'Lock',
    file: 'locks.ts',
    changes: [['    if (this.#guard === null) this.#wakeFirst();\n', '']],
  },
  {
    name: 'a free lock is taken past those who wait',
    primitive: 'Lock',
    file: 'locks.ts',
    changes: [['this.#guard !== null || this.#line.live > 0)', 'this.#guard !== null)']],
  },
  {
    name: 'a cancelled waiter of a semaphore loses its permit',
    primitive: 'Semaphore',
    file: 'locks.ts',
    changes: [['    if (waiter.done() && !waiter.cancelled()) this.#value++;\n', '']],
  },
  {
    name: 'a cancelled waiter of a semaphore keeps its permit from the next in line',
    primitive: 'Semaphore',
    file: 'locks.ts',
    changes: [
      [
        'if (waiter.done() && !waiter.cancelled()) this.#value++;\n    this.#handOverAll();',
        'if (waiter.done() && !waiter.cancelled()) this.#value++;',
      ],
    ],
  },
  {
    name: 'a condition returns without its lock when it is cancelled again',
    primitive: 'Condition',
    file: 'locks.ts',
    changes: [['      cancellation = { error };\n    }', '      throw error;\n    }']],
  },
  {
    name: 'a condition loses the notification of a cancelled waiter',
    primitive: 'Condition',
    file: 'locks.ts',
    changes: [['    if (!hasSucceeded) wakeUpTo(1, line);\n', '']],
  },
  {
    name: 'a barrier forgets to let in who waits for the next round',
    primitive: 'Barrier',
    file: 'locks.ts',
    changes: [
      [
        '    this.#condition.notifyAll();\n  }\n\n  /** @internal */\n  *_changeTo',
        '  }\n\n  /** @internal */\n  *_changeTo',
      ],
    ],
  },
  {
    name: 'a put hands its item to a getter, which is cancelled',
    primitive: 'Queue',
    file: 'queues.ts',
    changes: [
      [
        '    this.#getters.wakeNext();\n  }\n\n  /**\n   * Take the next item, or wait',
        '    const getter = this.#getters.firstPending() as any;\n' +
          '    if (getter !== null) { getter.item = [this._get()]; this.#getters.wakeNext(); }\n' +
          '  }\n\n  /**\n   * Take the next item, or wait',
      ],
      [
        '    if (this.owner.empty()) return this.stand();\n    try {\n      return',
        '    if ((woken as any)?.item) return (woken as any).item[0];\n' +
          '    if (this.owner.empty()) return this.stand();\n    try {\n      return',
      ],
    ],
  },
  {
    name: 'a woken getter that is cancelled keeps its wake-up',
    primitive: 'Queue',
    file: 'queues.ts',
    changes: [['this.passOn(waiter, !this.owner.empty());', 'this.passOn(waiter, false);']],
  },
  {
    name: 'a woken putter that is cancelled keeps its wake-up',
    primitive: 'Queue',
    file: 'queues.ts',
    changes: [['this.passOn(waiter, !this.owner.full());', 'this.passOn(waiter, false);']],
  },
  {
    name: 'a shutdown does not wake who waits to put',
    primitive: 'Queue',
    file: 'queues.ts',
    changes: [['      this.#putters.wakeAll();\n', '']],
  },
  {
    name: 'join ends with the first item',
    primitive: 'Queue',
    file: 'queues.ts',
    changes: [
      [
        '    if (--this.#unfinished === 0) this.#finished.set();',
        '    this.#unfinished--;\n    this.#finished.set();',
      ],
    ],
  },
  {
    name: 'a task group swallows the cancellation from outside',
    primitive: 'TaskGroup',
    file: 'taskgroups.ts',
    changes: [['    if (hasErrors && this.#baseError === null) strikeNext(target);\n', '']],
  },
  {
    name: 'a timeout takes the cancellation from outside for its own',
    primitive: 'timeout',
    file: 'timeouts.ts',
    changes: [
      [
        '    const isOurs = target.uncancel() <= this.#cancelling;',
        '    target.uncancel();\n    const isOurs = true;',
      ],
    ],
  },
  {
    name: 'a guard releases what another holds',
    primitive: 'Lock',
    file: 'locks.ts',
    changes: [['if (this.#guard === guard) this.release();', 'if (this.#guard !== null) this.release();']],
  },
  {
    name: 'an event wakes only the first',
    primitive: 'Event',
    file: 'locks.ts',
    changes: [['this.#line.wakeAll();', 'this.#line.wakeNext();']],
  },
  {
    name: 'a free permit is taken past those who wait',
    primitive: 'Semaphore',
    file: 'locks.ts',
    changes: [['if (this.locked()) return this.#line.join', 'if (this.#value === 0) return this.#line.join']],
  },
  {
    name: 'a barrier counts a party that was cancelled',
    primitive: 'Barrier',
    file: 'locks.ts',
    changes: [['        this.#inside.delete(party);\n', '']],
  },
  {
    name: 'a shutdown does not wake who waits for an item',
    primitive: 'Queue',
    file: 'queues.ts',
    changes: [['      this.#getters.wakeAll();\n', '']],
  },
  {
    name: 'an item that is put wakes nobody while the queue was not empty',
    primitive: 'Queue',
    file: 'queues.ts',
    changes: [
      [
        '    if (this.#unfinished++ === 0) this.#finished.clear();\n    this.#getters.wakeNext();',
        '    if (this.#unfinished++ === 0) this.#finished.clear();\n    if (this.qsize() === 1) this.#getters.wakeNext();',
      ],
    ],
  },
  {
    name: 'a task group waits only up to the second cancellation',
    primitive: 'TaskGroup',
    file: 'taskgroups.ts',
    changes: [['while (this.#tasks.size > 0) {', 'if (this.#tasks.size > 0) {']],
  },
  {
    name: 'a task group takes the cancellation from outside for its own',
    primitive: 'TaskGroup',
    file: 'taskgroups.ts',
    changes: [
      [
        'if (this.#hasCancelledBody && target.uncancel() === 0) cancellation',
        'if (this.#hasCancelledBody && target.uncancel() >= 0) cancellation',
      ],
    ],
  },
  {
    name: 'a child that is cancelled in line gives up a place that it never had',
    primitive: 'TaskGroup',
    file: 'taskgroups.ts',
    changes: [['    if (slot?.cancelled()) return;\n', '']],
  },
  {
    name: 'a timeout strikes after its end',
    primitive: 'timeout',
    file: 'timeouts.ts',
    changes: [
      [
        '    this.#handle?.cancel();\n    this.#handle = null;\n    this.#signal?.close();',
        '    this.#signal?.close();',
      ],
    ],
  },
  {
    name: 'a timeout does not take its request back',
    primitive: 'timeout',
    file: 'timeouts.ts',
    changes: [['target.uncancel() <= this.#cancelling;', 'target.cancelling() <= this.#cancelling + 1;']],
  },
  {
    name: 'gather swallows the cancellation',
    primitive: 'gather',
    file: 'waiting.ts',
    changes: [['if (taken) this.#cancelRequested = true;', '']],
  },
  {
    name: 'gather tells of errors that nobody asked for',
    primitive: 'gather',
    file: 'waiting.ts',
    changes: [['      if (!child.cancelled()) child._markRetrieved();\n', '']],
  },
  {
    name: 'wait stays at what it waited for',
    primitive: 'wait',
    file: 'waiting.ts',
    changes: [
      ['    for (const entry of waiters) entry.future._removeWaiters((other) => other === entry);\n', ''],
    ],
  },
  {
    name: 'a shielded cancellation counts as a result',
    primitive: 'shield',
    file: 'waiting.ts',
    changes: [['    outer.cancel();\n    return;', '']],
  },
  {
    name: 'a shielded error is told twice',
    primitive: 'shield',
    file: 'waiting.ts',
    changes: [['  inner._markRetrieved();\n  if (outer.done())', '  if (outer.done())']],
  },
  {
    name: 'a future wakes only the first',
    primitive: 'Future',
    file: 'futures.ts',
    changes: [
      ['else for (const waiter of waiters) loop._push(waiter);', 'else loop._push(waiters[0] as Waiter);'],
    ],
  },
  {
    name: 'a task that cancels itself goes on to wait',
    primitive: 'Task',
    file: 'tasks.ts',
    changes: [
      [
        '        if (this._flags & MUST_CANCEL && waiter.cancel(this._value)) this._flags &= ~MUST_CANCEL;\n',
        '',
      ],
    ],
  },
  {
    name: 'a cancellation right before the end is forgotten',
    primitive: 'Task',
    file: 'tasks.ts',
    changes: [['this._finish(CANCELLED, this._value);\n', 'this._finish(RESULT, value);\n']],
  },
  {
    name: 'a cancellation that was taken back strikes all the same',
    primitive: 'Task',
    file: 'tasks.ts',
    changes: [['      this._dropUndelivered();\n', '']],
  },
];

export interface Library {
  readonly asyncio: typeof Asyncio;
  readonly testing: typeof Testing;
}

/** Build the library with the fault, use it, and throw it away. */
export async function withMutant<R>(mutant: Mutant, use: (library: Library) => Promise<R>): Promise<R> {
  const dir = mkdtempSync(path.join(root, 'build/mutant-'));
  try {
    const found = new Set<string>();
    const bundle = await rolldown({
      input: {
        index: path.join(root, 'src/index.ts'),
        testing: path.join(root, 'src/tools/testing/index.ts'),
      },
      external: /^node:/,
      plugins: [
        {
          name: 'mutant',
          transform(code, id) {
            if (path.relative(path.join(root, 'src/core'), id) !== mutant.file) return null;
            let changed = code;
            for (const [from, to] of mutant.changes) {
              if (changed.split(from).length !== 2) continue;
              found.add(from);
              changed = changed.replace(from, () => to);
            }
            return { code: changed, map: null };
          },
        },
      ],
    });
    await bundle.write({ dir });
    await bundle.close();
    const missing = mutant.changes.filter(([from]) => !found.has(from));
    if (missing.length > 0)
      throw new Error(
        `the fault '${mutant.name}' is to change text that is not there once: ${missing[0]?.[0]}`,
      );
    const load = async (name: string): Promise<unknown> =>
      await import(pathToFileURL(path.join(dir, `${name}.js`)).href);
    return await use({
      asyncio: (await load('index')) as typeof Asyncio,
      testing: (await load('testing')) as typeof Testing,
    });
  } finally {
    rmSync(dir, { recursive: true, force: true });
  }
}
