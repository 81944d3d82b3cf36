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

const load = (name: string): unknown => process.getBuiltinModule(name);

export const buffer = (): typeof NodeBuffer => load('node:buffer') as typeof NodeBuffer;
export const childProcess = (): typeof ChildProcess => load('node:child_process') as typeof ChildProcess;
export const dgram = (): typeof Dgram => load('node:dgram') as typeof Dgram;
export const dns = (): typeof Dns => load('node:dns') as typeof Dns;
export const fs = (): typeof Fs => load('node:fs') as typeof Fs;
export const fsPromises = (): typeof FsPromises => load('node:fs/promises') as typeof FsPromises;
export const net = (): typeof Net => load('node:net') as typeof Net;
export const stream = (): typeof Stream => load('node:stream') as typeof Stream;
export const webStreams = (): typeof WebStreams => load('node:stream/web') as typeof WebStreams;
export const os = (): typeof Os => load('node:os') as typeof Os;
export const tls = (): typeof Tls => load('node:tls') as typeof Tls;
export const workerThreads = (): typeof WorkerThreads => load('node:worker_threads') as typeof WorkerThreads;
