// The test command: everything that must hold before a change lands, on this Node.
import { buildLibrary, buildTests } from './build.mjs';
import { checkDocs } from './check-docs.mjs';
import { checks } from './check.mjs';
import { installPrograms } from './programs.mjs';
import { runTests } from './run-tests.mjs';
import { setup } from './setup.mjs';
import { help, stages } from './support.mjs';

help(`usage: npm test [-- WORD …]

Without words: build, checks (types, lint, format, layers, package), documentation, all tests.
With words:    build, and the test files that have one of the words in their path.`);

const words = process.argv.slice(2);
const packages = { 'development packages': setup };
const builds = { 'build the library': buildLibrary, 'build the tests': buildTests };
const tests = { 'programs to test with': installPrograms, tests: () => runTests({ words }) };
await stages(
  words.length > 0
    ? { ...packages, ...builds, ...tests }
    : { ...packages, ...checks, documentation: checkDocs, ...tests },
);
