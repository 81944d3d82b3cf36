/**
 * What can be run in another thread or process: a function that a module exports, since the other side has nothing of this
 * one's memory and must import it. As Python's `spawn`, which pickles functions by their names.
 */
import { createRequire } from 'node:module';
import { repr } from '../core/format-helpers.ts';
import { PicklingError } from './errors.ts';

/** A function by itself: on Node its module is found without being told. */
export type TargetFunction<A extends unknown[], R> = (...args: A) => R;

/** A function with the module that exports it, for every runtime: `{ target: child, module: import.meta.url }`. */
export interface ModuleTarget<A extends unknown[], R> {
  /** The function; may be left out if `name` is given. */
  readonly target?: TargetFunction<A, R>;
  /** The module: `import.meta.url` of the file that the function stands in, or any other URL. */
  readonly module: string | URL;
  /** The name of its export. Default: it is looked for. */
  readonly name?: string;
}

/**
 * A function that can be run in another thread or process: exported by a module; sync, async or generator. Where one of any
 * parameters and result is meant, the library writes `Target<any, any>`: whether arguments fit was checked where they were given.
 */
export type Target<A extends unknown[], R> = TargetFunction<A, R> | ModuleTarget<A, R>;

/** Where a target is found by those who have not got it. */
export interface Place {
  readonly module: string;
  /** The name of the export; empty if it is not known. */
  readonly name: string;
  /** The function's source, which tells an export from another of its name; null if only the name is known. */
  readonly text: string | null;
  /** Whether the module was named by the program: then an export of the name will do, if none has the same text. */
  readonly isNamed: boolean;
}

/** @internal Whether `value` may be a target; whether it really is one is known when it is looked for. */
export function isTarget(value: unknown): value is Target<any, any> {
  if (typeof value === 'function') return true;
  return typeof value === 'object' && value !== null && 'module' in value;
}

/** @internal The name of the target's function, for names of threads and for errors. */
export function targetName(target: Target<any, any>): string {
  if (typeof target === 'function') return target.name || '<anonymous>';
  return target.target?.name ?? target.name ?? 'default';
}

const known = new WeakMap<object, Place>();
const loaded = new Map<string, Exports>();

/** What a module exports. */
export type Exports = Readonly<Record<string, unknown>>;

/** @internal What a module of a target exports, if that is known here. */
export function exportsOf(module: string): Exports | undefined {
  return loaded.get(module);
}

/**
 * @internal Where `target` is. That the module really exports it is seen by the worker, which has to import it anyway: a
 * module that is being evaluated, as the main one with its top-level `await`, cannot be imported here.
 *
 * @throws PicklingError if its module cannot be known.
 */
export function placeOf(target: Target<any, any>): Place {
  if (typeof target === 'object') {
    const { target: fn, module, name } = target;
    const text = fn === undefined || name !== undefined ? null : String(fn);
    return { module: urlOf(module), name: name ?? fn?.name ?? 'default', text, isNamed: true };
  }
  let place = known.get(target);
  if (place === undefined) {
    place = find(target);
    known.set(target, place);
  }
  return place;
}

