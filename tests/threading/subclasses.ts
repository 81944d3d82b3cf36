/** Classes of threads, and targets, that the tests of subclasses run. */
import { currentThread, mainThread, type queue, Thread } from 'asyncio-ts/threading';

type Answers = queue.SimpleQueue<unknown>;

export function target(answers: Answers, n: number): void {
  void answers.put(`target ${n}`);
}

/** Adds to what its target does. */
export class Framed extends Thread {
  readonly answers: Answers;

  constructor(answers: Answers) {
    super({ target, args: [answers, 7], name: 'framed' });
    this.answers = answers;
  }

  override run(): void {
    void this.answers.put('before');
    void super.run();
    void this.answers.put('behind');
  }
}

/** Tells what it is, from within. */
export class Knowing extends Thread {
  readonly answers: Answers;

  constructor(answers: Answers) {
    super({ name: 'knowing' });
    this.answers = answers;
  }

  override async run(): Promise<void> {
    await this.started;
    const texts = [this.join, this.start].map((method) => {
      try {
        return String(method.call(this));
      } catch (error) {
        return String(error);
      }
    });
    const isCurrent = currentThread() === this && this.isAlive() && this.ident === currentThread().ident;
    void this.answers.put([isCurrent, ...texts]);
  }
}

/** Its `run` is no method. */
export class Field extends Thread {
  override run = (): void => {};
}

export async function joinsMain(answers: Answers): Promise<void> {
  await mainThread().started;
  try {
    await mainThread().join();
  } catch (error) {
    void answers.put(String(error));
  }
}
