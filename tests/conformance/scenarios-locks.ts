/**
 * The mistakes that were made in locks, events, conditions, semaphores and barriers, and the rules of theirs that are
 * easily lost, each as a small program. See scenarios.ts.
 */

import type { Program, Stmt } from './ast.ts';
import {
  arrive,
  at,
  awaits,
  body,
  call,
  cancel,
  cell,
  condition,
  ends,
  gather,
  op,
  primitive,
  program,
  reraise,
  sleep,
  spawn,
  state,
  waitFor,
  waitForCell,
  within,
} from './dsl.ts';
import type { Scenario } from './scenarios.ts';

const scenarios: Scenario[] = [];

function scenario(id: string, title: string, shows: string[], main: Program): void {
  scenarios.push({ id, title, program: main, shows });
}

/** Tasks of these names that take the primitive, stay a while, and give it back. */
export function users(p: string, names: string, ...stay: Stmt[]): Stmt[] {
  return names.split('').map((name) => spawn(name, body(within(p, ...stay))));
}

/** Tasks of these names that do the operation once. */
export function each(names: string, coro: ReturnType<typeof op>): Stmt[] {
  return names.split('').map((name) => spawn(name, body(awaits(coro))));
}

/** The end of each of these tasks. */
export function ended(names: string): Stmt[] {
  return names.split('').map((name) => ends(name));
}

export const text = (p: string): Stmt => call(p, 'text');

// Lock

const taken = (...block: Stmt[]): Program =>
  program([primitive('l', 'Lock'), awaits(op('l', 'acquire')), ...block]);

scenario(
  'H25',
  'a waiter that was woken and then cancelled wakes the next one',
  ['0 #0 caught CancelledError(late)#', '0 B in l', '0 #0 l.locked -> False'],
  taken(
    ...users('l', 'ab'),
    sleep(0),
    call('l', 'release'),
    cancel('a', 'late'),
    ...ended('ab'),
    call('l', 'locked'),
  ),
);

scenario(
  'H26',
  'a cancel and a release in one turn let one in, not two',
  ['1 B in l', '2 C in l', '3 #0 l.text -> <Lock [unlocked]>'],
  taken(
    ...users('l', 'abc', sleep(1)),
    at(1, cancel('a'), call('l', 'release')),
    sleep(1),
    ...ended('abc'),
    text('l'),
  ),
);

scenario(
  'H26',
  'a release and a cancel in one turn let one in, not two',
  ['1 B in l', '2 C in l'],
  taken(...users('l', 'abc', sleep(1)), at(1, call('l', 'release'), cancel('a')), sleep(1), ...ended('abc')),
);

scenario(
  'lock',
  'a newcomer does not overtake a waiter of a free lock, and may overtake waiters that are all cancelled',
  ['0 A in l', '0 N in l', '1 O in l', '1 #0 caught CancelledError()#'],
  taken(
    ...users('l', 'a'),
    sleep(0),
    call('l', 'release'),
    ...users('l', 'n'),
    ...ended('an'),
    sleep(1),
    awaits(op('l', 'acquire')),
    ...users('l', 'b'),
    sleep(0),
    cancel('b'),
    call('l', 'release'),
    text('l'),
    spawn('o', body(within('l', text('l')))),
    ...ended('ob'),
  ),
);

scenario(
  'lock',
  'release does not hand over: free until the step of the woken, who leaves the line then; again is an error',
  [
    '0 #0 l.text -> <Lock [unlocked, waiters:2]>',
    '0 #0 l.release ! RuntimeError(Lock is not acquired.)#',
    '0 A l.text -> <Lock [locked, waiters:1]>',
  ],
  taken(
    ...users('l', 'ab', text('l')),
    sleep(0),
    call('l', 'release'),
    text('l'),
    call('l', 'release'),
    ...ended('ab'),
    text('l'),
  ),
);

scenario(
  'lock',
  'while the first in line is woken, nobody else is: not by the cancel of another one',
  ['0 A in l', '1 C in l'],
  taken(
    ...users('l', 'abc', sleep(1)),
    sleep(0),
    call('l', 'release'),
    cancel('b'),
    ...ended('abc'),
    text('l'),
  ),
);

