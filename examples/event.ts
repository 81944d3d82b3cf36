/**
 * An event: a flag that tasks wait for. `set` wakes everybody who waits, in order, and whoever comes later does not
 * wait at all; `clear` takes the flag down again.
 */
import { Event, gather, run, sleep } from 'asyncio-ts';

const isOpen = new Event();

async function visit(name: string, arrival: number): Promise<void> {
  await sleep(arrival);
  const waits = !isOpen.isSet();
  console.log(`  ${name} comes${waits ? ' and waits' : ''}`);
  await isOpen.wait();
  console.log(`  ${name} is in`);
}

async function keepDoor(): Promise<void> {
  await sleep(0.15);
  console.log(`The door opens: ${isOpen}`);
  isOpen.set();
  await sleep(0.1);
  isOpen.clear();
  console.log('The door is shut.');
  await sleep(0.15);
  console.log(`The door opens again: ${isOpen}`);
  isOpen.set();
}

async function main(): Promise<void> {
  await gather(
    keepDoor,
    () => visit('Ann', 0.05),
    () => visit('Bob', 0.1),
    () => visit('Cid', 0.2),
    () => visit('Eve', 0.33),
  );
}

await run(main);
