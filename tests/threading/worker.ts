/** The main module of the workers. */
import { workerData } from 'node:worker_threads';
import * as jobs from './jobs.ts';
import { unpack } from './workers.ts';

const { job, args } = unpack(workerData) as { job: string; args: unknown[] };
await (jobs as unknown as Record<string, (...args: unknown[]) => Promise<void>>)[job]?.(...args);
