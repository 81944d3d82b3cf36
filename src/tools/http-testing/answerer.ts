/** Answers requests of a `node:http` server by functions that give data. */
import type { IncomingMessage, Server, ServerResponse } from 'node:http';
import type { BaseEventLoop } from '../../core/base-events.ts';
import { coroutine, fromPromise, inlineBody } from '../../core/coroutines.ts';
import { requireLoop } from '../../core/events.ts';
import { asError, CancelledError } from '../../core/exceptions.ts';
import type { Future } from '../../core/futures.ts';
import type { Task } from '../../core/tasks.ts';
import type { Delay, Gen } from '../../core/types.ts';
import { sleep } from '../../core/waiting.ts';
import type { ContextBody } from '../../http/helpers.ts';
import { CIMultiDict, type LooseHeaders } from '../../http/multidict.ts';
import { ServedRequest } from './served-request.ts';

/** What goes back to the client. */
export interface Answer {
  /** Default 200. */
  readonly status?: number | undefined;
  /** The reason phrase. Default that of the status. */
  readonly reason?: string | undefined;
  /** An array of several values for a name makes several headers. */
  readonly headers?: LooseHeaders | undefined;
  /** Text, bytes, or pieces that are sent as they come: an async generator may sleep between them. */
  readonly body?: string | Uint8Array | AsyncIterable<string | Uint8Array> | undefined;
  /** The body as JSON. */
  readonly json?: unknown;
  /** Seconds before anything is sent, by the loop's clock: in virtual time they take none. */
  readonly delay?: Delay | undefined;
  /**
   * Close the connection: instead of an answer, or after as much of one as `body` is, which `Content-Length` may
   * have announced as more.
   */
  readonly disconnect?: boolean | undefined;
  /** The connection fails with this. A real socket cannot carry an error: there it is closed. */
  readonly error?: Error | undefined;
}

/** Gives the answer to a request: a plain, async or generator function. Nothing stands for an empty answer of 200. */
export type Handler = (
  request: ServedRequest,
) => Answer | void | PromiseLike<Answer | void> | Gen<Answer | void>;

/** How the connection of a request came to be, and ends. */
export interface Line {
  /** Scheme, host and port that its client wanted. */
  readonly origin: string;
  /** End it, at the client's side with this error where that is possible. */
  fail(error: Error | null): void;
}

/** Serves one `node:http` server. Handlers run as tasks of the loop that it was made in. */
export class Answerer {
  readonly #loop: BaseEventLoop = requireLoop();
  readonly #handler: Handler;
  readonly #requests: ServedRequest[];
  readonly #tasks = new Set<Task<void>>();

  /**
   * @param requests - gets each request that came.
   * @param lineOf - the connection that a request came over.
   */
  constructor(
    server: Server,
    handler: Handler,
    requests: ServedRequest[],
    lineOf: (request: IncomingMessage) => Line,
  ) {
    this.#handler = handler;
    this.#requests = requests;
    // The client alone decides how long a connection lives.
    server.keepAliveTimeout = 0;
    server.on('request', (incoming: IncomingMessage, response: ServerResponse) => {
      const chunks: Buffer[] = [];
      incoming.on('data', (chunk: Buffer) => chunks.push(chunk));
      // Its client has gone.
      incoming.on('error', () => {});
      incoming.on('end', () => this.#take(incoming, Buffer.concat(chunks), response, lineOf(incoming)));
    });
  }

  /** End what is not answered yet. */
  cancel(): void {
    for (const task of this.#tasks) task.cancel();
  }

  #take(incoming: IncomingMessage, body: Buffer, response: ServerResponse, line: Line): void {
    if (this.#loop.isClosed()) return line.fail(null);
    const headers = new CIMultiDict();
    for (let i = 0; i + 1 < incoming.rawHeaders.length; i += 2) {
      headers.add(incoming.rawHeaders[i] as string, incoming.rawHeaders[i + 1] as string);
    }
    // The path is a whole URL where the client thinks that this is a proxy.
    const url = new URL(incoming.url ?? '/', line.origin);
    const request = new ServedRequest(incoming.method ?? 'GET', url, headers, body);
    this.#requests.push(request);
    const task = this.#loop.createTask(() => this.#answer(request, response, line));
    this.#tasks.add(task);
    task.addDoneCallback(() => this.#tasks.delete(task));
    response.once('close', () => task.cancel());
  }

  // An async function, so that pieces of a body that wait do so within this task.
  async #answer(request: ServedRequest, response: ServerResponse, line: Line): Promise<void> {
    try {
      const answer = await this.#ask(request);
      if (answer.delay !== undefined) await sleep(answer.delay);
      if (answer.error !== undefined) return line.fail(answer.error);
      const hasAnswer = answer.status !== undefined || answer.body !== undefined || answer.json !== undefined;
      if (answer.disconnect !== true) await send(response, answer, () => response.end());
      else if (!hasAnswer) line.fail(null);
      else await send(response, answer, () => response.write('', () => line.fail(null)));
    } catch (error) {
      line.fail(null);
      // The client is gone, or the server is closed.
      if (error instanceof CancelledError) throw error;
      this.#complain(request, asError(error));
    }
  }

  async #ask(request: ServedRequest): Promise<Answer> {
    try {
      return (await run(this.#handler, request)) ?? {};
    } catch (error) {
      if (error instanceof CancelledError) throw error;
      this.#complain(request, asError(error));
      return { status: 500, body: `${error}` };
    }
  }

  #complain(request: ServedRequest, exception: Error): void {
    this.#loop.callExceptionHandler({ message: `Error in the handler of ${request}`, exception });
  }
}

const run = coroutine(function* handle(handler: Handler, request: ServedRequest): Gen<Answer | void> {
  return yield* inlineBody(handler as ContextBody<ServedRequest, Answer | void>, request);
});

/** Send an answer but for its end, which `end` does. */
async function send(response: ServerResponse, answer: Answer, end: () => void): Promise<void> {
  const { status = 200, reason, json } = answer;
  const body = json === undefined ? answer.body : JSON.stringify(json);
  const headers = new CIMultiDict(answer.headers);
  if (!headers.has('Content-Type') && body !== undefined) {
    headers.set('Content-Type', json === undefined ? typeOf(body) : 'application/json');
  }
  const isWhole = body === undefined || typeof body === 'string' || body instanceof Uint8Array;
  if (isWhole && !headers.has('Content-Length') && !headers.has('Transfer-Encoding')) {
    headers.set('Content-Length', String(Buffer.byteLength(body ?? '')));
  }
  // It would differ from run to run.
  response.sendDate = false;
  const flat = [...headers].flat();
  if (reason === undefined) response.writeHead(status, flat);
  else response.writeHead(status, reason, flat);
  if (isWhole) {
    if (body !== undefined) response.write(body);
  } else {
    for await (const piece of body) {
      if (!response.write(piece)) await drained(response);
    }
  }
  end();
}

const typeOf = (body: Exclude<Answer['body'], undefined>): string =>
  typeof body === 'string' ? 'text/plain; charset=utf-8' : 'application/octet-stream';

/** When the client has taken what is waiting for it; never, if it goes: its task is cancelled then. */
function drained(response: ServerResponse): Future<void> {
  return fromPromise(
    new Promise<void>((resolve) => {
      response.once('drain', resolve);
    }),
  );
}
