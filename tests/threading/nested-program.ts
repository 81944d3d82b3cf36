/** A program whose thread starts another one and is done. */
import { isMain, sleep } from 'asyncio-ts';
import { Thread } from 'asyncio-ts/threading';

export async function inner(): Promise<void> {
  await sleep(0.1);
  console.log('inner has ended');
}

export function outer(daemon: boolean): void {
  new Thread({ target: inner, daemon }).start();
  console.log('outer has ended');
}

if (isMain(import.meta)) {
  const thread = new Thread({ target: outer, args: [process.argv.includes('daemon')] });
  thread.start();
  await thread.join();
  console.log('main has ended');
}
