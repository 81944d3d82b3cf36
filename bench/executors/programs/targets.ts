/** What the workers of our executors run. */
import { transfer } from 'asyncio-ts/concurrent';

export function add(a: number, b: number): number {
  return a + b;
}

export function bounce(buffer: Uint8Array): Uint8Array {
  return buffer;
}

export function bounceMoved(buffer: Uint8Array): Uint8Array {
  return transfer(buffer);
}
