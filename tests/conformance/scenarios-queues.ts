/** The mistakes that were made in queues, and their rules that are easily lost. See scenarios.ts. */

import type { Program, Stmt } from './ast.ts';
import {
  at,
  attempt,
  awaits,
  body,
  call,
  cancel,
  cancelling,
  ends,
  log,
  op,
  primitive,
  program,
  put,
  putNowait,
  repeat,
  shutdown,
  sleep,
  spawn,
  timeout,
  waitFor,
  within,
} from './dsl.ts';
import type { Scenario } from './scenarios.ts';
import { each, ended, text } from './scenarios-locks.ts';

const scenarios: Scenario[] = [];

function scenario(id: string, title: string, shows: string[], main: Program): void {
  scenarios.push({ id, title, program: main, shows });
}

const queue = (n: number, ...block: Stmt[]): Program => program([primitive('q', 'Queue', n), ...block]);

for (const first of ['the item', 'the cancel']) {
  const both = [putNowait('q', 'v'), cancel('a')];
  scenario(
    'Queues (bpo-23812)',
    `an item for a getter that is cancelled in the same turn goes to the next: ${first} first`,
    ['1 B await -> v', '1 #0 q.qsize -> 0'],
    queue(
      0,
      ...each('ab', op('q', 'get')),
      sleep(1),
      ...(first === 'the cancel' ? both.toReversed() : both),
      ...ended('ab'),
      call('q', 'qsize'),
    ),
  );
}

scenario(
  'Queues (python/asyncio#201)',
  'a limit that strikes at the instant of the item leaves the item in the queue',
  ['1 #0 caught TimeoutError()', '1 #0 q.qsize -> 1', '1 #0 await -> v'],
  queue(
    0,
    at(1, putNowait('q', 'v')),
    ends(waitFor(op('q', 'get'), 1)),
    call('q', 'qsize'),
    timeout('m', 1, awaits(op('q', 'get'))),
  ),
);

for (const first of ['the room', 'the cancel']) {
  const both = [call('q', 'get_nowait'), cancel('a')];
  scenario(
    'Queues (python/asyncio#256)',
    `room for a putter that is cancelled in the same turn is for the next: ${first} first`,
    ['1 B await -> None', '1 #0 q.get_nowait -> b'],
    queue(
      1,
      putNowait('q', 'x'),
      ...each('a', put('q', 'a')),
      ...each('b', put('q', 'b')),
      sleep(1),
      ...(first === 'the cancel' ? both.toReversed() : both),
      ...ended('ab'),
      call('q', 'get_nowait'),
      call('q', 'get_nowait'),
    ),
  );
}

scenario(
  'Queues (python/asyncio#268)',
  'several getters and several items in one turn: each getter its item, whoever is cancelled meanwhile',
  ['1 A await -> 1', '1 C await -> 2', '1 #0 q.text -> <Queue maxsize=0 tasks=2>'],
  queue(
    0,
    ...each('abc', op('q', 'get')),
    sleep(1),
    putNowait('q', 1),
    cancel('b'),
    putNowait('q', 2),
    text('q'),
    ...ended('abc'),
    text('q'),
  ),
);

scenario(
  'Queues (python/asyncio#343)',
  'a woken putter that finds its room taken waits at the end of the line, and puts nothing beyond the limit',
  ['1 #0 q.put_nowait -> None', '2 B await -> None', '3 A await -> None'],
  queue(
    1,
    putNowait('q', 'x'),
    ...each('a', put('q', 'a')),
    ...each('b', put('q', 'b')),
    sleep(1),
    call('q', 'get_nowait'),
    putNowait('q', 'thief'),
    sleep(1),
    call('q', 'get_nowait'),
    text('q'),
    sleep(1),
    call('q', 'get_nowait'),
    ...ended('ab'),
    text('q'),
  ),
);

scenario(
  'Queues (python/asyncio#235)',
  'join waits for the item that went straight to a waiting getter, too',
  ['1 A await -> v', '2 J await -> None'],
  queue(
    0,
    spawn('a', body(awaits(op('q', 'get')), sleep(1), call('q', 'task_done'))),
    sleep(1),
    putNowait('q', 'v'),
    ...each('j', op('q', 'join')),
    ...ended('aj'),
    awaits(op('q', 'join')),
    call('q', 'task_done'),
  ),
);

scenario(
  'Queues (bpo-31620)',
  'a wait that timed out leaves nobody in the line',
  ['3 #0 q.text -> <Queue maxsize=1>', '5 #0 q.text -> <Queue maxsize=1 _queue=[1] tasks=1>'],
  queue(
    1,
    repeat(3, ends(waitFor(op('q', 'get'), 1))),
    text('q'),
    putNowait('q', 1),
    repeat(2, ends(waitFor(put('q', 2), 1))),
    text('q'),
  ),
);

scenario(
  'queue',
  'a woken getter owns nothing: it finds the item stolen and goes to the end of the line',
  ['1 #0 q.get_nowait -> x', '2 B await -> y', '3 A await -> z'],
  queue(
    0,
    ...each('ab', op('q', 'get')),
    sleep(1),
    putNowait('q', 'x'),
    call('q', 'get_nowait'),
    sleep(1),
    putNowait('q', 'y'),
    sleep(1),
    putNowait('q', 'z'),
    ...ended('ab'),
  ),
);

scenario(
  'queue',
  'a get that finds an item does not wait, though somebody was woken for that item',
  ['1 #0 await -> x', '2 A await -> y'],
  queue(
    0,
    ...each('a', op('q', 'get')),
    sleep(1),
    putNowait('q', 'x'),
    awaits(op('q', 'get')),
    sleep(1),
    putNowait('q', 'y'),
    ...ended('a'),
  ),
);

