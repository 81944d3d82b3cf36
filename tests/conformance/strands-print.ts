/** Programs with strands as text. */

import type { Part, StrandProgram } from './strands.ts';

export function showStrands(program: StrandProgram): string {
  const lines = program.tasks.flatMap((part, i) => [
    `const task${i} = createTask(async () => {`,
    ...show(part, 1),
    '});',
  ]);
  if (program.generators > 0) lines.push(`// and ${program.generators} tasks of generators`);
  const later = (turns: number): string => (turns === 0 ? '' : ` // ${turns} turns later`);
  for (const { at, task, turns } of program.cancels)
    lines.push(`loop.callAt(${at}, () => task${task}.cancel());${later(turns)}`);
  for (const { at, what, turns } of program.wakes)
    lines.push(`loop.callAt(${at}, () => ${what}());${later(turns)}`);
  return lines.join('\n');
}

function show(part: Part, depth: number): string[] {
  const at = '  '.repeat(depth);
  const call = (head: string, inner: Part, tail: string): string[] => [
    `${at}${head}`,
    ...show(inner, depth + 1),
    `${at}${tail}`,
  ];
  return part.flatMap((op, i): string[] => {
    switch (op.k) {
      case 'sleep':
        return [`${at}await sleep(${op.d});`];
      case 'foreign':
        return [`${at}await ${op.wrap ? `fromPromise(${op.by}())` : `${op.by}()`};`];
      case 'all':
      case 'allSettled':
      case 'race':
        return [
          `${at}await Promise.${op.k}([`,
          ...op.parts.flatMap((inner) => [
            `${at}  (async () => {`,
            ...show(inner, depth + 2),
            `${at}  })(),`,
          ]),
          `${at}]);`,
        ];
      case 'spare':
        return call(
          `const spare${i} = (async () => {`,
          op.part,
          `})(); // ${op.awaited ? 'awaited at the end' : 'never awaited'}`,
        );
      case 'timeout':
        return call(`await timeout(${op.d}).run(async () => {`, op.part, '}); // TimeoutError is caught');
      case 'waitFor':
        return call('await waitFor(async () => {', op.part, `}, ${op.d}); // TimeoutError is caught`);
      case 'group':
        return [
          `${at}await new TaskGroup().run(async (tg) => {`,
          ...op.children.flatMap((child) => [
            `${at}  tg.createTask(async () => {`,
            ...show(child, depth + 2),
            `${at}  });`,
          ]),
          ...show(op.part, depth + 1),
          `${at}}); // ExceptionGroup is caught`,
        ];
      case 'try':
        return [
          ...call(
            'try {',
            op.part,
            op.swallow ? '} catch { /* CancelledError is swallowed */' : '} finally {',
          ),
          ...(op.swallow ? [`${at}} finally {`] : []),
          ...show(op.cleanup, depth + 1),
          `${at}}`,
        ];
      case 'held':
        return call(`await ${op.what}.run(async () => {`, op.part, '});');
      case 'condition':
        return [
          `${at}await condition.run(async () => ${op.notify ? 'condition.notify()' : 'condition.wait()'});`,
        ];
      case 'shared':
        return [`${at}await ${op.what};`];
      case 'call':
        return [`${at}${op.what}();`];
      case 'task':
        return call('createTask(async () => {', op.part, '});');
      case 'join':
        return [`${at}await task${op.task};`];
      case 'fail':
        return [`${at}throw new Failure();`];
    }
  });
}
