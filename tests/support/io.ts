/** Helpers of the tests with real sockets and files. */
import { readdirSync } from 'node:fs';
import { test } from 'node:test';
import { setTimeout as delay } from 'node:timers/promises';
import { run } from 'asyncio-ts';
import { type Steps, type Style, stylesOf } from './styles.ts';

/** A test of `steps` in real time for each style. */
export function reallyInBothStyles(name: string, steps: (style: Style) => Steps<void>): void {
  for (const style of stylesOf()) {
    test(`${name} (${style.name})`, async () => {
      await run(style.fn(() => steps(style)));
    });
  }
}

/** How many descriptors the process has open; null where the system does not say. */
export function openDescriptors(): number | null {
  try {
    return readdirSync('/proc/self/fd').length;
  } catch {
    return null;
  }
}

/** Fails if `fn` leaves a descriptor open, after the time that Node takes to close. */
export async function leavesNoDescriptor(fn: () => Promise<unknown>): Promise<void> {
  const before = openDescriptors();
  await fn();
  const deadline = performance.now() + 5000;
  while (openDescriptors() !== before && performance.now() < deadline) await delay(5);
  const after = openDescriptors();
  if (after !== before) throw new Error(`${before} descriptors before, ${after} after`);
}
