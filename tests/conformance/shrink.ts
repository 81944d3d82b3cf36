/** Makes a program that shows a difference small: leaves out and simplifies whatever the difference survives. */

import type { Aw, Block, Coro, Program, Stmt } from './ast.ts';
import { compare, type Difference } from './compare.ts';

/** How many smaller programs are tried at most. */
const ATTEMPTS = 4000;

export async function shrink(difference: Difference): Promise<Difference> {
  let best = difference;
  let attempts = 0;
  for (let found = true; found; ) {
    found = false;
    for (const program of smaller(best.program)) {
      if (++attempts > ATTEMPTS) return best;
      const [smallerDifference] = await compare([program], best.style);
      if (smallerDifference === undefined) continue;
      best = smallerDifference;
      found = true;
      break;
    }
  }
  return best;
}

/** Programs that are a little smaller, the greatest cuts first. */
export function* smaller(program: Program): Generator<Program> {
  if (program.eager) yield { ...program, eager: false };
  for (const main of smallerBlocks(program.main)) yield { ...program, main };
}

function* cuts<T>(items: readonly T[]): Generator<T[]> {
  for (let size = items.length; size >= 1; size = Math.floor(size / 2)) {
    for (let at = 0; at < items.length; at += size) yield [...items.slice(0, at), ...items.slice(at + size)];
  }
}

function* smallerBlocks(block: Block): Generator<Block> {
  yield* cuts(block);
  for (const [i, statement] of block.entries()) {
    for (const instead of smallerStatements(statement))
      yield [...block.slice(0, i), ...instead, ...block.slice(i + 1)];
  }
}

/** Fields that a statement, coroutine or awaitable can do without. */
const OPTIONAL = [
  'ctx',
  'eager',
  'loud',
  'guard',
  'msg',
  'what',
  'handler',
  'finally',
  'then',
  're',
  'r',
  'n',
  'at',
  'ensure',
  'tok',
  'lock',
  'immediate',
  'index',
];

/** What a statement can be replaced by. */
function* smallerStatements(st: Stmt): Generator<Block> {
  // What is inside, without what is around it.
  for (const key of ['block', 'handler', 'finally', 'do'] as const) {
    const inner = (st as Partial<Record<typeof key, Block>>)[key];
    if (inner !== undefined && inner.length > 0 && st.k !== 'add_cb') yield inner;
  }
  if (st.k === 'wait_for') yield [{ k: 'await', aw: st.aw }];
  for (const instead of smallerNodes(st)) yield [instead];
}

/** The same node with one of its fields simpler. */
function* smallerNodes<N extends object>(node: N): Generator<N> {
  for (const [key, value] of Object.entries(node)) {
    // Only the turns of as_completed may be without a number; a repetition and a primitive need theirs.
    if (OPTIONAL.includes(key) && (key !== 'n' || (node as { k?: string }).k === 'as_completed')) {
      const { [key as keyof N]: _, ...rest } = node;
      if (key !== 'finally' || 'what' in node) yield rest as N;
    }
    // The text of an error is the same in both languages, null is not.
    if (key === 'v' && 'e' in node) continue;
    for (const instead of smallerFields(key, value)) {
      const isMake = key === 'aw' && 'k' in node && node.k === 'make';
      if (isMake && !['slot', 'gather', 'shield'].includes((instead as Aw).k)) continue;
      yield { ...node, [key]: instead };
    }
  }
}

function* smallerFields(key: string, value: unknown): Generator<unknown> {
  switch (key) {
    case 'block':
    case 'handler':
    case 'finally':
    case 'do':
      yield* smallerBlocks(value as Block);
      break;
    case 'coro':
      yield* smallerCoros(value as Coro);
      break;
    case 'aw':
      yield* smallerAws(value as Aw);
      break;
    case 'aws':
      yield* smallerLists(value as Aw[]);
      break;
    case 'fs':
      yield* cuts(value as string[]);
      break;
    case 'd':
    case 't':
      if (value !== 0 && value !== 1) yield 1;
      if (value !== 0 && value !== null) yield 0;
      break;
    case 'v':
      if (value !== null) yield null;
      break;
    default:
  }
}

function* smallerCoros(coro: Coro): Generator<Coro> {
  if (coro.k !== 'sleep') {
    yield { k: 'sleep', d: 0 };
    yield { k: 'sleep', d: 1 };
  }
  if (coro.k === 'wait_for' && !['slot', 'gather', 'shield', 'dup'].includes(coro.aw.k))
    yield coro.aw as Coro;
  yield* smallerNodes(coro);
}

function* smallerAws(aw: Aw): Generator<Aw> {
  if (aw.k === 'wait_for' || aw.k === 'shield') yield aw.aw;
  if (aw.k === 'gather') for (const child of aw.aws) if (child.k !== 'dup') yield child;
  if (aw.k === 'body' || aw.k === 'op' || aw.k === 'sleep' || aw.k === 'wait_for' || aw.k === 'wait')
    yield* smallerCoros(aw);
  else if (aw.k !== 'slot' && aw.k !== 'dup') yield* smallerNodes(aw);
}

function* smallerLists(aws: readonly Aw[]): Generator<Aw[]> {
  for (const out of aws.keys()) yield without(aws, out);
  for (const [i, aw] of aws.entries()) {
    for (const instead of smallerAws(aw)) yield [...aws.slice(0, i), instead, ...aws.slice(i + 1)];
  }
}

/** Without the argument at `out` and its duplicates. */
function without(aws: readonly Aw[], out: number): Aw[] {
  const places = new Map<number, number>();
  const kept: Aw[] = [];
  for (const [i, aw] of aws.entries()) {
    if (i === out) continue;
    if (aw.k === 'dup') {
      const place = places.get(aw.i);
      if (place === undefined) continue;
      places.set(i, kept.length);
      kept.push({ k: 'dup', i: place });
    } else {
      places.set(i, kept.length);
      kept.push(aw);
    }
  }
  return kept;
}
