/** The errors of programs: how they are made, and which a handler takes. */

import * as asyncio from 'asyncio-ts';
import type { Catch, ErrorName } from './ast.ts';

class CustomError extends Error {
  override name = 'CustomError';
}

export function makeError(name: ErrorName, value: unknown): Error {
  switch (name) {
    case 'ValueError':
      return new RangeError(String(value));
    case 'RuntimeError':
      return new asyncio.RuntimeError(String(value));
    case 'CustomError':
      return new CustomError(String(value));
    case 'CancelledError':
      return new asyncio.CancelledError(String(value));
    case 'TimeoutError':
      return new asyncio.TimeoutError(String(value));
    case 'SystemExit':
      return new asyncio.SystemExit(String(value));
    case 'KeyboardInterrupt':
      return new asyncio.KeyboardInterrupt(String(value));
  }
}

export function catches(what: Catch | undefined, error: unknown): boolean {
  switch (what) {
    case undefined:
      return false;
    case 'cancel':
      return error instanceof asyncio.CancelledError;
    case 'timeout':
      return error instanceof asyncio.TimeoutError;
    case 'value':
      return error instanceof RangeError;
    case 'group':
      return error instanceof asyncio.BaseExceptionGroup;
    case 'exc':
      return !(error instanceof asyncio.BaseException);
    case 'base':
      return true;
  }
}
