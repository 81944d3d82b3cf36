/**
 * A lock. Between two awaits nobody else runs; across an await everybody may. So whoever looks, waits and then acts on
 * what it saw may be late: four people see a free seat, and four of them pay for two.
 *
 * A lock makes looking, paying and sitting down one piece that is done by one task at a time, in the order in which
 * they came. Whoever gives up leaves the line.
 */
import { gather, Lock, run, sleep, TimeoutError, waitFor } from 'asyncio-ts';

const SEATS = 2;
const VISITORS = ['Ann', 'Bob', 'Cid', 'Eve'];

class Theatre {
  #free = SEATS;

  async sell(name: string): Promise<void> {
    if (this.#free === 0) {
      console.log(`  ${name}: sold out`);
      return;
    }
    // Paying takes a while, and the others look at the seats meanwhile.
    await sleep(0.02);
    this.#free--;
    console.log(`  ${name}: paid, seats left: ${this.#free}`);
  }
}

async function withoutLock(): Promise<void> {
  console.log(`${SEATS} seats, sold without a lock:`);
  const theatre = new Theatre();
  await gather(VISITORS.map((name) => () => theatre.sell(name)));
}

async function withLock(): Promise<void> {
  console.log(`${SEATS} seats, sold one at a time:`);
  const theatre = new Theatre();
  const counter = new Lock();
  await gather(VISITORS.map((name) => counter.run(() => theatre.sell(name))));
}

async function impatient(): Promise<void> {
  console.log('The counter is closed for a while:');
  const theatre = new Theatre();
  const counter = new Lock();
  const visit = async (name: string, patience: number): Promise<void> => {
    try {
      await waitFor(
        counter.run(() => theatre.sell(name)),
        patience,
      );
    } catch (error) {
      if (!(error instanceof TimeoutError)) throw error;
      console.log(`  ${name}: goes home`);
    }
  };
  const pause = async (): Promise<void> => {
    // Held to the end of the block.
    using _held = await counter.acquire();
    await sleep(0.15);
    console.log(`  open again: ${counter}`);
  };
  await gather(
    pause,
    () => visit('Ann', 0.05),
    () => visit('Bob', 10),
  );
}

async function main(): Promise<void> {
  await withoutLock();
  await withLock();
  await impatient();
}

await run(main);
