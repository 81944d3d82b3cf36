import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import '../support/leaks.ts';
import { linesOf, Program } from './program.ts';

describe('example', () => {
  it('sleep', async () => {
    assert.deepEqual(await linesOf('sleep'), ['Sleep now.', 'OK, wake up!']);
  });

  it('loop-time', async () => {
    const expected = ['Blocking...', 'Blocking...', 'Blocking...', 'Done.'];
    assert.deepEqual(await linesOf('loop-time', ['--virtual']), expected);
    const start = performance.now();
    assert.deepEqual(await linesOf('loop-time'), expected);
    assert(performance.now() - start > 3000, 'real time takes three seconds');
  });

  it('create-task', async () => {
    assert.deepEqual(await linesOf('create-task'), ['The answer is 42.']);
  });

  it('cancel-task', async () => {
    assert.deepEqual(await linesOf('cancel-task'), [
      'quick: done, with tea, brewed for 3 minutes',
      'slow: not done yet',
      'cancelling quick: false',
      'cancelling slow: true',
      'slow: not done yet',
      '  (the water is poured away)',
      'quick: done, with tea, brewed for 3 minutes',
      'slow: done, cancelled',
    ]);
  });

  it('gather', async () => {
    assert.deepEqual(await linesOf('gather'), [
      'Three trips, the longest first:',
      '  back from Bergen',
      '  back from Cusco',
      '  back from Aleppo',
      '  results: Aleppo, Bergen, Cusco',
      'Three trips, one of them cancelled:',
      '  called back from Bergen',
      '  back from Aleppo',
      '  back from Cusco',
      '  results: Aleppo, CancelledError, Cusco',
      'Two trips, cancelled together:',
      '  called back from Aleppo',
      '  called back from Bergen',
      '  the gathering is cancelled',
    ]);
  });

  it('race', async () => {
    assert.deepEqual(await linesOf('race'), [
      'A hasty pool:',
      '  schedule 6 breaks it: before step 3: cancel request 1',
      'The same schedule again:',
      '  time 0',
      '      1  scenario           ends',
      "      2  request 1          waits for 'connection 1 opens' at race.ts:34",
      '      *  cancel request 1',
      '      3  request 2          waits for <Semaphore [locked, waiters:1]> at race.ts:32',
      '      4  request 3          waits for <Semaphore [locked, waiters:2]> at race.ts:32',
      '      5  request 1          is cancelled',
      '      !  request 2 waits for <Semaphore [locked, waiters:2]> at race.ts:32, for ever',
      '      !  request 3 waits for <Semaphore [locked, waiters:2]> at race.ts:32, for ever',
      'A careful pool:',
      '  usual order: 1 schedules, all that there are',
      '  1 cancel: 30 schedules, all that there are',
      '  2 cancels: 339 schedules, all that there are',
      '  1 cancel, 1 deviation: 6 schedules, all that there are',
      '  random: 1000 schedules',
    ]);
  });

  it('lock', async () => {
    assert.deepEqual(await linesOf('lock'), [
      '2 seats, sold without a lock:',
      '  Ann: paid, seats left: 1',
      '  Bob: paid, seats left: 0',
      '  Cid: paid, seats left: -1',
      '  Eve: paid, seats left: -2',
      '2 seats, sold one at a time:',
      '  Ann: paid, seats left: 1',
      '  Bob: paid, seats left: 0',
      '  Cid: sold out',
      '  Eve: sold out',
      'The counter is closed for a while:',
      '  Ann: goes home',
      '  open again: <Lock [locked, waiters:1]>',
      '  Bob: paid, seats left: 1',
    ]);
  });

  it('event', async () => {
    assert.deepEqual(await linesOf('event'), [
      '  Ann comes and waits',
      '  Bob comes and waits',
      'The door opens: <Event [unset, waiters:2]>',
      '  Ann is in',
      '  Bob is in',
      '  Cid comes',
      '  Cid is in',
      'The door is shut.',
      '  Eve comes and waits',
      'The door opens again: <Event [unset, waiters:1]>',
      '  Eve is in',
    ]);
  });

  it('condition', async () => {
    assert.deepEqual(await linesOf('condition'), [
      '  lorry drives on: 7 of 10 tons',
      '  van drives on: 10 of 10 tons',
      '  bus has to wait',
      '  car has to wait',
      '  van drives off: 7 of 10 tons',
      '  car drives on: 8 of 10 tons',
      '  lorry drives off: 1 of 10 tons',
      '  bus drives on: 9 of 10 tons',
      '  bus drives off: 1 of 10 tons',
      '  car drives off: 0 of 10 tons',
    ]);
  });

  it('semaphore', async () => {
    assert.deepEqual(await linesOf('semaphore'), [
      '7 pages, 3 at once:',
      '  page 1       under way: 1      waiting: 2 3 4 5 6 7',
      '  page 2       under way: 1 2    waiting: 3 4 5 6 7',
      '  page 3       under way: 1 2 3  waiting: 4 5 6 7',
      '  5 gives up   under way: 1 2 3  waiting: 4 6 7',
      '  page 4       under way: 2 3 4  waiting: 6 7',
      '  page 6       under way: 2 4 6  waiting: 7',
      '  page 7       under way: 2 6 7  waiting: -',
      'sizes: 1000, 2000, 3000, 4000, CancelledError, 6000, 7000',
      'permits left: 3',
    ]);
  });

  it('barrier', async () => {
    assert.deepEqual(await linesOf('barrier'), [
      'before:   0   0  90   0   0',
      'step 1:   0  30  30  30   0',
      'step 2:  10  20  30  20  10',
      'step 3:  13  20  23  20  13',
      'step 4:  16  19  21  19  16',
    ]);
  });

  it('queue', async () => {
    assert.deepEqual(await linesOf('queue'), [
      'Two baristas, and room for two orders:',
      '  Kim has ordered',
      '  Lou has ordered',
      '  Max has ordered',
      '  Nia has ordered',
      '  Oda waits at the counter',
      '  Ben: espresso for Lou',
      '  Ben: sorry Max, no tea here',
      '  Oda has ordered',
      '  closing time',
      '  Pit finds the shop closed',
      '  Ben: espresso for Nia',
      '  Ada: cappuccino for Kim',
      '  Ada goes home',
      '  Ben: espresso for Oda',
      '  Ben goes home',
      'The most urgent first:',
      '  1: a heart attack',
      '  2: a broken arm',
      '  3: a cold',
    ]);
  });

  it('generators', async () => {
    assert.deepEqual(await linesOf('generators'), [
      'Sleep now.',
      'OK, wake up!',
      'Blocking...',
      'Blocking...',
      'Blocking...',
      'Done.',
      '4 is done',
      '16 is 16',
      '3 is done',
      '2 is done',
      '1 is done',
      'gathered: 1 4 18',
      'ten seconds were too long',
    ]);
  });

  it('blocking', async () => {
    const lines = await linesOf('blocking');
    assert.match(lines[0] ?? '', /^Reading a file of \d+ MiB, \d+ times:$/);
    assert.match(lines[3] ?? '', /^Reading a URL that takes 0\.1 s to answer, 10 times:$/);
    const measure = (i: number): { seconds: number; got: number; wanted: number } => {
      const pattern = /^ {2}(?:non-)?blocking +(\d+\.\d\d) s, (\d+) of (\d+) heartbeats$/;
      const [, seconds, got, wanted] = pattern.exec(lines[i] ?? '') ?? assert.fail(`no measure: ${lines[i]}`);
      return { seconds: Number(seconds), got: Number(got), wanted: Number(wanted) };
    };
    for (const i of [1, 4]) assert.equal(measure(i).got, 0, 'nothing beats while the thread is blocked');
    for (const i of [2, 5]) assert(measure(i).got > 0, 'the heart goes on');
    assert(measure(4).seconds >= 1, 'ten waits one after the other');
    assert(measure(5).seconds < measure(4).seconds, 'ten waits at once');
    assert.match(lines[6] ?? '', /a worker fetches while the main thread sleeps/);
  });

  it('crawler', async () => {
    const lines = await linesOf('crawler');
    const outcomes = Object.fromEntries(
      lines.slice(0, -1).map((line) => {
        const [, path, outcome] =
          /^(\S+) +\d+ ms {2}(.*)$/.exec(line) ?? assert.fail(`no line of a page: ${line}`);
        return [path, outcome];
      }),
    );
    assert.equal(outcomes['/'], '200, 4 links');
    assert.equal(outcomes['/animals/dodo'], '404 Not Found');
    assert.equal(outcomes['/animals/sloth'], 'no answer within 2 s');
    assert.equal(outcomes['/minerals/lead'], '500 Internal Server Error');
    assert.equal(outcomes['/plants/ivy'], 'broken off in the middle');
    assert.equal(outcomes['/staff'], '200, 1 link');
    assert.equal(lines.at(-1), '16 pages, 12 of them good, at most 4 at once');
  });
});

