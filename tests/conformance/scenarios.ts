/**
 * The mistakes that asyncio and its like made in tasks, futures, waits, timeouts and groups, each as a small program.
 * `shows` are lines of CPython's trace that tell that the program is about what its name says.
 */

import type { Program } from './ast.ts';
import {
  addCallback,
  asCompleted,
  at,
  attempt,
  awaits,
  body,
  callbacks,
  cancel,
  cancelling,
  cancelSelf,
  ends,
  exception,
  fail,
  finallyDo,
  future,
  gather,
  group,
  later,
  log,
  make,
  program,
  raise,
  removeCallback,
  repeat,
  reraise,
  reschedule,
  result,
  returns,
  set,
  shield,
  sleep,
  slot,
  soon,
  spawn,
  state,
  tgSpawn,
  timeout,
  uncancel,
  wait,
  waitFor,
} from './dsl.ts';

export interface Scenario {
  id: string;
  title: string;
  program: Program;
  shows: string[];
}

const scenarios: Scenario[] = [];

function scenario(id: string, title: string, shows: string[], main: Program): void {
  scenarios.push({ id, title, program: main, shows });
}

// wait_for and timeout

scenario(
  'H1',
  'a result that is set together with the cancel of its waiter stays in the future',
  ['0 #0 caught CancelledError(late)#0', '0 #0 result -> R'],
  program([
    future('f'),
    spawn('t', waitFor('f', 10)),
    sleep(0),
    set('f', 'R'),
    cancel('t', 'late'),
    ends('t'),
    result('f'),
  ]),
);

for (const first of ['the result', 'the cancel']) {
  const [one, two] =
    first === 'the result' ? [set('f', 'R'), cancel('t', 'c')] : [cancel('t', 'c'), set('f', 'R')];
  scenario(
    'H2',
    `a cancel is not swallowed because the inner is done in the same turn: ${first} first`,
    ['1 #0 caught CancelledError(c)#'],
    program([
      future('f'),
      spawn('inner', body(awaits('f'), returns('inner'))),
      spawn('t', waitFor('inner', 10)),
      at(1, one, two),
      ends('t'),
      ends('inner'),
      state('t'),
    ]),
  );
}

for (const first of ['cancel', 'deadline']) {
  const attack = at(1, cancel('t', 'stop'));
  const victim = spawn('t', body(waitFor(body(sleep(9)), 1)));
  scenario(
    'H3',
    `a cancel at the instant of the deadline is not ignored: ${first} first`,
    ['1 #0 state t cancelled 1'],
    program([...(first === 'cancel' ? [attack, victim] : [victim, sleep(0), attack]), ends('t'), state('t')]),
  );
}

scenario(
  'H4',
  'an inner that is done already does not eat the cancel',
  ['0 T wait_for -> R', '0 T caught CancelledError(self)#0'],
  program([
    future('f'),
    set('f', 'R'),
    spawn(
      't',
      body(
        cancelSelf('self'),
        waitFor('f', 10),
        cancelling,
        reraise([sleep(5)], 'cancel'),
        log('not reached'),
      ),
    ),
    ends('t'),
    state('t'),
  ]),
);

scenario(
  'H5',
  'the timeout waits until the inner has really ended',
  ['3 #0 finally', '5 #0 slept None', '5 #0 log after'],
  program([ends(waitFor(body(finallyDo([sleep(9)], spawn('t', body()), sleep(2))), 3)), log('after')]),
);

scenario(
  'H6',
  'a cancel from outside, and a timeout of 0, wait for the end of the inner, too',
  ['3 T slept None', '3 #0 caught CancelledError(out)#0', '5 #0 caught TimeoutError()<-CancelledError()'],
  program([
    spawn('t', waitFor(body(finallyDo([sleep(9)], sleep(2))), 20)),
    sleep(1),
    cancel('t', 'out'),
    ends('t'),
    spawn('u', body(finallyDo([sleep(9)], sleep(2)))),
    sleep(0),
    ends(waitFor('u', 0)),
    state('u'),
  ]),
);

scenario(
  'H7',
  'an error that the inner throws while it is cancelled is not replaced by TimeoutError',
  ['1 #0 caught ValueError(mine)#1'],
  program([ends(waitFor(body(attempt([sleep(9)], 'cancel', raise('ValueError', 'mine'))), 1))]),
);

