/** Futures in each state, and an executor that calls at once. */
import { Executor, Future, type Started, type StartedIterator } from 'asyncio-ts/concurrent';

/** A future in each state, by its name. */
export const STATES = {
  pending: () => new Future<number>(),
  running: () => {
    const future = new Future<number>();
    future.setRunningOrNotifyCancel();
    return future;
  },
  cancelled: () => {
    const future = new Future<number>();
    future.cancel();
    return future;
  },
  notified: () => {
    const future = STATES.cancelled();
    future.setRunningOrNotifyCancel();
    return future;
  },
  finished: () => {
    const future = STATES.running();
    future.setResult(5);
    return future;
  },
  failed: () => {
    const future = STATES.running();
    future.setException(new TypeError('bad'));
    void future.exception();
    return future;
  },
};

export class Now extends Executor {
  readonly log: string[] = [];

  override submit(fn: any, ...args: any[]): Future<any> {
    const future = new Future<any>();
    this.log.push(`submit (${args.join(', ')})`);
    future.setRunningOrNotifyCancel();
    try {
      future.setResult(fn(...args));
    } catch (error) {
      future.setException(error as Error);
    }
    return future;
  }

  override stream(): StartedIterator<any> {
    throw new Error('not used');
  }

  override shutdown(): Started<void> {
    throw new Error('not used');
  }

  override drain(): Started<void> {
    throw new Error('not used');
  }
}

export function double(n: number, m = 0): number {
  if (n === 3) throw new RangeError('three');
  return 2 * n + m;
}