describe('example http-server', () => {
  it('serves its own clients, and cancels the work of one who leaves', async () => {
    const lines = await linesOf('http-server');
    const events = lines
      .filter((line) => /^ *\d+\.\d\d {2}/.test(line))
      .map((line) => line.trim().replace(/^\S+ {2}/, ''));
    assert.match(events[0] ?? '', /^listening on http:\/\/127\.0\.0\.1:\d+\/$/);
    assert.equal(events.at(-1), 'closed');
    const place = (event: string): number => {
      assert(events.includes(event), event);
      return events.indexOf(event);
    };
    for (const name of ['ann', 'cid', 'eve']) assert(place(`${name}: at work`) < place(`${name}: served`));
    assert(place('bob: at work') < place('bob: cancelled'));
    assert(!events.includes('dan: at work'), 'dan left while he stood in line');
    assert(place('dan: cancelled') < place('cid: at work'));
    assert(place('bob: cancelled') < place('cid: at work'), 'two at work at once');
    assert.deepEqual(lines.slice(lines.indexOf('What the clients got:') + 1, -1), [
      '  done, ann',
      '  bob went away after 1.5 s',
      '  done, cid',
      '  dan went away after 1 s',
      '  done, eve',
    ]);
  });

  it('serves until Ctrl-C on a port of your choice', async () => {
    const program = new Program('http-server', ['--port', '0']);
    const [, url] = await program.prints(/listening on (\S+)\n/);
    const response = await fetch(`${url}fay?seconds=0.01`, { headers: { connection: 'close' } });
    assert.equal(await response.text(), 'done, fay\n');
    program.interrupt();
    const { code, stdout, stderr } = await program.ends();
    assert.equal(code, 130);
    assert.equal(stderr, '');
    assert.match(stdout, /fay: at work\n.*fay: served\n.*closed\n$/);
  });
});
