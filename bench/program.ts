/** A program that is measured, as seen from outside: a line to it, a line of JSON from it. */
import { type ChildProcessByStdio, spawn } from 'node:child_process';
import { createInterface } from 'node:readline';
import type { Readable, Writable } from 'node:stream';

const TIMEOUT_MS = 120_000;

export class Program implements AsyncDisposable {
  readonly #child: ChildProcessByStdio<Writable, Readable, Readable>;
  readonly #lines: AsyncIterator<string>;
  readonly #gone: Promise<void>;
  #complaints = '';

  constructor(file: string, args: readonly string[]) {
    this.#child = spawn(file, args, { stdio: ['pipe', 'pipe', 'pipe'] });
    const { stdout, stderr, stdin } = this.#child;
    stderr.setEncoding('utf8').on('data', (text: string) => {
      this.#complaints += text;
    });
    stdin.on('error', () => {});
    this.#gone = new Promise((resolve, reject) => {
      this.#child.once('error', reject).once('close', () => resolve());
    });
    this.#lines = createInterface({ input: stdout })[Symbol.asyncIterator]();
  }

  /** Its next line. */
  async hear<T>(): Promise<T> {
    const timer = setTimeout(() => this.#child.kill('SIGKILL'), TIMEOUT_MS);
    const { value, done } = await this.#lines.next();
    clearTimeout(timer);
    if (!done) return JSON.parse(value) as T;
    await this.#gone;
    throw new Error(this.#complaints.trim().split('\n').at(-1) || 'it has ended');
  }

  /** Tell it something, and give its answer. */
  ask<T>(line: string): Promise<T> {
    this.#child.stdin.write(`${line}\n`);
    return this.hear();
  }

  /** It ends when it is told nothing more. */
  async [Symbol.asyncDispose](): Promise<void> {
    this.#child.stdin.end();
    await this.#gone;
  }
}
