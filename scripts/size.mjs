// Bundles the smallest programs as a web application would and prints their size; the first has a limit.
import { mkdirSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { gzipSync } from 'node:zlib';
import { buildLibrary } from './build.mjs';
import { setup } from './setup.mjs';
import { help, red, root } from './support.mjs';

help(
  'usage: npm run size [-- --modules]\n\n  --modules  also what each module takes of it, before minification',
);

const limitBytes = 18_000;
const body = 'function* main() { yield* sleep(0); }\nrun(main);\n';
const programs = {
  'asyncio-ts/core': `import { run, sleep } from 'asyncio-ts/core';\n${body}`,
  'asyncio-ts': `import { run, sleep } from 'asyncio-ts';\n${body}`,
};

await setup();
await buildLibrary();
const { rolldown } = await import('rolldown');
const folder = path.join(root, 'build/size');
mkdirSync(folder, { recursive: true });

for (const [entry, text] of Object.entries(programs)) {
  const input = path.join(folder, `${entry.replace('/', '-')}.js`);
  writeFileSync(input, text);
  const bundle = await rolldown({ input, external: /^node:/ });
  const { output } = await bundle.generate({ minify: true });
  await bundle.close();
  const chunks = output.filter((file) => file.type === 'chunk');
  const code = chunks.map((chunk) => chunk.code).join('');
  const bytes = gzipSync(code, { level: 9 }).length;
  const tooLarge = entry === 'asyncio-ts/core' && bytes > limitBytes;
  console.log(
    `run and sleep of ${entry}: ${bytes} bytes minified and compressed (${code.length} before compression)` +
      (tooLarge ? red(`, the limit is ${limitBytes}`) : ''),
  );
  if (tooLarge) process.exitCode = 1;
  if (!process.argv.includes('--modules')) continue;
  const modules = chunks.flatMap((chunk) => Object.entries(chunk.modules));
  for (const [file, { renderedLength }] of modules.toSorted(
    ([, a], [, b]) => b.renderedLength - a.renderedLength,
  )) {
    console.log(`${String(renderedLength).padStart(8)}  ${path.relative(root, file)}`);
  }
}