scenario(
  'H8',
  'a timeout of 0 or less never starts the coroutine and leaves nothing behind',
  ['0 #0 caught TimeoutError()<-CancelledError()#1#0', '0 #0 tasks #0'],
  program([
    ends(waitFor(body(log('not reached')), 0)),
    ends(waitFor(body(log('not reached')), -1)),
    { k: 'tasks' },
    future('f'),
    set('f', 'R'),
    ends(waitFor('f', -1)),
    ends(waitFor(sleep(0), 0)),
  ]),
);

scenario(
  'H9',
  'timeout(0) strikes at the first suspension, not one later',
  ['0 #0 log before', '0 #0 caught TimeoutError()<-CancelledError()#1#0'],
  program([
    ends(body(timeout('m', 0, log('before'), sleep(0), log('not reached')))),
    ends(body(timeout('n', 0, log('no suspension, no error')))),
    ends(body(timeout('o', 0, sleep(1), log('not reached')))),
  ]),
);

scenario(
  'H10',
  'a timeout takes back its own request only, and one that was taken back already does not count',
  ['1 #0 cancelling 1', '1 #0 cancelling 0', '2 #0 slept None', '3 #0 cancelling 0'],
  program([
    attempt(
      [
        timeout(
          'm',
          1,
          attempt([sleep(9)], 'cancel', cancelling, uncancel(), cancelling, raise('CancelledError', 'own')),
        ),
      ],
      'base',
      cancelling,
    ),
    cancelSelf('pending'),
    uncancel(),
    sleep(1),
    ends(body(timeout('n', 1, timeout('o', 1, sleep(9))))),
    cancelling,
  ]),
);

for (const first of ['cancel', 'deadline']) {
  const attack = at(1, cancel('t', 'stop'));
  const victim = spawn(
    't',
    body(attempt([timeout('m', 1, sleep(9))], 'timeout', log('not reached')), sleep(1)),
  );
  scenario(
    'H11',
    `a timeout and a cancel in one turn: the cancel is not overruled, ${first} first`,
    ['1 #0 state t cancelled 1'],
    program([...(first === 'cancel' ? [attack, victim] : [victim, sleep(0), attack]), ends('t'), state('t')]),
  );
}

scenario(
  'H12',
  'wait_for, as others wrote it again: ends at the deadline, cancelled while it times out, tasks that are done',
  [
    '1 #0 caught TimeoutError()<-CancelledError()',
    '3 T caught CancelledError()',
    '6 #0 caught CancelledError(twice)',
  ],
  program([
    // The inner would end at the very deadline.
    spawn('a', sleep(1, 'just')),
    sleep(0),
    attempt([waitFor('a', 1)], 'base'),
    // A cancel while the inner still cleans up after the deadline.
    spawn('t', waitFor(body(finallyDo([reraise([sleep(9)], 'cancel')], sleep(5))), 2)),
    at(6, cancel('t', 'twice')),
    ends('t'),
    // Done, failed and cancelled tasks.
    spawn('b', body(raise('ValueError'))),
    spawn('c', sleep(1)),
    cancel('c', 'c'),
    sleep(0),
    sleep(0),
    ends(waitFor('b', 1)),
    ends(waitFor('c', 1)),
    ends(waitFor('a', null)),
  ]),
);

// gather, wait and shield

scenario(
  'H13',
  'return_exceptions does not swallow the cancel of the gathering',
  ['2 #0 caught CancelledError()#1', '3 T caught CancelledError(h)#2'],
  program([
    make(
      'g',
      gather([body(sleep(9)), body(attempt([sleep(9)], 'cancel', sleep(1)), returns('swallowed'))], true),
    ),
    at(1, cancel('g', 'g')),
    ends('g'),
    make('h', gather([sleep(9), sleep(9)], true)),
    spawn('t', body(finallyDo([ends('h'), sleep(0)], log('end')))),
    later(1, cancel('t', 'h')),
    ends('t'),
  ]),
);

scenario(
  'H14',
  'cancel() of a gathering whose children are all done is refused',
  ['1 - cancel g -> False', '1 #0 await -> [A, B]'],
  program([
    spawn('a', sleep(1, 'A')),
    spawn('b', sleep(1, 'B')),
    make('g', gather(['a', 'b'])),
    // Two turns after the children were woken: they are done, the gathering does not know yet.
    at(1, soon(soon(cancel('g', 'late')))),
    ends('g'),
    cancel('g'),
  ]),
);

