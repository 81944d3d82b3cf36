import assert from 'node:assert/strict';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { describe, it } from 'node:test';
import '../support/leaks.ts';
import { linesOf, runExample } from './program.ts';

const START =
  /^Time: \d\d:\d\d:\d\d\.\d{6}\t Malloc, Peak: \((\d+), (\d+)\)\t\tProcess (\d), PID: (\d+), Delay: ([01]) seconds\.\.\.$/;
const DONE = /^Time: \d\d:\d\d:\d\d\.\d{6}\t Malloc, Peak: \((\d+), (\d+)\)\t\tProcess (\d): Done\.$/;

interface Seen {
  readonly parent: string;
  /** The process of each child, by its number. */
  readonly pids: readonly string[];
}

/** Runs one of the programs, and looks at each of its lines. */
async function look(name: string): Promise<Seen> {
  const [first = '', ...lines] = await linesOf(name, ['--maxdelay', '2']);
  const parent = /^Parent PID: (\d+)$/.exec(first)?.[1] ?? assert.fail(first);
  const pids: string[] = [];
  const delays = new Map<string, number>();
  const done: string[] = [];
  for (const line of lines) {
    const match = START.exec(line) ?? DONE.exec(line) ?? assert.fail(`no line of a child: ${line}`);
    const [, current = '', peak = '', num = '', pid, delay] = match;
    assert.ok(Number(peak) >= Number(current) && Number(current) >= 0, line);
    if (pid === undefined) {
      assert.ok(delays.has(num), `${num} is done before it has begun`);
      done.push(num);
    } else {
      pids[Number(num)] = pid;
      delays.set(num, Number(delay));
    }
  }
  assert.deepEqual([...delays.keys()].sort(), ['0', '1', '2', '3']);
  assert.deepEqual(done.toSorted(), ['0', '1', '2', '3']);
  return { parent, pids };
}

describe('example', () => {
  it('processes: four of them, each by itself', async () => {
    const { parent, pids } = await look('processes');
    assert.equal(new Set([parent, ...pids]).size, 5);
  });

  it('threads: in one process', async () => {
    const { parent, pids } = await look('threads');
    assert.deepEqual(new Set(pids), new Set([parent]));
  });

  it('tasks: in one process', async () => {
    const { parent, pids } = await look('tasks');
    assert.deepEqual(new Set(pids), new Set([parent]));
  });

  it('processes, threads, tasks: a wrong argument is told, and nothing is started', async () => {
    for (const name of ['processes', 'threads', 'tasks']) {
      const { code, stdout, stderr } = await runExample(name, ['--maxdelay', 'x']);
      assert.notEqual(code, 0);
      assert.equal(stdout, '');
      assert.match(stderr, /--maxdelay needs a number of seconds, 1 or more, got x/);
    }
  });

  it('three-ways: bars, and a picture', async () => {
    const folder = mkdtempSync(path.join(tmpdir(), 'asyncio-'));
    try {
      const file = path.join(folder, 'ways.svg');
      const lines = await linesOf('three-ways', ['--maxdelay', '1', '--svg', file]);
      const ways = lines.filter((line) => /^(processes|threads|tasks) +start .+, memory .+ each$/.test(line));
      assert.equal(ways.length, 3);
      const bars = lines.filter((line) => /^ {2}[0-3] \|[·█ ]{50}\| [\d.]+ s$/.test(line));
      assert.equal(bars.length, 12);
      const svg = readFileSync(file, 'utf8');
      assert.equal(svg.match(/<rect x=/g)?.length, 12);
      assert.match(svg, /^<svg xmlns="http:\/\/www\.w3\.org\/2000\/svg"[^]*<\/svg>\n$/);
    } finally {
      rmSync(folder, { recursive: true });
    }
  });
});
