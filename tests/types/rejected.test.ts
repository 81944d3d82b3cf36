import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { readdirSync, readFileSync } from 'node:fs';
import path from 'node:path';
import { describe, test } from 'node:test';
import { root } from '../support/project.ts';
import '../support/leaks.ts';

const folder = path.join(root, 'tests/types/rejected');
const compiler = path.join(root, 'node_modules/typescript/bin/tsc');

/** The errors of one compilation of the whole folder: `file:line` to the messages there. */
function compile(): Map<string, string> {
  const { stdout } = spawnSync(process.execPath, [compiler, '-p', '.', '--pretty', 'false'], {
    cwd: folder,
    encoding: 'utf8',
  });
  const errors = new Map<string, string>();
  let place = '';
  for (const line of stdout.trimEnd().split('\n')) {
    const head = /^(?<file>[^(]+)\((?<line>\d+),\d+\): error (?<text>.*)/.exec(line)?.groups;
    if (head) place = `${head['file']}:${head['line']}`;
    errors.set(place, `${errors.get(place) ?? ''}${head?.['text'] ?? line}\n`);
  }
  return errors;
}

/** Every comment `// expect: …` of a file announces an error on the line after it. */
function expectationsOf(file: string): { place: string; fragment: string }[] {
  const lines = readFileSync(path.join(folder, file), 'utf8').split('\n');
  return lines.flatMap((line, i) => {
    const fragment = /^\s*\/\/ expect: (.*)$/.exec(line)?.[1];
    return fragment === undefined ? [] : [{ place: `${file}:${i + 2}`, fragment }];
  });
}

describe('the compiler rejects', () => {
  const errors = compile();
  for (const file of readdirSync(folder).filter((name) => name.endsWith('.ts'))) {
    test(file.replace('.ts', '').replaceAll('-', ' '), () => {
      const expectations = expectationsOf(file);
      assert.ok(expectations.length > 0, 'no comment // expect:');
      for (const { place, fragment } of expectations) {
        assert.ok(errors.get(place)?.includes(fragment), `${place}: ${errors.get(place) ?? 'no error'}`);
      }
      const found = [...errors.keys()].filter((place) => place.startsWith(`${file}:`));
      assert.deepEqual(
        found,
        expectations.map(({ place }) => place),
      );
    });
  }
});
