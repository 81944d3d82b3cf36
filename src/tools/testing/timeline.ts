/** A readable account of one schedule. */
import { waitsOf } from '../../core/deadlock.ts';
import { Handle } from '../../core/events.ts';
import { formatCallback, repr } from '../../core/format-helpers.ts';
import { Strand } from '../../core/strands.ts';
import { awaitPlace } from '../../core/task-notes.ts';
import { Task } from '../../core/tasks.ts';

/** Lines from which on the rest is left out. */
const MAX_LINES = 2000;

/** Of these, the message of an error shows so many at both ends. */
const SHOWN_FIRST = 60;
const SHOWN_LAST = 30;

const NAME_WIDTH = 24;
const INDENT = '       ';

export class Timeline {
  readonly lines: string[] = [];
  /** What was not as usual, in words. */
  readonly deviations: string[] = [];
  #step = 0;
  #time = -1;
  #task: Task<any> | null = null;
  /** The line of the step, until something else has to be written. */
  #head: string | null = null;

  /** A step begins: `entry` runs. */
  begin(step: number, time: number, entry: unknown): void {
    if (time !== this.#time) this.#write(`time ${time}`);
    this.#time = time;
    this.#step = step;
    this.#task = taskOf(entry);
    this.#head = `${String(step).padStart(5)}  ${this.nameOf(entry)}`;
  }

  /** The step is over: what came of it stands beside it. */
  end(): void {
    const state = this.#task === null ? '' : stateOf(this.#task);
    if (this.#head === null) this.#write(`${INDENT}${state}`);
    else if (state === '') this.#write(this.#head);
    else this.#write(`${this.#head.padEnd(NAME_WIDTH)}  ${state}`);
    this.#head = null;
  }

  /** A choice that is not the usual one. */
  deviation(what: string): void {
    const isWithin = this.#head !== null;
    this.deviations.push(
      isWithin ? `in step ${this.#step}: ${what}` : `before step ${this.#step + 1}: ${what}`,
    );
    this.#line(`    *  ${what}`);
  }

  /** Something comes from outside. */
  event(what: string, isDeviation: boolean): void {
    if (isDeviation) this.deviation(`${what} (out of its turn)`);
    else this.#line(`    -  ${what}`);
  }

  /** A line of the scenario's own. */
  note(text: string): void {
    this.#line(`${INDENT}${text}`);
  }

  /** `task` waits, and nobody will wake it. */
  stuck(task: Task<any>): void {
    this.#line(`    !  ${this.nameOf(task)} ${stateOf(task)}, for ever`);
  }

  nameOf(entry: unknown): string {
    const task = taskOf(entry);
    if (task !== null) return task.getName();
    if (entry instanceof Handle) return formatCallback(entry._callback, [], false);
    return entry?.constructor?.name ?? String(entry);
  }

  #line(line: string): void {
    if (this.#head !== null) this.#write(this.#head);
    this.#head = null;
    this.#write(line);
  }

  #write(line: string): void {
    if (this.lines.length < MAX_LINES) this.lines.push(line);
    else if (this.lines.length === MAX_LINES) this.lines.push('    …  and so on');
  }

  /** Without the middle, if it is long. */
  abridged(): string {
    const left = this.lines.length - SHOWN_FIRST - SHOWN_LAST;
    if (left <= SHOWN_LAST) return this.toString();
    const gap = `    …  ${left} lines more in error.timeline`;
    return [...this.lines.slice(0, SHOWN_FIRST), gap, ...this.lines.slice(-SHOWN_LAST)].join('\n');
  }

  toString(): string {
    return this.lines.join('\n');
  }
}

function taskOf(entry: unknown): Task<any> | null {
  if (entry instanceof Task) return entry;
  return entry instanceof Strand ? entry._task : null;
}

function stateOf(task: Task<any>): string {
  if (task.cancelled()) return 'is cancelled';
  if (task.done()) {
    const error = task._value;
    return task._isUnretrieved() ? `fails: ${repr(error)}` : 'ends';
  }
  const waits = waitsOf(task);
  if (waits.length === 0) return 'goes on in the next iteration';
  const place = awaitPlace(task);
  const at = place === null ? '' : ` at ${place.file}:${place.line}`;
  return `waits for ${waits.join(' and ')}${at}`;
}
