/** How values, callbacks, futures and places in the source print. Counterpart: `asyncio/format_helpers.py`. */
import { DEBUG_STACK_DEPTH } from './constants.ts';
import type { StackFrame } from './types.ts';

const MAX_TEXT = 30;
const MAX_ITEMS = 6;
const MAX_DEPTH = 3;

/**
 * A short text of any value, in the manner of Python's `reprlib`. Never throws, whatever the value's own code does.
 */
export function repr(value: unknown, depth = 0): string {
  try {
    return describe(value, depth);
  } catch {
    return '<unprintable object>';
  }
}

function describe(value: unknown, depth: number): string {
  switch (typeof value) {
    case 'string':
      return quote(value);
    case 'bigint':
      return `${value}n`;
    case 'function':
      return value.name === '' ? '<function>' : `<function ${value.name}>`;
    case 'object':
      return value === null ? 'null' : describeObject(value, depth);
    default:
      return String(value);
  }
}

function quote(text: string): string {
  const shown = text.length > MAX_TEXT ? `${text.slice(0, 12)}...${text.slice(-13)}` : text;
  const escaped = shown.replaceAll('\\', '\\\\').replaceAll('\n', '\\n').replaceAll('\r', '\\r');
  return escaped.includes("'") && !escaped.includes('"')
    ? `"${escaped}"`
    : `'${escaped.replaceAll("'", "\\'")}'`;
}

function describeObject(value: object, depth: number): string {
  if (value instanceof Error) return reprError(value);
  if (Array.isArray(value)) return depth >= MAX_DEPTH ? '[...]' : `[${items(value, depth)}]`;
  if (value instanceof Set) return depth >= MAX_DEPTH ? 'Set {...}' : `Set {${items([...value], depth)}}`;
  if (value instanceof Promise) return '<Promise>';
  if (value.toString !== Object.prototype.toString && typeof value.toString === 'function') {
    return value.toString();
  }
  const name = value.constructor?.name;
  if (name !== undefined && name !== 'Object') return name === '' ? '<object>' : `<${name} object>`;
  if (depth >= MAX_DEPTH) return '{...}';
  const entries = Object.entries(value);
  const shown = entries.slice(0, MAX_ITEMS).map(([key, item]) => `${key}: ${repr(item, depth + 1)}`);
  if (entries.length > MAX_ITEMS) shown.push('...');
  return shown.length === 0 ? '{}' : `{ ${shown.join(', ')} }`;
}

function items(values: readonly unknown[], depth: number): string {
  const shown = values.slice(0, MAX_ITEMS).map((item) => repr(item, depth + 1));
  if (values.length > MAX_ITEMS) shown.push('...');
  return shown.join(', ');
}

/** `RangeError('text')`, as Python prints an exception object. */
export function reprError(error: Error): string {
  return `${error.name}(${error.message === '' ? '' : quote(error.message)})`;
}

// Groups of errors print themselves with their members, under this name.
const inspectCustom = Symbol.for('nodejs.util.inspect.custom');

/** An error with its stack and the causes that led to it, as Python prints them. Never throws. */
export function formatError(error: unknown): string {
  const parts: string[] = [];
  const seen = new Set<unknown>();
  try {
    for (let link = error; link !== undefined && link !== null && !seen.has(link); ) {
      seen.add(link);
      const { [inspectCustom]: print, stack, cause } = link as Record<PropertyKey, unknown>;
      if (typeof print === 'function' && link instanceof Error) {
        parts.unshift(String(print.call(link)));
        break;
      }
      parts.unshift(typeof stack === 'string' ? stack || repr(link) : repr(link));
      link = cause;
    }
  } catch {
    parts.unshift(repr(error));
  }
  if (parts.length === 0) return repr(error);
  return parts.join('\n\nThe above exception was the direct cause of the following exception:\n\n');
}

/** The name of a type as an error text names it: `number`, `Promise`, `null`. */
export function typeName(value: unknown): string {
  if (value === null) return 'null';
  if (typeof value !== 'object' && typeof value !== 'function') return typeof value;
  return (typeof value === 'function' ? 'function' : value.constructor?.name) || 'object';
}

function nameOf(fn: Function): string {
  try {
    return fn.name || '<anonymous>';
  } catch {
    return '<anonymous>';
  }
}

/** `f()`, or `f(1, 'x')` in debug mode, since arguments may be secret. */
export function formatCallback(callback: unknown, args: readonly unknown[], debug: boolean): string {
  const name = typeof callback === 'function' ? nameOf(callback) : repr(callback);
  return `${name}(${debug ? args.map((arg) => repr(arg)).join(', ') : ''})`;
}

/** The frames of the code that calls, innermost first, without the library's own. */
export function extractStack(limit = DEBUG_STACK_DEPTH): StackFrame[] {
  const holder = Error as { stackTraceLimit?: number };
  const before = holder.stackTraceLimit;
  holder.stackTraceLimit = limit + 12;
  const stack = new Error('here').stack;
  if (before === undefined) delete holder.stackTraceLimit;
  else holder.stackTraceLimit = before;
  return parseStack(stack).filter(isForeign).slice(0, limit);
}

/** The frames of an error's stack, innermost first. Lines that are no frames are left out. */
export function parseStack(stack: unknown): StackFrame[] {
  if (typeof stack !== 'string') return [];
  const frames: StackFrame[] = [];
  for (const line of stack.split('\n')) {
    const match = V8_FRAME.exec(line) ?? GECKO_FRAME.exec(line);
    if (match === null) continue;
    const [, functionName = '', file = '', row = '0', column = '0'] = match;
    frames.push({
      file: toPath(file),
      line: Number(row),
      column: Number(column),
      functionName: functionName || '<anonymous>',
    });
  }
  return frames;
}

const V8_FRAME =
  /^\s+at (?:async )?(?:(.+?) \()?(?:async )?((?:file:|https?:|node:|\/|[A-Za-z]:[\\/])[^)]*?):(\d+):(\d+)\)?$/;
const GECKO_FRAME = /^([^@]*)@(.+?):(\d+):(\d+)$/;

function toPath(file: string): string {
  return file.startsWith('file://') ? decodeURIComponent(file.slice('file://'.length)) : file;
}

let packageFolder: string | null = null;

/** Whether a frame is in code of the library's users: not in the package's compiled files or sources, not in Node. */
export function isForeign(frame: StackFrame): boolean {
  packageFolder ??= toPath(import.meta.url).replace(/(dist|src)[\\/](core[\\/])?[^\\/]*$/, '');
  const isOurs =
    frame.file.startsWith(`${packageFolder}dist`) || frame.file.startsWith(`${packageFolder}src`);
  return !isOurs && !frame.file.startsWith('node:');
}

/** `FILE:LINE` of the innermost frame, or null without frames. */
export function formatPlace(frames: readonly StackFrame[] | null | undefined): string | null {
  const frame = frames?.[0];
  return frame === undefined ? null : `${frame.file}:${frame.line}`;
}

/** One line per frame, oldest first, in Python's layout. */
export function formatStack(frames: readonly StackFrame[]): string {
  return frames
    .map((frame) => `  File "${frame.file}", line ${frame.line}, in ${frame.functionName}`)
    .reverse()
    .join('\n');
}
