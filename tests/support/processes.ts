/** What a test with real processes may leave behind: nothing. */
import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { existsSync, readdirSync, readFileSync, readlinkSync } from 'node:fs';
import { afterEach, before } from 'node:test';
import { setTimeout as delay } from 'node:timers/promises';

const hasProc = existsSync('/proc/self/fd');

/**
 * The open descriptors of this process, and what each is. Without those of modules: Node 20 leaves the file open that it was
 * reading for a worker thread when that was terminated.
 */
function descriptors(): string[] {
  if (!hasProc) return [];
  return readdirSync('/proc/self/fd').flatMap((fd) => {
    try {
      const target = readlinkSync(`/proc/self/fd/${fd}`);
      return target.endsWith('.js') ? [] : [`${fd}: ${target}`];
    } catch {
      return []; // that of the look itself
    }
  });
}

/** How many descriptors are open. */
export function descriptorCount(): number {
  return descriptors().length;
}

/** The numbers of the processes that this one has started and that are not reaped, zombies included. */
export function childPids(): number[] {
  if (!hasProc) return [];
  return readdirSync('/proc')
    .filter((name) => /^\d+$/.test(name))
    .filter((pid) => statusOf(pid)?.parent === process.pid)
    .map(Number);
}

function statusOf(pid: number | string): { state: string; parent: number } | null {
  try {
    // The name of the program stands in parentheses, and may have some itself.
    const stat = readFileSync(`/proc/${pid}/stat`, 'latin1');
    const [state = '', parent] = stat.slice(stat.lastIndexOf(')') + 2).split(' ');
    return { state, parent: Number(parent) };
  } catch {
    return null;
  }
}

/** Whether a process of that number runs. One that others have to reap does not. */
export function isAlive(pid: number): boolean {
  if (hasProc) return (statusOf(pid)?.state ?? 'Z') !== 'Z';
  try {
    process.kill(pid, 0);
    return true;
  } catch {
    return false;
  }
}

/** Wait until `condition` holds, which it must within half a minute. */
export async function eventually(condition: () => boolean, what: string): Promise<void> {
  for (const end = Date.now() + 30_000; Date.now() < end; ) {
    if (condition()) return;
    await delay(5);
  }
  assert.fail(`not within 30 s: ${what}`);
}

/** Every test of the file has to leave neither a descriptor nor a child. */
export function leavesNoProcess(): void {
  let count = 0;
  before(() => {
    // The first child makes Node open what it keeps.
    spawnSync('true');
    count = descriptorCount();
  });
  afterEach(async () => {
    await eventually(
      () => childPids().length === 0 && descriptorCount() <= count,
      `no child (${childPids()}), ${count} descriptors (${descriptors().join(', ')})`,
    );
  });
}