scenario(
  'queue',
  'putNowait wakes one getter, past those that are cancelled, and cleans the line as it goes',
  [
    '1 #0 q.text -> <Queue maxsize=0 _getters[3]>',
    '1 #0 q.text -> <Queue maxsize=0 _queue=[1] _getters[1] tasks=1>',
  ],
  queue(
    0,
    ...each('abc', op('q', 'get')),
    sleep(1),
    text('q'),
    cancel('a'),
    text('q'),
    putNowait('q', 1),
    text('q'),
    ...ended('ab'),
    putNowait('q', 2),
    ...ended('c'),
  ),
);

scenario(
  'queue',
  'shutdown: puts fail, gets fail once it is empty, whoever waits finds out; again is fine',
  [
    '1 A caught QueueShutDown()#',
    '1 #0 q.put_nowait ! QueueShutDown()#',
    '1 #0 q.get_nowait -> x',
    '1 #0 q.get_nowait ! QueueShutDown()#',
    '1 #0 q.text -> <Queue maxsize=1 tasks=1 shutdown>',
  ],
  queue(
    1,
    putNowait('q', 'x'),
    spawn('a', body(ends(put('q', 'a')))),
    sleep(1),
    shutdown('q'),
    ...ended('a'),
    putNowait('q', 'y'),
    ends(put('q', 'y')),
    shutdown('q'),
    call('q', 'get_nowait'),
    call('q', 'get_nowait'),
    ends(op('q', 'get')),
    text('q'),
    shutdown('q', true),
  ),
);

scenario(
  'queue',
  'an immediate shutdown drops the items, which count as done, but join waits for those that are out',
  ['1 #0 q.text -> <Queue maxsize=0 tasks=1 shutdown>', '2 J await -> None', '1 K await -> None'],
  program([
    primitive('q', 'Queue', 0),
    primitive('r', 'Queue', 0),
    putNowait('q', 1),
    putNowait('q', 2),
    putNowait('r', 1),
    call('q', 'get_nowait'),
    ...each('j', op('q', 'join')),
    ...each('k', op('r', 'join')),
    sleep(1),
    shutdown('q', true),
    shutdown('r'),
    shutdown('r', true),
    text('q'),
    text('r'),
    sleep(1),
    call('q', 'task_done'),
    call('q', 'task_done'),
    ...ended('jk'),
  ]),
);

scenario(
  'queue',
  'shutdown wakes getters, and a putter that a get had woken before finds room but is refused',
  ['1 A caught QueueShutDown()#', '1 B caught QueueShutDown()#', '1 #0 r.qsize -> 0'],
  program([
    primitive('q', 'Queue', 0),
    primitive('r', 'Queue', 1),
    putNowait('r', 'x'),
    spawn('a', body(ends(op('q', 'get')))),
    spawn('b', body(ends(put('r', 'y')))),
    sleep(1),
    shutdown('q'),
    call('r', 'get_nowait'),
    shutdown('r'),
    ...ended('ab'),
    call('r', 'qsize'),
  ]),
);

scenario(
  'queue',
  'taskDone counts for the queue, whoever calls it and for whatever item',
  ['0 #0 q.task_done -> None', '0 #0 q.task_done ! ValueError(task_done() called too many times)#'],
  queue(
    0,
    putNowait('q', 1),
    call('q', 'task_done'),
    text('q'),
    awaits(op('q', 'join')),
    call('q', 'task_done'),
  ),
);

scenario(
  'queue',
  'a heap keeps no order of equal entries, and the one of CPython is kept',
  ['0 #0 item '],
  program([
    primitive('q', 'PriorityQueue', 0),
    ...[[1, 'v'], [true, 'v'], [0, 'z'], [1, 'v'], [true, 'w'], [1]].map((item) => putNowait('q', item)),
    text('q'),
    ...([1, true, 0.5, 1, true, -1] as const).map(() => call('q', 'get_nowait')),
    ...([1, 0.5, true, 1, true, -1] as const).map((n) => putNowait('q', [n])),
    shutdown('q'),
    { k: 'items', p: 'q' },
  ]),
);

scenario(
  'queue',
  'the latest first, and nothing beyond the limit',
  ['0 #0 q.get_nowait -> 2', '0 #0 q.put_nowait ! QueueFull()#', '0 #0 q.get_nowait ! QueueEmpty()#'],
  program([
    primitive('q', 'LifoQueue', 2),
    putNowait('q', 1),
    putNowait('q', 2),
    call('q', 'full'),
    putNowait('q', 3),
    text('q'),
    call('q', 'get_nowait'),
    call('q', 'get_nowait'),
    call('q', 'empty'),
    call('q', 'get_nowait'),
  ]),
);

// What concerns all of them

scenario(
  'primitives',
  'what does not have to wait does not deliver a cancellation',
  ['0 T in l', '0 T caught CancelledError(self)#'],
  program([
    primitive('l', 'Lock'),
    primitive('q', 'Queue', 0),
    primitive('e', 'Event'),
    call('e', 'set'),
    spawn(
      't',
      body(
        { k: 'cancel_self', msg: 'self' },
        within('l', awaits(put('q', 1)), awaits(op('q', 'get')), awaits(op('e', 'wait')), cancelling),
        attempt([sleep(1)], 'cancel', log('here')),
      ),
    ),
    ...ended('t'),
  ]),
);

export { scenarios as queueScenarios };
