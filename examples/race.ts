/**
 * Looking for a race: a pool of connections that looks right, works in every ordinary test, and stands still one day.
 * The explorer runs it under many schedules, finds one that breaks it, and runs that one again, step by step.
 */
import { Semaphore } from 'asyncio-ts';
import { ExplorationError, explore, replay, type Simulation } from 'asyncio-ts/testing';

interface Connection {
  readonly id: number;
}

interface Pool {
  use<T>(work: (connection: Connection) => Promise<T>): Promise<T>;
}

/** Opens a connection; in the explorer, the answer comes when the schedule says. */
type Open = (id: number) => PromiseLike<Connection>;

/** At most `size` connections. Whoever finds none waits until one comes back. */
class HastyPool implements Pool {
  readonly #idle: Connection[] = [];
  readonly #permits: Semaphore;
  readonly #open: Open;
  #opened = 0;

  constructor(size: number, open: Open) {
    this.#permits = new Semaphore(size);
    this.#open = open;
  }

  async use<T>(work: (connection: Connection) => Promise<T>): Promise<T> {
    await this.#permits.acquire();
    // The mistake: a request that is cancelled while its connection opens never gets to the try below.
    const connection = this.#idle.pop() ?? (await this.#open(++this.#opened));
    try {
      return await work(connection);
    } finally {
      this.#idle.push(connection);
      this.#permits.release();
    }
  }
}

/** The same, with the permit given back on every way out. */
class CarefulPool implements Pool {
  readonly #idle: Connection[] = [];
  readonly #permits: Semaphore;
  readonly #open: Open;
  #opened = 0;

  constructor(size: number, open: Open) {
    this.#permits = new Semaphore(size);
    this.#open = open;
  }

  async use<T>(work: (connection: Connection) => Promise<T>): Promise<T> {
    return await this.#permits.run(async () => {
      const connection = this.#idle.pop() ?? (await this.#open(++this.#opened));
      try {
        return await work(connection);
      } finally {
        this.#idle.push(connection);
      }
    });
  }
}

/** What is tried: three requests share one connection, and any of them may be cancelled at any time. */
function threeRequests(makePool: (open: Open) => Pool): (sim: Simulation) => void {
  return (sim) => {
    const pool = makePool((id) => sim.step(`connection ${id} opens`, { id }));
    const inUse = new Set<Connection>();
    sim.invariant('a connection is for one request', () => inUse.size <= 1);
    sim.spawnAll(
      3,
      () => async () => {
        await pool.use(async (connection) => {
          inUse.add(connection);
          try {
            await sim.step('answer');
          } finally {
            inUse.delete(connection);
          }
        });
      },
      { name: 'request' },
    );
  };
}

/** Without the folders, which are other ones everywhere. */
function indented(text: string): string {
  return text.replaceAll(/^/gm, '  ').replaceAll(/ at \S*[\\/]/g, ' at ');
}

const hasty = threeRequests((open) => new HastyPool(1, open));
const careful = threeRequests((open) => new CarefulPool(1, open));

console.log('A hasty pool:');
try {
  await explore(hasty);
} catch (error) {
  if (!(error instanceof ExplorationError)) throw error;
  console.log(`  schedule ${error.schedules + 1} breaks it: ${error.deviations.join(', ')}`);
  console.log('The same schedule again:');
  await replay(error.replay, hasty).catch(({ timeline }: ExplorationError) =>
    console.log(indented(timeline)),
  );
}

console.log('A careful pool:');
const { levels } = await explore(careful);
for (const { name, schedules, isComplete } of levels) {
  if (schedules > 0)
    console.log(`  ${name}: ${schedules} schedules${isComplete ? ', all that there are' : ''}`);
}
