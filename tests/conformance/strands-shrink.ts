/** Makes a program with strands that breaks an invariant small. */

import { type Op, type Part, runStrands, type StrandProgram } from './strands.ts';

/** A smaller program that still breaks an invariant, and what it breaks. */
export async function shrinkStrands(program: StrandProgram): Promise<[StrandProgram, string[]]> {
  let best = program;
  let problems = await runStrands(program);
  // Another problem of a smaller program would lead elsewhere.
  const kinds = new Set(problems.map(kindOf));
  for (let found = true; found; ) {
    found = false;
    for (const candidate of smaller(best)) {
      const left = await runStrands(candidate);
      if (!left.some((problem) => kinds.has(kindOf(problem)))) continue;
      best = candidate;
      problems = left;
      found = true;
      break;
    }
  }
  return [best, problems];
}

/** A problem without the numbers and names in it. */
function kindOf(problem: string): string {
  return problem.replace(/\w*[\d.]+/g, '');
}

function* without<T>(items: readonly T[], least = 0): Generator<T[]> {
  if (items.length > least) for (const i of items.keys()) yield items.toSpliced(i, 1);
}

function* smaller(program: StrandProgram): Generator<StrandProgram> {
  for (let i = program.tasks.length - 1; i >= 0; i--) {
    const tasks = program.tasks.with(i, []);
    if ((program.tasks[i] as Part).length > 0) yield { ...program, tasks };
  }
  for (const cancels of without(program.cancels)) yield { ...program, cancels };
  for (const wakes of without(program.wakes)) yield { ...program, wakes };
  if (program.generators > 0) yield { ...program, generators: program.generators - 1 };
  for (const [i, part] of program.tasks.entries()) {
    for (const instead of smallerParts(part)) yield { ...program, tasks: program.tasks.with(i, instead) };
  }
}

function* smallerParts(part: Part): Generator<Part> {
  yield* without(part);
  for (const [i, op] of part.entries()) {
    for (const instead of smallerOps(op)) yield part.toSpliced(i, 1, ...instead);
  }
}

function* smallerOps(op: Op): Generator<Op[]> {
  if ('part' in op) {
    if (op.k !== 'task' && op.k !== 'spare') yield op.part;
    for (const part of smallerParts(op.part)) yield [{ ...op, part }];
  }
  if (op.k === 'all' || op.k === 'allSettled' || op.k === 'race') {
    for (const part of op.parts) yield part;
    for (const parts of without(op.parts, 1)) yield [{ ...op, parts }];
    for (const [i, part] of op.parts.entries()) {
      for (const instead of smallerParts(part)) yield [{ ...op, parts: op.parts.with(i, instead) }];
    }
  }
  if (op.k === 'group') {
    for (const children of without(op.children)) yield [{ ...op, children }];
    for (const [i, part] of op.children.entries()) {
      for (const instead of smallerParts(part)) yield [{ ...op, children: op.children.with(i, instead) }];
    }
  }
  if (op.k === 'try') for (const cleanup of smallerParts(op.cleanup)) yield [{ ...op, cleanup }];
  if (op.k === 'sleep' && op.d > 1) yield [{ k: 'sleep', d: 1 }];
}
