// Sets up, builds and runs one of the project's own programs: `node scripts/run.mjs examples/tour [ARGUMENT …]`.
import { buildLibrary, buildTests } from './build.mjs';
import { setup } from './setup.mjs';
import { run } from './support.mjs';

const [program, ...args] = process.argv.slice(2);
await setup();
await buildLibrary();
await buildTests();
const { code } = await run(process.execPath, ['--enable-source-maps', `build/${program}.js`, ...args]);
process.exitCode = code;