scenario(
  'lock',
  'a limit that strikes at the instant of the release leaves the lock free',
  ['1 #0 caught TimeoutError()', '1 #0 l.locked -> False'],
  taken(at(1, call('l', 'release')), ends(waitFor(op('l', 'acquire'), 1)), call('l', 'locked')),
);

// Event

scenario(
  'event',
  'set and clear in one turn wake everyone, who does not look at the flag again',
  [
    '0 #0 e.text -> <Event [unset, waiters:2]>',
    '0 A await -> True',
    '0 B await -> True',
    '0 A e.is_set -> False',
  ],
  program([
    primitive('e', 'Event'),
    spawn('a', body(awaits(op('e', 'wait')), call('e', 'is_set'))),
    ...each('b', op('e', 'wait')),
    sleep(0),
    call('e', 'set'),
    call('e', 'clear'),
    text('e'),
    ...each('n', op('e', 'wait')),
    ...ended('ab'),
    text('e'),
    call('e', 'set'),
    ...ended('n'),
    awaits(op('e', 'wait')),
  ]),
);

// Condition

const conditioned = (...block: Stmt[]): Program => program([primitive('n', 'Condition'), ...block]);
const waiters = (names: string): Stmt[] =>
  users('n', names, reraise([awaits(op('n', 'wait'))], 'cancel', text('n')));

for (const first of ['the notification', 'the cancel']) {
  const both = [call('n', 'notify'), cancel('a', 'met')];
  scenario(
    'H28',
    `a notification of a waiter that is cancelled in the same turn goes to the next: ${first} first`,
    ['1 B await -> True', '1 #0 caught CancelledError(met)#'],
    conditioned(
      ...waiters('ab'),
      sleep(1),
      within('n', ...(first === 'the cancel' ? both.toReversed() : both)),
      ...ended('ab'),
      text('n'),
    ),
  );
}

scenario(
  'H28',
  'the latest CancelledError is raised, itself, and only when the lock is held again',
  [
    '3 A caught CancelledError(two)#0',
    '3 A n.text -> <Condition [locked]>',
    '3 #0 caught CancelledError(two)#',
  ],
  conditioned(
    ...waiters('a'),
    sleep(1),
    awaits(op('n', 'acquire')),
    cancel('a', 'one'),
    sleep(1),
    cancel('a', 'two'),
    sleep(1),
    state('a'),
    call('n', 'release'),
    ...ended('a'),
  ),
);

scenario(
  'H28',
  'who takes the lock again after a wait stands in line, and nobody overtakes it',
  ['1 B in n', '1 A await -> True', '1 C in n'],
  conditioned(
    ...waiters('a'),
    sleep(1),
    awaits(op('n', 'acquire')),
    ...users('n', 'b', call('n', 'notify')),
    sleep(0),
    call('n', 'notify'),
    sleep(0),
    ...users('n', 'c'),
    call('n', 'release'),
    ...ended('abc'),
  ),
);

scenario(
  'H29',
  'a cancelled wait holds the lock when it ends, so that leaving the block is no error',
  ['1 A n.text -> <Condition [locked]>', '1 #0 caught CancelledError(c)#', '1 #0 n.locked -> False'],
  conditioned(...waiters('a'), sleep(1), cancel('a', 'c'), ...ended('a'), call('n', 'locked')),
);

scenario(
  'H29',
  'a cancel that comes while the lock is taken again is not eaten',
  ['2 A caught CancelledError(late)#', '2 #0 state a cancelled 1'],
  conditioned(
    ...waiters('a'),
    sleep(0),
    within('n', call('n', 'notify'), sleep(1), cancel('a', 'late'), sleep(1), state('a')),
    ...ended('a'),
    state('a'),
  ),
);

scenario(
  'condition',
  'wait and notify want a lock that is held, whoever holds it',
  [
    '0 #0 caught RuntimeError(cannot wait on un-acquired lock)#',
    '0 #0 n.notify ! RuntimeError(cannot notify on un-acquired lock)#',
    '0 A n.text -> <Condition [unlocked',
  ],
  conditioned(
    ends(op('n', 'wait')),
    call('n', 'notify'),
    call('n', 'notify_all'),
    awaits(op('n', 'acquire')),
    // Not its own: the wait releases it all the same.
    spawn('a', body(awaits(op('n', 'wait')), call('n', 'release'), text('n'))),
    sleep(0),
    text('n'),
    within('n', call('n', 'notify')),
    ...ended('a'),
  ),
);

