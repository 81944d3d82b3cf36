/**
 * The rules that every transport keeps: `connectionMade` once and first, then data, the end at most once,
 * `connectionLost` once and last, pauses and resumptions in turns, and all of it in handles of the loop.
 */
import assert from 'node:assert/strict';
import { after } from 'node:test';
import { type AbstractEventLoop, type BaseProtocol, currentTask, getRunningLoop } from 'asyncio-ts';

/** What may come after what. A new protocol of an old connection begins as `made`. */
const ORDER: Record<string, readonly string[]> = {
  connectionMade: ['new'],
  dataReceived: ['made'],
  getBuffer: ['made'],
  bufferUpdated: ['made'],
  eofReceived: ['made'],
  pauseWriting: ['made', 'ended'],
  resumeWriting: ['made', 'ended'],
  connectionLost: ['made', 'ended'],
};
const NEXT: Record<string, string> = {
  connectionMade: 'made',
  eofReceived: 'ended',
  connectionLost: 'lost',
};

const violations: string[] = [];
const states: (() => string)[] = [];
const replacements = new WeakMap<BaseProtocol, () => void>();

/** Another protocol has taken its place: it hears nothing any more. */
export function replaced(protocol: BaseProtocol): void {
  replacements.get(protocol)?.();
}

after(() => {
  assert.deepEqual(violations, []);
  assert.deepEqual(
    states.map((state) => state()).filter((state) => state === 'made' || state === 'ended'),
    [],
    'these protocols have heard connectionMade and not connectionLost',
  );
});

/** Check all that `protocol` is told from now on; the file fails if a rule is broken. */
export function watched<P extends BaseProtocol>(protocol: P, { isMade = false } = {}): P {
  const loop = getRunningLoop();
  let state = isMade ? 'made' : 'new';
  let isPaused = false;
  states.push(() => state);
  replacements.set(protocol, () => {
    state = 'lost';
  });
  const target = protocol as unknown as Record<string, ((arg: unknown) => unknown) | undefined>;
  for (const method of Object.keys(ORDER)) {
    const original = target[method];
    if (original === undefined) continue;
    target[method] = (arg) => {
      if (!ORDER[method]?.includes(state)) violations.push(`${method} while ${state}`);
      if (method === 'pauseWriting' || method === 'resumeWriting') {
        if (isPaused === (method === 'pauseWriting')) violations.push(`${method} twice`);
        isPaused = !isPaused;
      } else {
        checkHandle(method, loop);
      }
      state = NEXT[method] ?? state;
      return original.call(protocol, arg);
    };
    Object.defineProperty(target[method], 'name', { value: method });
  }
  return protocol;
}

function checkHandle(method: string, loop: AbstractEventLoop): void {
  try {
    if (getRunningLoop() !== loop) violations.push(`${method} in another loop`);
    if (currentTask() !== null) violations.push(`${method} inside of a task`);
  } catch (error) {
    violations.push(`${method} outside of a handle: ${String(error)}`);
  }
}