scenario(
  'H15',
  'after an error of a child the gathering is over, and its cancel does not reach the others',
  ['1 #0 caught ValueError(raised)#0', '1 #0 cancel g -> False', '5 B log went on'],
  program([
    spawn('a', body(sleep(1), raise('ValueError'))),
    spawn('b', body(sleep(5), log('went on'))),
    make('g', gather(['a', 'b'])),
    ends('g'),
    cancel('g'),
    awaits('b'),
  ]),
);

scenario(
  'H16',
  'a gathering that was cancelled is not cancelled(), since its children decide',
  ['1 #0 caught CancelledError(g)#0', '1 #0 state g done'],
  program([
    make('g', gather([sleep(9), sleep(9)])),
    at(1, cancel('g', 'g')),
    ends('g'),
    state('g'),
    exception('g'),
  ]),
);

scenario(
  'H17',
  'errors of children behind the first are not logged',
  ['1 #0 caught ValueError(one)#0'],
  program([
    ends(
      gather([
        body(sleep(1), raise('ValueError', 'one')),
        body(sleep(1), raise('ValueError', 'two')),
        body(sleep(2), raise('ValueError', 'three')),
      ]),
    ),
    sleep(5),
  ]),
);

scenario(
  'H19',
  'wait() takes its callbacks off again, however it ends',
  ['1 #0 callbacks f 0', '2 #0 callbacks f 0', '3 #0 callbacks f 1', '3 #0 callbacks f 0'],
  program([
    future('f'),
    spawn('a', sleep(1)),
    wait(['f', 'a'], null, 'FIRST_COMPLETED'),
    callbacks('f'),
    wait(['f'], 1),
    callbacks('f'),
    spawn('t', wait(['f'])),
    sleep(1),
    callbacks('f'),
    cancel('t'),
    ends('t'),
    callbacks('f'),
  ]),
);

scenario(
  'H20',
  'a future that lives long does not keep the waits that are over',
  ['20 #0 callbacks f 0'],
  program([
    future('f'),
    repeat(20, spawn('a', sleep(1)), wait(['a', 'f'], null, 'FIRST_COMPLETED')),
    callbacks('f'),
    repeat(3, attempt([waitFor(shield('f'), 1)], 'timeout')),
    callbacks('f'),
    repeat(3, asCompleted('for', ['f'], 1)),
    callbacks('f'),
  ]),
);

scenario(
  'H21',
  'cancelled shields leave one callback on the inner, which reports for all of them',
  ['1 #0 callbacks inner 1'],
  program([
    spawn('inner', body(sleep(5), raise('ValueError', 'inner'))),
    make('a', shield('inner')),
    make('b', shield('inner')),
    make('c', shield('inner')),
    sleep(1),
    cancel('a'),
    cancel('b'),
    cancel('c'),
    sleep(0),
    sleep(0),
    callbacks('inner'),
    ends('inner'),
  ]),
);

scenario(
  'H22',
  'waiters that were cancelled are forgotten by what they waited for',
  ['1 #0 callbacks f 3', '1 #0 callbacks f 1', '3 #0 callbacks f 0'],
  program([
    future('f'),
    spawn('a', wait(['f'])),
    spawn('b', wait(['f'], 100)),
    spawn('c', body(asCompleted('for', ['f'], 3))),
    sleep(1),
    callbacks('f'),
    cancel('a'),
    cancel('b'),
    ends('a'),
    ends('b'),
    callbacks('f'),
    awaits('c'),
    callbacks('f'),
  ]),
);

scenario(
  'H23',
  'the error of a shielded inner is not lost when the outer was cancelled',
  ['2 - handler ValueError exception in shielded future ValueError(inner)#1'],
  program([
    spawn('t', body(awaits(shield(body(sleep(2), raise('ValueError', 'inner')))))),
    sleep(1),
    cancel('t', 'outer'),
    ends('t'),
    sleep(5),
  ]),
);

scenario(
  'H24',
  'the error of a shielded inner is reported, once, even if somebody else handles it',
  ['2 - handler ValueError exception in shielded future ValueError(inner)#', '2 W caught ValueError(inner)#'],
  program([
    spawn('inner', body(sleep(2), raise('ValueError', 'inner'))),
    make('a', shield('inner')),
    make('b', shield('inner')),
    spawn('w', body(ends('inner'))),
    sleep(1),
    cancel('a'),
    cancel('b'),
    awaits('w'),
    sleep(1),
  ]),
);

// Tasks, groups and futures

