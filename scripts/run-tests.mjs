// Runs the compiled tests with node:test, on this Node or on another one.
import { mkdirSync, readdirSync, readFileSync } from 'node:fs';
import path from 'node:path';
import { Failure, help, isMain, root, run } from './support.mjs';

const resultsOf = (version) => path.join(root, '.cache/tests', `${version}.json`);

/** What the last run on that version counted: `{ tests, pass, fail, skipped, … }`. */
export function lastCounts(version) {
  return JSON.parse(readFileSync(resultsOf(version), 'utf8'));
}

/**
 * @param {object} [options]
 * @param {string[]} [options.words] - run only the files with one of these words in their path
 * @param {string[]} [options.without] - leave out these files
 * @param {string} [options.binary] - the Node to run on
 * @param {string} [options.version] - its version
 * @param {boolean} [options.brief] - repeat less
 */
export async function runTests({
  words = [],
  without = [],
  binary = process.execPath,
  version = process.versions.node,
  brief = false,
} = {}) {
  const files = readdirSync(path.join(root, 'build/tests'), { recursive: true, encoding: 'utf8' })
    .filter(
      (file) =>
        file.endsWith('.test.js') && (words.length === 0 || words.some((word) => file.includes(word))),
    )
    .filter((file) => !without.some((name) => file === `${name}.test.js`))
    .map((file) => path.join('build/tests', file))
    .sort();
  if (files.length === 0) throw new Failure('no test file found');
  mkdirSync(path.dirname(resultsOf(version)), { recursive: true });
  const args = [
    '--enable-source-maps',
    '--test',
    '--test-concurrency=3', // on two cores: many tests wait
    '--test-timeout=300000', // a test that hangs fails
    '--test-reporter=spec',
    '--test-reporter-destination=stdout',
    '--test-reporter=./scripts/test-counts.mjs',
    `--test-reporter-destination=${resultsOf(version)}`,
    ...files,
  ];
  const { code } = await run(binary, args, { env: brief ? { TEST_ROUNDS: 'few' } : {} });
  if (code !== 0) throw new Failure(`the tests failed on Node ${version} (exit code ${code})`);
  const counts = lastCounts(version);
  if (!counts.tests) throw new Failure('no test ran');
  return counts;
}

if (isMain(import.meta.url)) {
  help(
    'usage: node scripts/run-tests.mjs [WORD …]\n\nRuns the compiled tests whose path has one of the words, or all.',
  );
  await runTests({ words: process.argv.slice(2) });
}
