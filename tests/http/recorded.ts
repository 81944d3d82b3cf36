/** What aiohttp did with cookies, as `recorded/record.py` wrote it down. */
import { readFileSync } from 'node:fs';
import path from 'node:path';
import type { Morsel } from 'asyncio-ts/http';
import { root } from '../support/project.ts';

/** A cookie as plain data. */
export type PlainCookie = [
  name: string,
  value: string,
  codedValue: string,
  attributes: Record<string, string | true>,
];

/** The attributes of a cookie, as plain data. */
export function attributesOf({ attributes }: Morsel): PlainCookie[3] {
  return Object.fromEntries([...attributes].sort(([a], [b]) => (a < b ? -1 : 1)));
}

/** The cases of a file. */
export function recorded<T>(file: string): T[] {
  const text = readFileSync(path.join(root, 'tests/http/recorded', file), 'utf8');
  return text
    .trimEnd()
    .split('\n')
    .map((line) => JSON.parse(line) as T);
}