scenario(
  'H66',
  'callbacks that add and remove callbacks while these are scheduled',
  ['0 - cb one f done', '0 #0 remove two -> 2', '0 - cb three f done'],
  program([
    future('f'),
    addCallback('f', 'one', removeCallback('f', 'three'), addCallback('f', 'one'), addCallback('f', 'four')),
    addCallback('f', 'two'),
    addCallback('f', 'three', addCallback('f', 'two'), cancel('f')),
    addCallback('f', 'two'),
    removeCallback('f', 'two'),
    set('f', 1),
    removeCallback('f', 'one'),
    sleep(0),
    sleep(0),
    sleep(0),
    sleep(0),
  ]),
);

scenario(
  'H67',
  "a body that replaces the group's cancel by an error leaves the count of requests as it was",
  ['0 #0 cancelling 0'],
  program([
    attempt(
      [
        group(
          'g',
          tgSpawn('g', 'a', body(raise('ValueError', 'a'))),
          attempt([sleep(9)], 'cancel', raise('CustomError', 'instead')),
        ),
      ],
      'group',
      cancelling,
    ),
    sleep(1),
    cancelling,
  ]),
);

scenario(
  'H67',
  'a swallowed cancel of the group leaves the count of requests as it was',
  ['0 #0 cancelling 1', '0 #0 cancelling 0'],
  program([
    attempt(
      [
        group(
          'g',
          tgSpawn('g', 'a', body(raise('ValueError', 'a'))),
          attempt([sleep(9)], 'cancel', cancelling),
        ),
      ],
      'group',
      cancelling,
    ),
    sleep(1),
  ]),
);

scenario(
  'H67',
  'a cancel from outside is not swallowed when children fail at the same time',
  [
    '1 T caught ExceptionGroup(unhandled errors in a TaskGroup, [ValueError(a)#',
    '1 T caught CancelledError()#',
  ],
  program([
    spawn(
      't',
      body(
        attempt(
          [group('g', tgSpawn('g', 'a', body(sleep(1), raise('ValueError', 'a'))), sleep(9))],
          'group',
          cancelling,
        ),
        reraise([sleep(5)], 'cancel', cancelling),
      ),
    ),
    sleep(0),
    sleep(0),
    at(1, cancel('t', 'outside')),
    ends('t'),
    state('t'),
  ]),
);

scenario(
  'H67',
  'nested groups that are both cancelled: the inner gives its error, the outer its own',
  ['1 #0 cancelling 0'],
  program([
    attempt(
      [
        group(
          'g',
          tgSpawn('g', 'a', body(sleep(1), raise('ValueError', 'outer'))),
          group(
            'h',
            tgSpawn('h', 'b', body(attempt([sleep(9)], 'cancel', raise('CustomError', 'inner')))),
            sleep(9),
          ),
        ),
      ],
      'group',
      cancelling,
    ),
  ]),
);

scenario(
  'H67',
  'uncancel() to 0 drops a cancel of the group that was not delivered yet',
  ['1 #0 group g over <TaskGroup cancelling>', '2 #0 slept None'],
  program([
    attempt(
      [
        group(
          'g',
          tgSpawn('g', 'a', body(sleep(1), raise('ValueError', 'a'))),
          // At the turn in which the child's failure is seen, nothing is awaited in the body any more.
          sleep(1),
        ),
      ],
      'group',
    ),
    cancelling,
    sleep(1),
    cancelling,
  ]),
);

scenario(
  'H67',
  'an eager child that fails at once is seen by the group',
  [
    '0 #0 tg_spawn a -> True',
    '0 #0 caught ExceptionGroup(unhandled errors in a TaskGroup, [ValueError(eager)#',
  ],
  program(
    [
      ends(body(group('g', tgSpawn('g', 'a', body(raise('ValueError', 'eager')))))),
      cancelling,
      ends(
        body(group('h', tgSpawn('h', 'b', body(raise('ValueError', 'eager'))), log('still here'), sleep(9))),
      ),
      cancelling,
    ],
    { eager: true },
  ),
);

scenario(
  'H67',
  'an eager child that starts a failing sibling before it is in the group is cancelled with the others',
  ['0 B caught CancelledError()#'],
  program(
    [
      future('f'),
      ends(
        body(
          group(
            'g',
            tgSpawn(
              'g',
              'b',
              body(tgSpawn('g', 'c', body(raise('RuntimeError', 'third'))), reraise([awaits('f')], 'cancel')),
            ),
          ),
        ),
      ),
    ],
    { eager: true },
  ),
);

