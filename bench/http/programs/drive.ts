/** The load: the same for every client. One command a line: `run`, `hold`, and what `obey` knows. */
import { obey, say, timed } from '../../control.ts';

/** What is asked for: 1 KiB of JSON, parsed, or 1 MiB of bytes. */
export type Kind = 'json' | 'bytes';

/** Says when it is enough. */
export interface Watch {
  readonly isOver: boolean;
  /** Counts an answer, after a look at it: parsed JSON, or bytes. */
  count(answer: unknown): void;
}

/** A client, as the load sees it. */
export interface Subject {
  /** Make requests, so many at a time, until the watch says that it is enough. */
  run(kind: Kind, inFlight: number, url: string, watch: Watch): PromiseLike<unknown>;
  /** Begin so many requests that nobody answers. */
  hold(count: number, url: string): void;
}

/** Bytes of the large body. */
const LARGE = 1024 * 1024;

class Stopwatch implements Watch {
  isOver = false;
  answers = 0;

  constructor(ms: number) {
    setTimeout(() => {
      this.isOver = true;
    }, ms);
  }

  count(answer: unknown): void {
    const isRight =
      ArrayBuffer.isView(answer) || answer instanceof ArrayBuffer
        ? answer.byteLength === LARGE
        : (answer as { id?: unknown } | null)?.id === 7;
    if (!isRight) throw new Error('a wrong answer');
    this.answers++;
  }
}

/** A client whose requests give promises. */
export function promising(request: (kind: Kind, url: string) => Promise<unknown>): Subject {
  return {
    run(kind, inFlight, url, watch) {
      const one = async (): Promise<void> => {
        while (!watch.isOver) watch.count(await request(kind, url));
      };
      return Promise.all(Array.from({ length: inFlight }, one));
    },
    hold(count, url) {
      // They fail when the server ends.
      for (let i = 0; i < count; i++) request('json', url).catch(() => {});
    },
  };
}

/** Do as told on standard input. */
export function drive(subject: Subject): void {
  obey(async (line) => {
    const [command, first = '', second = '', third = '', fourth = ''] = line.split(' ');
    if (command === 'hold') {
      subject.hold(Number(first), second);
      return {};
    }
    const watch = new Stopwatch(Number(fourth));
    const taken = await timed(() => subject.run(first as Kind, Number(second), third, watch));
    return { ...taken, answers: watch.answers };
  });
  say({});
}
