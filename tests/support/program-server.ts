/** Programs that know nothing of the library: found, started on loopback in a folder of their own, ended. */
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { type AddressInfo, connect, createServer } from 'node:net';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { cert, key } from '../http/certificate.ts';

/** How often a program may find that its port was taken by another. */
const ATTEMPTS = 3;
/** How long a program may take to listen. */
const START_MS = 10_000;

/** Where a program is, unless that is what is given. */
export function find(program: string): string {
  if (path.isAbsolute(program) && existsSync(program)) return program;
  // Services are found there by root alone.
  const folders = [...(process.env['PATH'] ?? '').split(path.delimiter), '/usr/sbin', '/usr/local/sbin'];
  const file = folders.map((folder) => path.join(folder, program)).find((each) => existsSync(each));
  if (file !== undefined) return file;
  throw new Error(`this needs ${program}: 'node scripts/programs.mjs' installs it, or says how`);
}

async function freePort(): Promise<number> {
  const server = createServer().listen(0, '127.0.0.1');
  await once(server, 'listening');
  const { port } = server.address() as AddressInfo;
  server.close();
  await once(server, 'close');
  return port;
}

async function answers(place: { port: number; host: string }): Promise<boolean> {
  const socket = connect(place);
  try {
    await once(socket, 'connect');
    return true;
  } catch {
    return false;
  } finally {
    socket.destroy();
  }
}

/** A folder with the certificate of the tests as `cert.pem` and `key.pem`. */
export function newFolder(): string {
  const folder = mkdtempSync(path.join(tmpdir(), 'asyncio-ts-'));
  writeFileSync(path.join(folder, 'key.pem'), key);
  writeFileSync(path.join(folder, 'cert.pem'), cert);
  return folder;
}

/** A server in a folder of its own. */
export class ProgramServer implements AsyncDisposable {
  readonly folder: string;
  /** Its ports on 127.0.0.1. */
  readonly ports: readonly number[];
  readonly #child: ChildProcess;
  #output = '';

  private constructor(folder: string, ports: readonly number[], child: ChildProcess) {
    this.folder = folder;
    this.ports = ports;
    this.#child = child;
    for (const stream of [child.stdout, child.stderr]) {
      stream?.setEncoding('utf8').on('data', (text: string) => {
        this.#output += text;
      });
    }
  }

  /**
   * Start `program` and wait until it listens at all its ports.
   *
   * @param argsOf - makes its arguments, and in its folder what it reads, of so many free ports.
   */
  static async start(
    program: string,
    count: number,
    argsOf: (folder: string, ports: readonly number[]) => readonly string[],
  ): Promise<ProgramServer> {
    const file = find(program);
    for (let attempt = 1; ; attempt++) {
      const ports = await Promise.all(Array.from({ length: count }, freePort));
      const folder = newFolder();
      const child = spawn(file, argsOf(folder, ports), { cwd: folder, stdio: ['ignore', 'pipe', 'pipe'] });
      const server = new ProgramServer(folder, ports, child);
      if (await server.#listens()) return server;
      await server[Symbol.asyncDispose]();
      if (attempt === ATTEMPTS) throw new Error(`${program} does not start: ${server.#output}`);
    }
  }

  async #listens(): Promise<boolean> {
    for (const deadline = Date.now() + START_MS; Date.now() < deadline; await delay(10)) {
      if (this.#child.exitCode !== null) return false;
      const found = await Promise.all(this.ports.map((port) => answers({ port, host: '127.0.0.1' })));
      if (found.every(Boolean)) return true;
    }
    return false;
  }

  /** A file in its folder. */
  file(name: string): string {
    return path.join(this.folder, name);
  }

  /** End it at once, as a crash of its machine would. */
  async kill(): Promise<void> {
    if (this.#child.exitCode !== null || this.#child.signalCode !== null) return;
    const closed = once(this.#child, 'close');
    this.#child.kill('SIGKILL');
    await closed;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.kill();
    rmSync(this.folder, { recursive: true, force: true });
  }
}

/**
 * An nginx with `http` in the block of that name, made of its folder and so many free ports.
 *
 * The folder has the certificate of the tests as `cert.pem` and `key.pem`.
 */
export function startNginx(
  count: number,
  http: (folder: string, ports: readonly number[]) => string,
): Promise<ProgramServer> {
  return ProgramServer.start('nginx', count, (folder, ports) => {
    const temporary = ['client_body', 'proxy', 'fastcgi', 'uwsgi', 'scgi'];
    const config = `
      daemon off;
      master_process off; # one process, which is the child
      pid nginx.pid;
      error_log stderr;
      events { worker_connections 2048; }
      http {
        access_log off;
        ${temporary.map((name) => `${name}_temp_path ${folder}/${name};`).join(' ')}
        ${http(folder, ports)}
      }`;
    writeFileSync(path.join(folder, 'nginx.conf'), config);
    return ['-p', folder, '-c', path.join(folder, 'nginx.conf'), '-e', 'stderr'];
  });
}