scenario(
  'H68',
  'a group that is shutting down, or over, closes the coroutine that it refuses',
  [
    '1 #0 tg_spawn b ! RuntimeError(TaskGroup <TaskGroup tasks=1 errors=1 cancelling> is shutting down)',
    '2 #0 tg_spawn c ! RuntimeError(TaskGroup <TaskGroup cancelling> is finished)',
  ],
  program([
    attempt(
      [
        group(
          'g',
          tgSpawn('g', 'a', body(sleep(1), raise('ValueError', 'a'))),
          tgSpawn('g', 's', body(finallyDo([sleep(9)], sleep(1)))),
          attempt([sleep(9)], 'cancel', tgSpawn('g', 'b', body(log('not reached')))),
        ),
      ],
      'group',
    ),
    tgSpawn('g', 'c', body(log('not reached'))),
    group('e'),
    { k: 'reenter', s: 'e' },
  ]),
);

scenario(
  'H68',
  'errors that a child throws while it is closed down are not swallowed',
  [
    '1 #0 caught ExceptionGroup(unhandled errors in a TaskGroup, [ValueError(late)#1, CustomError(body)#2])#0',
  ],
  program([
    ends(
      body(
        group(
          'g',
          tgSpawn('g', 'a', body(finallyDo([sleep(9)], raise('ValueError', 'late')))),
          sleep(1),
          raise('CustomError', 'body'),
        ),
      ),
    ),
    cancelling,
  ]),
);

scenario(
  'H67',
  'a group that throws SystemExit does not cancel again whoever catches it during the shutdown',
  ['0 #0 cancelling 2', '1 #0 slept None'],
  program([
    attempt([group('g', tgSpawn('g', 't', body(raise('SystemExit', 'bye'))))], 'base', cancelling),
    sleep(1),
  ]),
);

// What has no number: rules that are easily lost

scenario(
  'gather',
  'an eager child that ends a future before it in the list does not end the gathering within the call',
  ['0 #0 make a False', '0 #0 caught ValueError(f)#'],
  program(
    [future('f'), make('a', gather(['f', body(fail('f'))])), ends('a'), make('b', gather([body(), body()]))],
    { eager: true },
  ),
);

scenario(
  'cancel',
  'a task that awaits itself gets an error',
  ['0 T caught RuntimeError(Task cannot await on itself: <>)#0'],
  program([
    spawn(
      't',
      body(attempt([{ k: 'await', aw: slot('t'), itself: true }], 'exc'), sleep(1), returns('lived')),
    ),
    sleep(2),
    result('t'),
  ]),
);

scenario(
  'cancel',
  'messages: the first of two requests arrives, later looks at the task have none, a future keeps its own',
  ['1 #0 cancelling 0', '1 T caught CancelledError(one)#0'],
  program([
    spawn('t', body(reraise([sleep(9)], 'cancel', cancelling))),
    sleep(1),
    cancel('t', 'one'),
    cancel('t', 'two'),
    cancelling,
    ends('t'),
    ends('t'),
    future('f'),
    cancel('f', 'f'),
    ends('f'),
    ends('f'),
    exception('f'),
  ]),
);

scenario(
  'timeout',
  'reschedule reaches a timer that is due already, from the body and from a callback',
  ['2 #0 slept None'],
  program([
    timeout('m', 1, at(1, reschedule('m', null)), reschedule('m', 1), sleep(2)),
    ends(body(timeout('n', null, reschedule('n', -1), sleep(1)))),
    reschedule('n', 1),
    ends(body(timeout('o', 5, later(1, reschedule('o', 0)), sleep(9)))),
    { k: 'reenter', s: 'o' },
  ]),
);

scenario(
  'exit',
  'SystemExit leaves the loop at once, and the shutdown cancels the rest',
  ['1 - run SystemExit(bye)#'],
  program([
    spawn('a', body(finallyDo([sleep(9)], log('cleaned up')))),
    spawn('b', body(sleep(1), raise('SystemExit', 'bye'))),
    sleep(5),
    log('not reached'),
  ]),
);

scenario(
  'reports',
  'an error that nobody retrieved is reported once, of tasks, futures and gatherings alike',
  ['0 #0 exception -> ValueError(read)#'],
  program([
    spawn('a', body(raise('ValueError', 'task'))),
    spawn('b', body(raise('ValueError', 'read'))),
    spawn('c', body(raise('ValueError', 'silenced by a cancel'))),
    make('g', gather([body(raise('ValueError', 'gathered'))])),
    future('f'),
    fail('f', 'CustomError', 'future'),
    sleep(0),
    sleep(0),
    sleep(0),
    exception('b'),
    cancel('c'),
  ]),
);

export { scenarios };
