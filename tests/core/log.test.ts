import assert from 'node:assert/strict';
import { describe, mock, test } from 'node:test';
import { getRunningLoop, run, setLogger, sleep } from 'asyncio-ts';
import { takeWarnings } from '../support/leaks.ts';
import { logOf, runProgram } from '../support/programs.ts';

describe('the logger', () => {
  test('is standard error for warnings and errors, until another is set', async () => {
    const { stdout, stderr } = await runProgram(`
      await asyncio.run(async () => {
        asyncio.getRunningLoop().callExceptionHandler({ message: 'first' });
        asyncio.setLogger({ debug() {}, info() {}, warning() {}, error: (m) => console.log('logged', m) });
        asyncio.getRunningLoop().callExceptionHandler({ message: 'second' });
        asyncio.setLogger(null);
        asyncio.getRunningLoop().callExceptionHandler({ message: 'third' });
      });
    `);
    assert.equal(stdout, 'logged second\n');
    assert.equal(stderr, 'first\nthird\n');
  });

  test('hears of debug matters in debug mode only', async () => {
    const quiet = await logOf(() => run(async () => {}));
    const debug = await logOf(() => run(async () => {}, { debug: true }));
    assert.deepEqual(quiet, []);
    assert.ok(debug.some((line) => line.startsWith('debug: ')));
  });

  test('that throws does not stop the loop (P30)', async () => {
    const failing = (): never => {
      throw new Error('no log');
    };
    setLogger({ debug: failing, info: failing, warning: failing, error: failing });
    try {
      let ran = false;
      await run(async () => {
        getRunningLoop().callSoon(() => {
          throw new Error('boom');
        });
        getRunningLoop().callSoon(() => {
          ran = true;
        });
        await sleep(0.001);
      }).catch(() => {});
      assert.equal(ran, true);
    } finally {
      setLogger(null);
      mock.restoreAll();
      takeWarnings();
    }
  });
});
