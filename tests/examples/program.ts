/** Runs the examples as they are meant to be run: as programs. */
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { fileURLToPath } from 'node:url';

/** How long a program may take before it counts as one that does not end. */
const PATIENCE_MS = 60_000;

/** What a program left behind. */
export interface Ending {
  readonly code: number | null;
  readonly signal: NodeJS.Signals | null;
  readonly stdout: string;
  readonly stderr: string;
}

/** A program that is running. */
export class Program {
  readonly #child: ChildProcess;
  readonly #ended: Promise<Ending>;
  #stdout = '';
  #stderr = '';

  constructor(name: string, args: readonly string[] = [], env: Record<string, string> = {}) {
    const file = fileURLToPath(new URL(`../../examples/${name}.js`, import.meta.url));
    // The variable tells a file of node:test to speak to its parent in binary.
    const { NODE_TEST_CONTEXT: _, ...inherited } = process.env;
    this.#child = spawn(process.execPath, ['--enable-source-maps', file, ...args], {
      env: { ...inherited, ...env },
      stdio: ['ignore', 'pipe', 'pipe'],
      timeout: PATIENCE_MS,
      killSignal: 'SIGKILL',
    });
    this.#child.stdout?.setEncoding('utf8').on('data', (text: string) => (this.#stdout += text));
    this.#child.stderr?.setEncoding('utf8').on('data', (text: string) => (this.#stderr += text));
    this.#ended = this.#untilClosed();
  }

  async #untilClosed(): Promise<Ending> {
    const [code, signal] = (await once(this.#child, 'close')) as [number | null, NodeJS.Signals | null];
    return { code, signal, stdout: this.#stdout, stderr: this.#stderr };
  }

  /** Wait until it has printed what the pattern matches. */
  async prints(pattern: RegExp): Promise<RegExpExecArray> {
    for (;;) {
      const match = pattern.exec(this.#stdout);
      if (match !== null) return match;
      if (this.#child.exitCode !== null)
        throw new Error(`it ended without printing ${pattern}: ${this.#stdout}`);
      await once(this.#child.stdout as NodeJS.ReadableStream, 'data');
    }
  }

  interrupt(): void {
    this.#child.kill('SIGINT');
  }

  /** Wait until it ends by itself. */
  ends(): Promise<Ending> {
    return this.#ended;
  }
}

/** Run an example to its end. */
export function runExample(
  name: string,
  args?: readonly string[],
  env?: Record<string, string>,
): Promise<Ending> {
  return new Program(name, args, env).ends();
}

/** The lines that it printed, which must have ended well and without complaints. */
export async function linesOf(name: string, args?: readonly string[]): Promise<string[]> {
  const { code, signal, stdout, stderr } = await runExample(name, args);
  if (code !== 0 || stderr !== '') {
    throw new Error(
      `${name} ended with ${code ?? signal}, and said on standard error: ${stderr || 'nothing'}`,
    );
  }
  return stdout.split('\n').slice(0, -1);
}
