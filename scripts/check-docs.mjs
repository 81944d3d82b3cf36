// Compiles the code blocks of the README and of docs that begin with ```ts, runs those with ```ts run, and compares
// what they print with the ```text block that follows, if one does. What a page has in a comment that begins with
// `<!-- prelude` stands before those of its blocks that import nothing.
import { existsSync, mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { Failure, isMain, root, run, stages, tool } from './support.mjs';

const outDir = path.join(root, 'build/docs');
/** A program of the documentation that runs longer has got stuck. */
const limitMs = 60_000;
const prelude = /^<!-- prelude\n(?<code>[^]*?)^-->$/m;
const fence = /^```(?<info>.*)\n(?<code>[^]*?)^```$/gm;

/** The fenced blocks of a text: `{ info, code, line, end }`, with the line where the code begins. */
function blocksOf(text) {
  return [...text.matchAll(fence)].map(({ index, groups, 0: whole }) => ({
    ...groups,
    line: text.slice(0, index).split('\n').length,
    end: index + whole.length,
    start: index,
  }));
}

/** The `ts` blocks of a file, each with the output that the file promises, or null. */
function samplesOf(file) {
  const text = readFileSync(path.join(root, file), 'utf8');
  const blocks = blocksOf(text);
  const common = prelude.exec(text)?.groups?.code?.replaceAll('\n', ' ') ?? '';
  return blocks.flatMap((block, i) => {
    if (block.info !== 'ts' && block.info !== 'ts run') return [];
    const next = blocks[i + 1];
    const promised = next?.info === 'text' && text.slice(block.end, next.start).trim() === '';
    const place = `${file}:${block.line}`;
    const before = /^import /m.test(block.code) ? '' : common;
    return {
      ...block,
      before,
      place,
      name: place.replaceAll(/[^\w]/g, '_'),
      output: promised ? next.code : null,
    };
  });
}

/** Every sample is a module of its own; blank lines keep its line numbers those of the document. */
async function compile(samples) {
  rmSync(outDir, { recursive: true, force: true });
  mkdirSync(outDir, { recursive: true });
  for (const { name, before, code, line } of samples) {
    writeFileSync(
      path.join(outDir, `${name}.ts`),
      `${'\n'.repeat(line - 1)}${before}\n${code}\nexport {};\n`,
    );
  }
  const config = {
    extends: path.join(root, 'tsconfig.base.json'),
    compilerOptions: { types: ['node'], rootDir: '.', sourceMap: false, declaration: false },
    include: ['*.ts'],
  };
  writeFileSync(path.join(outDir, 'tsconfig.json'), JSON.stringify(config));
  const tsc = [tool('typescript/bin/tsc'), '-p', outDir, '--pretty', 'false'];
  const { code, output } = await run(process.execPath, tsc, { capture: true });
  if (code === 0) return;
  let text = output;
  for (const { name, place } of samples) text = text.replaceAll(`build/docs/${name}.ts`, place.split(':')[0]);
  throw new Failure(text);
}

async function runSample({ name, place, output: promised }) {
  const { code, output, isLate } = await run(process.execPath, [path.join(outDir, `${name}.js`)], {
    capture: true,
    env: { NO_COLOR: '1' },
    limitMs,
  });
  if (isLate) throw new Failure(`${place}: still running after ${limitMs / 1000} s, and killed\n${output}`);
  if (code !== 0) throw new Failure(`${place}: exit code ${code}\n${output}`);
  if (promised !== null && output.trimEnd() !== promised.trimEnd()) {
    throw new Failure(`${place}: printed\n\n${output}\nand not, as promised,\n\n${promised}`);
  }
}

/** @param {string[]} [words] - check only the files with one of these words in their path */
export async function checkDocs(words = []) {
  const pages = existsSync(path.join(root, 'docs')) ? readdirSync(path.join(root, 'docs')) : [];
  const files = ['README.md', ...pages.map((page) => `docs/${page}`)];
  const samples = files
    .filter((file) => file.endsWith('.md') && existsSync(path.join(root, file)))
    .filter((file) => words.length === 0 || words.some((word) => file.includes(word)))
    .flatMap((file) => samplesOf(file));
  if (samples.length > 0) await compile(samples);
  const programs = samples.filter(({ info }) => info === 'ts run');
  for (const program of programs) await runSample(program);
  console.log(`${samples.length} code blocks compile, ${programs.length} of them run as promised`);
}

if (isMain(import.meta.url)) await stages({ documentation: () => checkDocs(process.argv.slice(2)) });
