/**
 * A condition: waiting until a state is right that others change. `waitFor` looks at the state, and again whenever
 * somebody notifies; the condition's lock is held while it looks and after it has returned, so that what it saw still
 * holds.
 *
 * A ferry carries ten tons. A semaphore could not help here, since vehicles weigh different amounts.
 */
import { Condition, gather, run, sleep } from 'asyncio-ts';

const LIMIT = 10;

class Ferry {
  #load = 0;
  readonly #changed = new Condition();

  async board(name: string, tons: number): Promise<void> {
    await this.#changed.run(async () => {
      if (this.#load + tons > LIMIT) console.log(`  ${name} has to wait`);
      await this.#changed.waitFor(() => this.#load + tons <= LIMIT);
      this.#load += tons;
      console.log(`  ${name} drives on: ${this.#load} of ${LIMIT} tons`);
    });
  }

  async leave(name: string, tons: number): Promise<void> {
    await this.#changed.run(() => {
      this.#load -= tons;
      console.log(`  ${name} drives off: ${this.#load} of ${LIMIT} tons`);
      // All of them: who is first in line may be too heavy for what has become free.
      this.#changed.notifyAll();
    });
  }
}

async function cross(ferry: Ferry, name: string, tons: number, seconds: number): Promise<void> {
  await ferry.board(name, tons);
  await sleep(seconds);
  await ferry.leave(name, tons);
}

async function main(): Promise<void> {
  const ferry = new Ferry();
  await gather(
    () => cross(ferry, 'lorry', 7, 0.2),
    () => cross(ferry, 'van', 3, 0.1),
    () => cross(ferry, 'bus', 8, 0.1),
    () => cross(ferry, 'car', 1, 0.3),
  );
}

await run(main);
