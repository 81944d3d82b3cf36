/** Node's modules, loaded when they are first used: importing them all would take as long as the rest of the library. */
import type * as NodeBuffer from 'node:buffer';
import type * as ChildProcess from 'node:child_process';
import type * as Dgram from 'node:dgram';
import type * as Dns from 'node:dns';
import type * as Fs from 'node:fs';
import type * as FsPromises from 'node:fs/promises';
import type * as Net from 'node:net';
import type * as Stream from 'node:stream';
import type * as WebStreams from 'node:stream/web';
import type * as Os from 'node:os';
import type * as Tls from 'node:tls';
import type * as WorkerThreads from 'node:worker_threads';

// Node looks a name up anew each time, which takes microseconds.
function lazy<T>(name: string): () => T {
  let module: T | undefined;
  return () => (module ??= process.getBuiltinModule(name) as T);
}

export const buffer: () => typeof NodeBuffer = /* @__PURE__ */ lazy('node:buffer');
export const childProcess: () => typeof ChildProcess = /* @__PURE__ */ lazy('node:child_process');
export const dgram: () => typeof Dgram = /* @__PURE__ */ lazy('node:dgram');
export const dns: () => typeof Dns = /* @__PURE__ */ lazy('node:dns');
export const fs: () => typeof Fs = /* @__PURE__ */ lazy('node:fs');
export const fsPromises: () => typeof FsPromises = /* @__PURE__ */ lazy('node:fs/promises');
export const net: () => typeof Net = /* @__PURE__ */ lazy('node:net');
export const stream: () => typeof Stream = /* @__PURE__ */ lazy('node:stream');
export const webStreams: () => typeof WebStreams = /* @__PURE__ */ lazy('node:stream/web');
export const os: () => typeof Os = /* @__PURE__ */ lazy('node:os');
export const tls: () => typeof Tls = /* @__PURE__ */ lazy('node:tls');
export const workerThreads: () => typeof WorkerThreads = /* @__PURE__ */ lazy('node:worker_threads');
