/**
 * Queues: a coffee shop. Customers put orders into a queue that has room for two, and wait at the counter when it is
 * full; two baristas take them out. At closing time the queue is shut down: what is in it is still made, nobody gets in
 * any more, and the baristas go home when it is empty.
 *
 * All of them are tasks of one group, so if the shop burnt down, everybody would be sent out.
 */
import { PriorityQueue, Queue, QueueShutDown, run, sleep, TaskGroup } from 'asyncio-ts';

interface Order {
  readonly customer: string;
  readonly drink: string;
}

const MINUTES: Record<string, number> = { espresso: 1, cappuccino: 2.5 };

async function serve(barista: string, orders: Queue<Order>): Promise<void> {
  // Ends when the queue is shut down and empty.
  for await (const { customer, drink } of orders) {
    const minutes = MINUTES[drink];
    if (minutes === undefined) {
      console.log(`  ${barista}: sorry ${customer}, no ${drink} here`);
      continue;
    }
    await sleep(minutes / 10);
    console.log(`  ${barista}: ${drink} for ${customer}`);
  }
  console.log(`  ${barista} goes home`);
}

async function order(orders: Queue<Order>, customer: string, drink: string): Promise<void> {
  try {
    if (orders.full()) console.log(`  ${customer} waits at the counter`);
    await orders.put({ customer, drink });
    console.log(`  ${customer} has ordered`);
  } catch (error) {
    if (!(error instanceof QueueShutDown)) throw error;
    console.log(`  ${customer} finds the shop closed`);
  }
}

async function coffeeShop(): Promise<void> {
  console.log('Two baristas, and room for two orders:');
  const orders = new Queue<Order>(2);
  await new TaskGroup().run(async (group) => {
    for (const barista of ['Ada', 'Ben']) group.createTask(() => serve(barista, orders));
    await order(orders, 'Kim', 'cappuccino');
    await order(orders, 'Lou', 'espresso');
    // The baristas get to work.
    await sleep(0.05);
    await order(orders, 'Max', 'tea');
    await order(orders, 'Nia', 'espresso');
    await order(orders, 'Oda', 'espresso');
    console.log('  closing time');
    orders.shutdown();
    await order(orders, 'Pit', 'espresso');
  });
}

async function emergencyRoom(): Promise<void> {
  console.log('The most urgent first:');
  const patients = new PriorityQueue<[urgency: number, complaint: string]>();
  patients.putNowait([3, 'a cold']);
  patients.putNowait([1, 'a heart attack']);
  patients.putNowait([2, 'a broken arm']);
  patients.shutdown();
  for await (const [urgency, complaint] of patients) console.log(`  ${urgency}: ${complaint}`);
}

async function main(): Promise<void> {
  await coffeeShop();
  await emergencyRoom();
}

await run(main);
