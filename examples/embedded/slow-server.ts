/**
 * A server in a thread of its own, which answers every request after a fixed delay. In its own thread since a blocking
 * read in this one would keep a server in this one from answering.
 */
import { once } from 'node:events';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { isMainThread, parentPort, Worker, workerData } from 'node:worker_threads';
import type { EmbeddedServer } from './server.ts';

/** @param delay - seconds from a request to its answer. */
export async function startSlowServer(delay: number): Promise<EmbeddedServer> {
  const worker = new Worker(new URL(import.meta.url), { workerData: { delay } });
  const [url] = (await once(worker, 'message')) as [string];
  return {
    url,
    async [Symbol.asyncDispose]() {
      await worker.terminate();
    },
  };
}

function serve(delay: number): void {
  const server = createServer((_request, response) => {
    setTimeout(() => response.end('a slow answer'), delay * 1000);
  });
  server.listen(0, '127.0.0.1', () => {
    parentPort?.postMessage(`http://127.0.0.1:${(server.address() as AddressInfo).port}`);
  });
}

if (!isMainThread) serve((workerData as { delay: number }).delay);
