// The tests on the Nodes that `npm test` did not run on, and a small program on Bun and Deno. Every one is tried;
// the last lines say which passed.
import { fetchBun, fetchDeno, fetchNode, major, nodeVersions } from './nodes.mjs';
import { lastCounts, runTests } from './run-tests.mjs';
import { bold, Failure, help, red, run } from './support.mjs';

help(
  'usage: node scripts/matrix.mjs\n\nAfter npm test: the same tests, repeated less, on other Nodes, a small program on Bun and Deno.',
);

/**
 * What the host has no part in: comparisons with CPython and aiohttp in pure computation, locks and queues in virtual
 * time, the hunts for faults, at random or put in on purpose, types, and what the larger examples print.
 */
const ONCE = [
  'conformance/executors',
  'conformance/fuzz',
  'conformance/hard-programs',
  'conformance/mixtures',
  'conformance/priority-queue',
  'conformance/streams',
  'conformance/tracemalloc',
  'core/barrier',
  'core/conditions',
  'core/locks',
  'core/primitives',
  'core/priority-queue',
  'core/queues',
  'core/semaphores',
  'core/waiter-lines',
  'examples/link-checker/program',
  'examples/reddit',
  'examples/three-ways',
  'http/cookie-helpers',
  'http/cookiejar',
  'http/cookies',
  'http/environment',
  'http/formdata',
  'http/interop-httpbin',
  'http/interop-websockets',
  'http/linear-time',
  'http/links',
  'http/multidict',
  'http/multipart-disposition',
  'http/multipart-properties',
  'http/multipart-reader',
  'http/multipart-writer',
  'http/redirect-fuzz',
  'http/request-fuzz',
  'http/response-fuzz',
  'http/websocket-autobahn',
  'http/websocket-fuzz',
  'package/surface',
  'testing/explore',
  'testing/mutants',
  'types/rejected',
];

const summary = [];
let failed = false;

async function attempt(name, step) {
  console.log(`\n${bold(`== ${name}`)}`);
  try {
    summary.push(`${name}: ${await step()}`);
  } catch (error) {
    console.error(error instanceof Failure ? error.message : error);
    summary.push(red(`${name}: failed`));
    failed = true;
  }
}

const passed = ({ pass, fail, skipped }) =>
  `${pass} passed, ${fail} failed${skipped ? `, ${skipped} skipped` : ''}`;

async function smoke(fetchBinary, args) {
  let binary;
  try {
    binary = await fetchBinary();
  } catch (error) {
    if (!(error instanceof Failure)) throw error;
    return `not tried: ${error.message}`;
  }
  for (const program of ['smoke', 'http', 'websocket']) {
    const { code } = await run(binary, [...args, `build/tests/runtimes/${program}.js`]);
    if (code !== 0) throw new Failure(`${program}: exit code ${code}`);
  }
  return 'passed';
}

const present = process.versions.node;
await attempt(`Node ${present}`, () => passed(lastCounts(present)));
for (const version of nodeVersions.filter((other) => major(other) !== major(present))) {
  await attempt(`Node ${version}`, async () =>
    passed(await runTests({ binary: await fetchNode(version), version, without: ONCE, brief: true })),
  );
}
await attempt('Bun', () => smoke(fetchBun, ['run']));
await attempt('Deno', () => smoke(fetchDeno, ['run', '--allow-all']));

console.log(`\n${summary.join('\n')}`);
process.exitCode = failed ? 1 : 0;