/** What is imported elsewhere is not looked for from here. */
function urlOf(module: string | URL): string {
  const url = String(module);
  if (!/^\.\.?\//.test(url)) return url;
  throw new TypeError(`module must be a URL, got ${repr(url)}: write new URL(${repr(url)}, import.meta.url)`);
}

function find(fn: TargetFunction<any, any>): Place {
  const module = moduleOf(fn);
  if (module === null) {
    throw new PicklingError(
      `Can't pickle ${describe(fn.name)}: it cannot be known here which module it stands in. Pass ` +
        '{ target, module: import.meta.url } (a bound or built-in function: export a function that calls it)',
    );
  }
  // Errors that it throws may be of classes that its module exports.
  import(module).then(
    (exports: Exports) => loaded.set(module, exports),
    () => {},
  );
  return { module, name: fn.name, text: String(fn), isNamed: false };
}

function describe(name: string): string {
  return name === '' ? 'an anonymous function' : `function ${name}`;
}

type AnyFunction = (...args: unknown[]) => unknown;

function isFunction(value: unknown): value is AnyFunction {
  return typeof value === 'function';
}

/**
 * @internal The function at `place`, of a module that has been imported: of its name, else of its text.
 *
 * @throws PicklingError if there is none.
 */
export function functionAt({ module, name, text, isNamed }: Place, exports: Exports): AnyFunction {
  const isIt = (value: unknown): value is AnyFunction =>
    isFunction(value) && (text === null || String(value) === text);
  const { default: all } = exports;
  // `import` shows what a CommonJS module exports in part only.
  const sources = [exports, typeof all === 'object' && all !== null ? (all as Exports) : {}];
  for (const source of sources) if (name in source && isIt(source[name])) return source[name];
  if (text !== null) {
    for (const value of sources.flatMap((source) => Object.values(source))) if (isIt(value)) return value;
    // A copy that was compiled in another way.
    if (isNamed) for (const source of sources) if (isFunction(source[name])) return source[name];
  }
  throw new PicklingError(
    `Can't pickle ${describe(name)}: it is not exported by ${module}. What runs in another thread or process is imported ` +
      'there: export the function at the top of its module, and pass what it needs as arguments',
  );
}

/** @internal For errors of those who are given something else. */
export function checkTarget(target: unknown, what: string): void {
  if (isTarget(target)) return;
  throw new TypeError(
    `${what} must be a function that a module exports, or { target, module: import.meta.url }, got ${repr(target)}`,
  );
}

// The inspector knows where a function was written. Nobody debugs by this: the session is open for the question alone.

interface RemoteObject {
  readonly objectId?: string;
  readonly value?: { readonly scriptId: string };
}

interface Inspector {
  readonly Session: new () => {
    connect(): void;
    disconnect(): void;
    on(event: string, listener: (message: { params: { scriptId: string; url: string } }) => void): void;
    post(method: string, params: object, callback: (error: Error | null, result: any) => void): void;
  };
}

const QUESTION = Symbol.for('asyncio-ts: function in question');

/** The URL of the module that `fn` was written in, or null if that cannot be known. */
function moduleOf(fn: TargetFunction<any, any>): string | null {
  let inspector: Inspector;
  try {
    inspector = createRequire(import.meta.url)('node:inspector') as Inspector;
  } catch {
    return null; // a Node without inspector, or another runtime
  }
  const globals = globalThis as { [QUESTION]?: unknown };
  let session: InstanceType<Inspector['Session']> | null = null;
  try {
    session = new inspector.Session();
    session.connect();
    const urls = new Map<string, string>();
    session.on('Debugger.scriptParsed', ({ params }) => urls.set(params.scriptId, params.url));
    // All of these answer within the call. `any`: the protocol's answers, each taken apart where it is asked for.
    let answer: any = null;
    const ask = (method: string, params: object = {}): any => {
      session?.post(method, params, (_error, result) => (answer = result));
      return answer;
    };
    globals[QUESTION] = fn;
    const expression = "globalThis[Symbol.for('asyncio-ts: function in question')]";
    const { objectId } = ask('Runtime.evaluate', { expression }).result as RemoteObject;
    const { internalProperties } = ask('Runtime.getProperties', { objectId, ownProperties: true }) as {
      internalProperties: { name: string; value: RemoteObject }[];
    };
    const place = internalProperties.find(({ name }) => name === '[[FunctionLocation]]')?.value.value;
    if (place === undefined) return null;
    ask('Debugger.enable');
    const url = urls.get(place.scriptId);
    return url === undefined || url === '' ? null : toUrl(url);
  } catch {
    return null; // Bun and Deno have the module, and not all of these
  } finally {
    delete globals[QUESTION];
    session?.disconnect();
  }
}

/** CommonJS modules go by their path. */
function toUrl(script: string): string {
  return script.startsWith('/') || /^[A-Za-z]:\\/.test(script) ? pathToUrl(script) : script;
}

function pathToUrl(path: string): string {
  return process.getBuiltinModule('node:url').pathToFileURL(path).href;
}
