// The checks that run nothing of the project: types, lint, format, layers and the package as it would be published.
import { buildLibrary, buildTests, tsc } from './build.mjs';
import { checkLayers } from './layers.mjs';
import { setup } from './setup.mjs';
import { Failure, isMain, node, root, stages, tool } from './support.mjs';

async function checkTypes() {
  await tsc('tsconfig.core.json'); // without the types of Node: the core runs in browsers
  await tsc('scripts/tsconfig.json');
  await buildTests();
}

/** Whether what package.json promises is in the package, as publint sees it. */
async function checkPackage() {
  const { publint } = await import('publint');
  const { formatMessage } = await import('publint/utils');
  const { messages, pkg } = await publint({ pkgDir: root, pack: 'npm', strict: true });
  for (const message of messages) console.log(`${message.type}: ${formatMessage(message, pkg)}`);
  if (messages.some(({ type }) => type === 'error')) throw new Failure('publint found errors');
  if (messages.length === 0) console.log('publint: nothing to report');
}

export const checks = {
  'build the library': buildLibrary,
  'types of core, tests, examples, bench, scripts': checkTypes,
  lint: () => node([tool('oxlint/bin/oxlint'), '--quiet']),
  format: () => node([tool('@biomejs/biome/bin/biome'), 'format', '--max-diagnostics=50']),
  layers: checkLayers,
  package: checkPackage,
};

if (isMain(import.meta.url)) {
  await setup();
  await stages(checks);
}
