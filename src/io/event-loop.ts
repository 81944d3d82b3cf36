/** The event loop on Node, with all that it can wait for. Counterpart: `asyncio/unix_events.py`. */
import type { Readable, Writable } from 'node:stream';
import { BaseEventLoop } from '../core/base-events.ts';
import { setPlatformLoop } from '../core/events.ts';
import type { Host } from '../core/host.ts';
import type { Coroutine } from '../core/types.ts';
import { NodeHost } from '../host/node.ts';
import {
  disownChildren,
  subprocessExec,
  subprocessShell,
  type SubprocessOptions,
} from './base-subprocess.ts';
import { connectReadPipe, connectWritePipe } from './pipes.ts';
import type { BaseProtocol, Protocol, SubprocessProtocol } from './protocols.ts';
import type { ReadTransport, SubprocessTransport, WriteTransport } from './transports.ts';

/**
 * A loop that runs on Node and knows its sockets, processes and signals.
 *
 * Source: CPython 3.14 `asyncio.selector_events.BaseSelectorEventLoop`.
 */
export class NodeEventLoop extends BaseEventLoop {
  /**
   * Let a protocol hear of what comes from a stream of Node: standard input, a FIFO, the output of a process. The
   * transport takes the stream over, and closes it at the end.
   *
   * @returns the transport, and the protocol that the factory has made; `connectionMade` was called.
   * @throws RangeError for a regular file, RuntimeError for a stream that is closed.
   *
   * Cancellation: the stream is closed.
   *
   * Source: CPython 3.14 `asyncio.loop.connect_read_pipe`.
   */
  connectReadPipe<P extends Protocol>(
    protocolFactory: () => P,
    pipe: Readable,
  ): Coroutine<[transport: ReadTransport, protocol: P]> {
    return connectReadPipe(this, protocolFactory, pipe);
  }

  /**
   * Write to a stream of Node through a transport, which takes it over and ends it by `close`.
   *
   * @returns the transport, and the protocol that the factory has made; `connectionMade` was called.
   * @throws RangeError for a regular file, RuntimeError for a stream that is closed.
   *
   * Cancellation: the stream is closed.
   *
   * Source: CPython 3.14 `asyncio.loop.connect_write_pipe`.
   */
  connectWritePipe<P extends BaseProtocol>(
    protocolFactory: () => P,
    pipe: Writable,
  ): Coroutine<[transport: WriteTransport, protocol: P]> {
    return connectWritePipe(this, protocolFactory, pipe);
  }

  /**
   * Start a program. Its standard streams are pipes unless the options say otherwise.
   *
   * @throws the system's error if it cannot be started (code `ENOENT` if there is none), which says what to look at;
   *   RangeError for options that would make text of its bytes.
   *
   * Cancellation: ends the child (SIGTERM, then SIGKILL), and waits for that.
   *
   * Source: CPython 3.14 `asyncio.loop.subprocess_exec`.
   */
  subprocessExec<P extends SubprocessProtocol>(
    protocolFactory: () => P,
    program: string,
    args: readonly string[] = [],
    options: SubprocessOptions = {},
  ): Coroutine<[transport: SubprocessTransport, protocol: P]> {
    return subprocessExec(this, protocolFactory, program, args, options);
  }

  /**
   * Start a command in the system's shell. As `subprocessExec`; the process is that of the shell.
   *
   * @throws as `subprocessExec`; RangeError if `cmd` is no string.
   *
   * Cancellation: ends the child (SIGTERM, then SIGKILL), and waits for that.
   *
   * Source: CPython 3.14 `asyncio.loop.subprocess_shell`.
   */
  subprocessShell<P extends SubprocessProtocol>(
    protocolFactory: () => P,
    cmd: string,
    options: SubprocessOptions = {},
  ): Coroutine<[transport: SubprocessTransport, protocol: P]> {
    return subprocessShell(this, protocolFactory, cmd, options);
  }

  override close(): void {
    super.close();
    disownChildren(this);
  }
}

/**
 * The event loop on Node.
 *
 * Source: CPython 3.14 `asyncio.EventLoop`.
 */
export class EventLoop extends NodeEventLoop {
  /** @param host - in place of Node's own clock and wake-ups. */
  constructor(host: Host = new NodeHost()) {
    super(host);
    if (process.env['PYTHONASYNCIODEBUG']) this.setDebug(true);
  }
}

/** The same class, for programs that choose it by this name. Source: CPython 3.14 `asyncio.SelectorEventLoop`. */
export const SelectorEventLoop = EventLoop;

setPlatformLoop(() => new EventLoop());