scenario(
  'condition',
  'notify wakes n that sleep, in order, past those that are woken or cancelled already; these wake one more',
  ['1 B await -> True', '1 C await -> True', '1 D await -> True'],
  conditioned(
    ...waiters('abcd'),
    sleep(1),
    within('n', cancel('a'), call('n', 'notify'), call('n', 'notify'), call('n', 'notify', 0), text('n')),
    sleep(1),
    within('n', call('n', 'notify', 5)),
    ...ended('abcd'),
  ),
);

scenario(
  'condition',
  'waitFor looks first, then after each notification, with the lock held, and gives the last value',
  ['0 #0 await -> v', '0 A predicate x 0', '1 A predicate x 0', '2 A predicate x w', '2 A await -> w'],
  conditioned(
    cell('x', 'v'),
    within('n', awaits(waitForCell('n', 'x'))),
    cell('x', 0),
    ...users('n', 'a', awaits(waitForCell('n', 'x')), text('n')),
    sleep(1),
    within('n', call('n', 'notify_all')),
    sleep(1),
    cell('x', 'w'),
    within('n', call('n', 'notify_all')),
    ...ended('a'),
  ),
);

scenario(
  'condition',
  'two conditions of one lock: a notification of one does not wake the other',
  ['1 B await -> True', '2 A await -> True'],
  program([
    primitive('l', 'Lock'),
    condition('n', 'l'),
    condition('m', 'l'),
    ...users('n', 'a', awaits(op('n', 'wait'))),
    ...users('m', 'b', awaits(op('m', 'wait'))),
    sleep(1),
    within('l', call('m', 'notify_all'), text('m'), text('n')),
    sleep(1),
    within('m', call('n', 'notify')),
    ...ended('ab'),
  ]),
);

// Semaphore

const permits = (n: number, ...block: Stmt[]): Program => program([primitive('s', 'Semaphore', n), ...block]);

scenario(
  'H27',
  'permits go in the order of arrival, also to newcomers while others are woken',
  ['0 A in s', '0 B in s', '0 N in s'],
  permits(
    0,
    ...users('s', 'ab'),
    sleep(0),
    call('s', 'release'),
    ...users('s', 'n'),
    call('s', 'release'),
    ...ended('abn'),
    text('s'),
  ),
);

scenario(
  'H27',
  'a cancelled head of the line does not stop those behind it',
  ['0 B in s', '0 #0 s.text -> <Semaphore [unlocked, value:1]>'],
  permits(0, ...users('s', 'ab'), sleep(0), cancel('a'), call('s', 'release'), ...ended('ab'), text('s')),
);

scenario(
  'H27',
  'a woken head that is cancelled gives its permit to the next',
  [
    '0 #0 s.text -> <Semaphore [locked, waiters:2]>',
    '0 B in s',
    '0 #0 s.text -> <Semaphore [unlocked, value:1]>',
  ],
  permits(
    0,
    ...users('s', 'ab'),
    sleep(0),
    call('s', 'release'),
    text('s'),
    cancel('a'),
    ...ended('ab'),
    text('s'),
  ),
);

scenario(
  'semaphore',
  'release hands over, so that it stays locked and a newcomer does not overtake',
  ['0 #0 s.locked -> True', '0 A await -> True', '1 N await -> True'],
  permits(
    0,
    ...each('a', op('s', 'acquire')),
    sleep(0),
    call('s', 'release'),
    call('s', 'locked'),
    ...each('n', op('s', 'acquire')),
    sleep(1),
    call('s', 'release'),
    ...ended('an'),
    text('s'),
  ),
);

scenario(
  'semaphore',
  'several permits that come in while the first in line is woken all find somebody',
  ['0 B await -> True', '0 C await -> True', '0 #0 s.text -> <Semaphore [unlocked, value:2]>'],
  permits(
    0,
    ...each('abc', op('s', 'acquire')),
    sleep(0),
    call('s', 'release'),
    cancel('a'),
    spawn('d', op('s', 'acquire')),
    call('s', 'release'),
    call('s', 'release'),
    call('s', 'release'),
    call('s', 'release'),
    ...ended('abcd'),
    text('s'),
  ),
);

