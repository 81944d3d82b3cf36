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
    changes: [['    if (hasErrors) strikeNext(target);\n', '']],
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
