// Checks the imports of src: none points to a higher layer, the core imports nothing from outside, and no modules
// import each other in a circle when they run. The order of the layers is that of docs/design.md.
import { readdirSync, readFileSync } from 'node:fs';
import path from 'node:path';
import { Failure, isMain, root } from './support.mjs';

const layers = [
  'core',
  'host',
  'concurrent',
  'io',
  'files',
  'tracemalloc',
  'threading',
  'multiprocessing',
  'http',
  'tools',
];
const src = path.join(root, 'src');

// Statements begin a line, which those inside of comments never do; `import()` may stand anywhere in one.
const statement = /^(?<head>import|export)\b(?<names>[^'";]*?)(?:\bfrom\s*)?['"](?<from>[^'"]+)['"]/gm;
const call = /^(?!\s*(?:\*|\/\/|\/\*)).*\bimport\(\s*['"](?<from>[^'"]+)['"]/gm;

/** What a module imports: `{ from, runtime }`, where types alone (`import type`) are not there at run time. */
function* imports(text) {
  for (const { groups } of text.matchAll(statement)) {
    if (groups.head === 'export' && !/[*}]\s*(as\s+\w+\s*)?$/.test(groups.names)) continue;
    yield { from: groups.from, runtime: !/^\s*type\s+[\w{*]/.test(groups.names) };
  }
  for (const { groups } of text.matchAll(call)) yield { from: groups.from, runtime: false };
}

function readModules() {
  const files = readdirSync(src, { recursive: true, encoding: 'utf8' })
    .filter((file) => file.endsWith('.ts'))
    .sort();
  return new Map(files.map((file) => [file, [...imports(readFileSync(path.join(src, file), 'utf8'))]]));
}

/** The height of a module; the files of src itself are the faces of the package and may import everything. */
function layerOf(file) {
  const [first] = file.split(path.sep);
  return first === file ? layers.length : layers.indexOf(first);
}

function* layerErrors(modules) {
  for (const [file, found] of modules) {
    if (layerOf(file) < 0) yield `${file}: belongs to no layer (${layers.join(', ')})`;
    for (const { from } of found) {
      if (!from.startsWith('.')) {
        if (layerOf(file) === 0) yield `${file}: the core imports nothing from outside, and here '${from}'`;
        continue;
      }
      const target = path.relative(src, path.resolve(src, path.dirname(file), from));
      if (!modules.has(target)) yield `${file}: no module '${from}'`;
      else if (layerOf(target) > layerOf(file)) yield `${file}: imports upwards, '${from}'`;
    }
  }
}

/** Every circle of run-time imports that a depth-first walk closes. */
function* circles(modules) {
  const done = new Set();
  function* walk(file, trail) {
    if (trail.includes(file)) {
      yield [...trail.slice(trail.indexOf(file)), file].join(' → ');
      return;
    }
    if (done.has(file)) return;
    for (const { from, runtime } of modules.get(file) ?? []) {
      if (runtime && from.startsWith('.')) {
        yield* walk(path.relative(src, path.resolve(src, path.dirname(file), from)), [...trail, file]);
      }
    }
    done.add(file);
  }
  for (const file of modules.keys()) yield* walk(file, []);
}

export function checkLayers() {
  const modules = readModules();
  const errors = [...layerErrors(modules), ...[...circles(modules)].map((circle) => `circle: ${circle}`)];
  if (errors.length > 0) throw new Failure(errors.join('\n'));
  console.log(`${modules.size} modules, no import upwards, no circle`);
}

if (isMain(import.meta.url)) checkLayers();
