// Installs the packages of package-lock.json when node_modules lacks one of them. Needs Node and npm alone.
import { readFileSync } from 'node:fs';
import path from 'node:path';
import { Failure, isMain, npm, root } from './support.mjs';

function packages(file) {
  try {
    return JSON.parse(readFileSync(path.join(root, file), 'utf8')).packages;
  } catch {
    return {};
  }
}

/** npm notes in node_modules what it installed last; an interrupted install leaves no note. */
function isInstalled() {
  const installed = packages('node_modules/.package-lock.json');
  return Object.entries(packages('package-lock.json')).every(
    ([name, { version, integrity, optional }]) =>
      name === '' ||
      (optional && !installed[name]) || // made for another platform
      (installed[name]?.version === version && installed[name].integrity === integrity),
  );
}

export async function setup() {
  if (isInstalled()) return;
  console.log('Installing the development packages …');
  const { code } = await npm(['ci', '--include=dev', '--no-audit', '--no-fund']);
  if (code !== 0)
    throw new Failure(`npm ci failed. If it misses packages in the lockfile: node scripts/lock.mjs`);
}

if (isMain(import.meta.url)) await setup();
