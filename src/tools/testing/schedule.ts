/**
 * Schedules: which way was taken at each point where an order is not given. A schedule is written down as its
 * deviations from first come, first served, so that the same program takes the same way again.
 */

/** At the point of this number (from 0), this choice was taken in place of the first one, which is 0. */
export interface Deviation {
  readonly point: number;
  readonly choice: number;
}

/** Who decides at each point. */
export interface Chooser {
  /** Where it has left the usual way. */
  readonly deviations: readonly Deviation[];
  /**
   * Choose one of `1 + orders + cancels` ways: 0 is the usual one, then come those of another order, then the
   * cancellations.
   */
  choose(point: number, orders: number, cancels: number): number;
}

/** Takes the usual way, but for the given deviations, in order of their points. */
export class FixedChooser implements Chooser {
  readonly deviations: readonly Deviation[];
  #next = 0;
  /** Deviations whose choice was not there. */
  #missed = 0;

  constructor(deviations: readonly Deviation[]) {
    this.deviations = deviations;
  }

  choose(point: number, orders: number, cancels: number): number {
    const deviation = this.deviations[this.#next];
    if (deviation === undefined || deviation.point !== point) return 0;
    this.#next++;
    if (deviation.choice <= orders + cancels) return deviation.choice;
    this.#missed++;
    return 0;
  }

  /** Deviations that could not be taken: the program is another one than that of the schedule. */
  get missed(): number {
    return this.deviations.length - this.#next + this.#missed;
  }
}

/** A generator of random numbers from a seed: mulberry32. */
export class Random {
  #state: number;

  constructor(seed: number) {
    this.#state = seed >>> 0;
  }

  /** 0 up to, but not, 1. */
  next(): number {
    this.#state = (this.#state + 0x6d2b79f5) >>> 0;
    let t = this.#state;
    t = Math.imul(t ^ (t >>> 15), t | 1);
    t ^= t + Math.imul(t ^ (t >>> 7), t | 61);
    return ((t ^ (t >>> 14)) >>> 0) / 4294967296;
  }

  /** 0 up to, but not, `n`. */
  below(n: number): number {
    return Math.trunc(this.next() * n);
  }
}

/** How often a random walk leaves the usual order: some do so rarely, others all the time. */
const RATES = [0.03, 0.1, 0.3, 0.7];
/** How often one cancels, as long as it may: the rare ones come to the end of long programs. */
const CANCEL_RATES = [0.01, 0.03, 0.1, 0.3];

/** A number of 32 bits that two numbers decide: neighbours have nothing in common. */
function mix(a: number, b: number): number {
  const first = new Random(a).next() * 0x100000000;
  return (new Random((first ^ b) >>> 0).next() * 0x100000000) >>> 0;
}

/** A random walk: a rate of its own for other orders, and a few cancellations at most. */
export class RandomChooser implements Chooser {
  readonly #random: Random;
  readonly #rate: number;
  readonly #cancelRate: number;
  #cancelsLeft: number;
  readonly deviations: Deviation[] = [];

  /** @param walk - the number of the walk among those of `seed`. */
  constructor(seed: number, walk: number, maxCancels: number) {
    this.#random = new Random(mix(seed, walk));
    this.#rate = RATES[this.#random.below(RATES.length)] as number;
    this.#cancelRate = CANCEL_RATES[this.#random.below(CANCEL_RATES.length)] as number;
    this.#cancelsLeft = this.#random.below(maxCancels + 1);
  }

  choose(point: number, orders: number, cancels: number): number {
    const choice = this.#pick(orders, cancels);
    if (choice !== 0) this.deviations.push({ point, choice });
    return choice;
  }

  #pick(orders: number, cancels: number): number {
    const random = this.#random;
    if (orders > 0 && random.next() < this.#rate) return 1 + random.below(orders);
    if (cancels === 0 || this.#cancelsLeft === 0 || random.next() >= this.#cancelRate) return 0;
    this.#cancelsLeft--;
    return 1 + orders + random.below(cancels);
  }
}

/** How a schedule may differ from the usual one. */
export type Mode = 'faithful' | 'robust';

/** What a replay string says. */
export interface Recording {
  readonly mode: Mode;
  readonly eager: boolean;
  /** Of the scenario's source. */
  readonly hash: string;
  readonly deviations: readonly Deviation[];
}

const VERSION = 'x1';
const REPLAY_STRING = /^x1\.(faithful|robust)\.(lazy|eager)\.([0-9a-f]{8})\.([A-Za-z0-9_-]*)$/;

/** `x1.faithful.lazy.1b2c3d4e.AAIB`: version, mode, start of tasks, hash of the scenario, deviations. */
export function toReplayString({ mode, eager, hash, deviations }: Recording): string {
  const bytes: number[] = [];
  let last = 0;
  for (const { point, choice } of deviations) {
    writeVarint(bytes, point - last);
    writeVarint(bytes, choice);
    last = point;
  }
  const payload = Buffer.from(bytes).toString('base64url');
  return [VERSION, mode, eager ? 'eager' : 'lazy', hash, payload].join('.');
}

/** @throws RangeError if `text` is no replay string. */
export function fromReplayString(text: string): Recording {
  const parts = REPLAY_STRING.exec(text);
  const numbers = parts === null ? null : readPayload(parts[4] as string);
  if (parts === null || numbers === null || numbers.length % 2 !== 0) {
    throw new RangeError(
      `this is no replay string: ${JSON.stringify(text)}; one looks like x1.faithful.lazy.1b2c3d4e.AAIB`,
    );
  }
  const deviations: Deviation[] = [];
  let point = 0;
  for (let i = 0; i + 1 < numbers.length; i += 2) {
    point += numbers[i] as number;
    deviations.push({ point, choice: numbers[i + 1] as number });
  }
  return { mode: parts[1] as Mode, eager: parts[2] === 'eager', hash: parts[3] as string, deviations };
}

function writeVarint(bytes: number[], value: number): void {
  let rest = value;
  for (; rest > 127; rest = Math.floor(rest / 128)) bytes.push((rest % 128) + 128);
  bytes.push(rest);
}

/** Null if something is cut off. */
function readPayload(payload: string): number[] | null {
  const bytes = Buffer.from(payload, 'base64url');
  if (bytes.toString('base64url') !== payload) return null;
  const numbers: number[] = [];
  let value = 0;
  let factor = 1;
  for (const byte of bytes) {
    value += (byte % 128) * factor;
    factor *= 128;
    if (byte > 127) continue;
    numbers.push(value);
    value = 0;
    factor = 1;
  }
  return factor === 1 ? numbers : null;
}

/** A short hash of a text (FNV-1a). */
export function hashOf(text: string): string {
  let hash = 0x811c9dc5;
  for (let i = 0; i < text.length; i++) hash = Math.imul(hash ^ text.charCodeAt(i), 0x01000193);
  return (hash >>> 0).toString(16).padStart(8, '0');
}
