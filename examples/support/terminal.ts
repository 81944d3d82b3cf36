/** Colours, and a line that tells how far a program is. Neither goes into a pipe or a file. */
import { createTask, sleep } from 'asyncio-ts';

const REDRAW_SECONDS = 0.1;

const COLOURS = { bold: 1, dim: 2, red: 31, green: 32, yellow: 33 };

/** Put text in a colour, where standard output is a terminal and `NO_COLOR` is not set. */
export function paint(colour: keyof typeof COLOURS, text: string): string {
  if (!process.stdout.isTTY || process.env['NO_COLOR']) return text;
  return `\x1b[${COLOURS[colour]}m${text}\x1b[0m`;
}

/** Text from elsewhere on one line, without what a terminal takes for commands, or for another direction. */
export function plain(text: string): string {
  return text.replaceAll(/[\p{Cc}\u202a-\u202e\u2066-\u2069\s]+/gu, ' ').trim();
}

/**
 * One line at the bottom of the terminal, on standard error so that the output can go to a file. Whoever prints erases it
 * before; it comes back by itself.
 */
export class ProgressLine {
  readonly #status: () => string;
  readonly #isOn = process.stderr.isTTY && process.env['TERM'] !== 'dumb';

  /** @param status - gives the text of the moment. */
  constructor(status: () => string) {
    this.#status = status;
  }

  /** Show the line while `body` runs; nothing is shown where there is no terminal. */
  async during<T>(body: () => PromiseLike<T>): Promise<T> {
    if (!this.#isOn) return await body();
    const drawing = createTask(() => this.#draw());
    try {
      return await body();
    } finally {
      drawing.cancel();
      this.erase();
    }
  }

  erase(): void {
    if (this.#isOn) process.stderr.write('\r\x1b[K');
  }

  async #draw(): Promise<never> {
    for (;;) {
      // A line that is wider than the terminal could not be erased.
      process.stderr.write(`\r\x1b[K${this.#status().slice(0, process.stderr.columns - 1)}`);
      await sleep(REDRAW_SECONDS);
    }
  }
}