scenario(
  'semaphore',
  'the bound is that of the value now: a permit that was handed over is taken',
  [
    '0 #0 s.text -> <BoundedSemaphore [locked, waiters:1]>',
    '0 #0 s.release -> None',
    '0 #0 s.release ! ValueError(BoundedSemaphore released too many times)#',
  ],
  program([
    primitive('s', 'BoundedSemaphore', 1),
    call('s', 'release'),
    awaits(op('s', 'acquire')),
    ...each('a', op('s', 'acquire')),
    sleep(0),
    call('s', 'release'),
    text('s'),
    ...ended('a'),
    call('s', 'release'),
    call('s', 'release'),
    primitive('t', 'Semaphore', -1),
  ]),
);

// Barrier

const barrier = (n: number, ...block: Stmt[]): Program => program([primitive('bar', 'Barrier', n), ...block]);

scenario(
  'barrier',
  'the last to arrive returns first and without suspending, the others in their order, each with its number',
  [
    '1 #0 await -> 2',
    '1 #0 bar.text -> <Barrier [draining, waiters:0/3]>',
    '1 A await -> 0',
    '1 B await -> 1',
  ],
  barrier(
    3,
    ...each('ab', arrive('bar')),
    sleep(1),
    call('bar', 'n_waiting'),
    text('bar'),
    awaits(arrive('bar')),
    text('bar'),
    ...ended('ab'),
    text('bar'),
    primitive('c', 'Barrier', 0),
  ),
);

scenario(
  'barrier',
  'newcomers of a barrier that drains wait before they count',
  ['1 #0 await -> 1', '1 #0 bar.n_waiting -> 0', '1 #0 bar.n_waiting -> 1'],
  barrier(
    2,
    ...each('a', arrive('bar')),
    sleep(1),
    ...each('n', arrive('bar')),
    awaits(arrive('bar')),
    sleep(0),
    call('bar', 'n_waiting'),
    ...ended('a'),
    sleep(0),
    call('bar', 'n_waiting'),
    awaits(arrive('bar')),
    ...ended('n'),
  ),
);

scenario(
  'barrier',
  'a cancelled party leaves, and the barrier is whole',
  ['1 #0 bar.n_waiting -> 1', '1 #0 bar.broken -> False', '1 D out of bar'],
  barrier(
    3,
    ...users('bar', 'ab'),
    sleep(1),
    cancel('a'),
    ...ended('a'),
    call('bar', 'n_waiting'),
    call('bar', 'broken'),
    ...users('bar', 'cd'),
    ...ended('bcd'),
  ),
);

for (const what of ['reset', 'abort'] as const) {
  scenario(
    'barrier',
    `${what} sends everyone away who waits; only abort breaks it, until a reset`,
    [
      '1 #0 caught BrokenBarrierError(Abort or reset of barrier)#',
      `1 #0 bar.broken -> ${what === 'abort' ? 'True' : 'False'}`,
      what === 'abort'
        ? '1 #0 caught BrokenBarrierError(Barrier aborted)#'
        : '1 #0 bar.text -> <Barrier [filling, waiters:0/2]>',
    ],
    barrier(
      2,
      ...each('a', op('bar', 'wait')),
      sleep(1),
      awaits(op('bar', what)),
      text('bar'),
      ...ended('a'),
      call('bar', 'broken'),
      text('bar'),
      ends(waitFor(op('bar', 'wait'), 1)),
      awaits(op('bar', 'reset')),
      text('bar'),
      awaits(gather([arrive('bar'), arrive('bar')])),
    ),
  );
}

scenario(
  'barrier',
  'a reset while it drains sends those away who have not left yet',
  ['1 #0 await -> 1'],
  barrier(
    2,
    ...each('a', op('bar', 'wait')),
    sleep(1),
    spawn('r', op('bar', 'reset')),
    awaits(arrive('bar')),
    text('bar'),
    ...ended('ar'),
    text('bar'),
  ),
);

export { scenarios as lockScenarios };
