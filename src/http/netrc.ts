/** Names and passwords of hosts in a file of the user. Counterpart: Python's `netrc.py`, as `aiohttp/helpers.py` uses it. */
import { existsSync, readFileSync } from 'node:fs';
import { access, readFile } from 'node:fs/promises';
import { homedir } from 'node:os';
import path from 'node:path';
import { fromPromise } from '../core/coroutines.ts';
import { logger } from '../core/log.ts';
import type { Gen } from '../core/types.ts';
import { BasicAuth } from './auth.ts';
import { quote } from './helpers.ts';

/** What the file says of a host. */
export interface NetrcEntry {
  login: string;
  account: string;
  password: string;
}

/** What a file says, by host. */
export interface Netrc {
  readonly file: string;
  readonly hosts: ReadonlyMap<string, NetrcEntry>;
}

/** The file, and whether the user has named it. */
function placeOfFile(): { file: string; isNamed: boolean } {
  const named = process.env['NETRC'];
  const file = named ?? path.join(homedir(), process.platform === 'win32' ? '_netrc' : '.netrc');
  return { file, isNamed: Boolean(named) };
}

/**
 * The name and the password of a host in the file that the variable `NETRC` names, else in `~/.netrc` (`_netrc` on
 * Windows); null if there are none. A file that is there and cannot be read makes a warning in the log. It is read on the
 * spot; a session waits for it.
 *
 * Source: aiohttp 3.14 `netrc_from_env` and `basicauth_from_netrc`.
 */
export function netrcAuth(host: string): BasicAuth | null {
  const { file, isNamed } = placeOfFile();
  let bytes: Buffer;
  try {
    bytes = readFileSync(file);
  } catch (error) {
    // Most people have none.
    if (isNamed || existsSync(file)) warnUnreadable(error);
    return null;
  }
  return authIn(parse(file, bytes), host);
}

/** The file as it is being read: who asks meanwhile waits for the same, and goes on in the order of the questions. */
let reading: { readonly file: string; readonly result: Promise<Netrc | null> } | null = null;

/** Read what `authIn` looks hosts up in, while others go on; null if there is none. Cancellation: ends the wait. */
export function* readNetrc(): Gen<Netrc | null> {
  const { file, isNamed } = placeOfFile();
  if (reading?.file !== file) {
    const result = load(file, isNamed).finally(() => {
      if (reading?.result === result) reading = null;
    });
    reading = { file, result };
  }
  return yield* fromPromise(reading.result);
}

async function load(file: string, isNamed: boolean): Promise<Netrc | null> {
  let bytes: Buffer;
  try {
    bytes = await readFile(file);
  } catch (error) {
    const isThere = isNamed || (await exists(file));
    if (isThere) warnUnreadable(error);
    return null;
  }
  return parse(file, bytes);
}

async function exists(file: string): Promise<boolean> {
  try {
    await access(file);
    return true;
  } catch {
    return false;
  }
}

function warnUnreadable(error: unknown): void {
  logger.warning(`Could not read .netrc file: ${(error as Error).message}`);
}

function warnWrong({ message }: RangeError, file: string): void {
  logger.warning(`Could not parse .netrc file: ${message} (${file})`);
}

function parse(file: string, bytes: Buffer): Netrc | null {
  try {
    return { file, hosts: parseNetrc(decode(bytes)) };
  } catch (error) {
    if (!(error instanceof RangeError)) throw error;
    warnWrong(error, file);
    return null;
  }
}

/** The name and the password of a host; null if there are none. */
export function authIn(netrc: Netrc | null, host: string): BasicAuth | null {
  const entry = netrc?.hosts.get(host) ?? netrc?.hosts.get('default');
  if (netrc === null || entry === undefined) return null;
  try {
    return new BasicAuth(entry.login || entry.account, entry.password);
  } catch (error) {
    if (!(error instanceof RangeError)) throw error;
    warnWrong(error, netrc.file);
    return null;
  }
}

function decode(bytes: Buffer): string {
  try {
    return new TextDecoder('utf-8', { fatal: true, ignoreBOM: true }).decode(bytes);
  } catch {
    return bytes.toString('latin1');
  }
}

/**
 * What a file says, by host; `default` is for all others.
 *
 * A comment goes to the end of its line. Python is at a loss after one whose text follows the `#` without a space.
 *
 * @throws RangeError for what it must not say.
 *
 * Source: CPython 3.14 `netrc.netrc`.
 */
export function parseNetrc(text: string): Map<string, NetrcEntry> {
  const hosts = new Map<string, NetrcEntry>();
  const words = new Words(text);
  let entry: NetrcEntry | null = null;
  for (let word = words.next(); word !== ''; word = words.next()) {
    if (word.startsWith('#')) {
      words.skipLine();
    } else if (word === 'machine' || word === 'default') {
      const host = word === 'default' ? word : words.next();
      if (host === '') throw words.error(`missing ${quote(word)} name`);
      entry = { login: '', account: '', password: '' };
      hosts.set(host, entry);
    } else if (word === 'macdef') {
      words.next();
      words.skipMacro();
      entry = null;
    } else if (entry === null) {
      throw words.error(`bad toplevel token ${quote(word)}`);
    } else if (word === 'login' || word === 'user') {
      entry.login = words.next();
    } else if (word === 'account' || word === 'password') {
      entry[word] = words.next();
    } else {
      throw words.error(`bad follower token ${quote(word)}`);
    }
  }
  return hosts;
}

const SPACE = /[\n\t\r ]/;

/** The words of a text, one by one. A word may stand between quotes; a backslash takes the next character as it is. */
class Words {
  readonly #text: string;
  #at = 0;

  constructor(text: string) {
    this.#text = text.replaceAll('\r\n', '\n');
  }

  /** The next word; empty at the end, and between quotes with nothing in them. */
  next(): string {
    while (this.#at < this.#text.length && SPACE.test(this.#text[this.#at] as string)) this.#at++;
    const isQuoted = this.#text[this.#at] === '"';
    if (isQuoted) this.#at++;
    let word = '';
    while (this.#at < this.#text.length) {
      let character = this.#text[this.#at++] as string;
      if (isQuoted ? character === '"' : SPACE.test(character)) break;
      if (character === '\\') character = this.#text[this.#at++] ?? '';
      word += character;
    }
    return word;
  }

  /** Go on behind the end of the line of the last word. */
  skipLine(): void {
    // The word may have taken it along.
    if (this.#text[this.#at - 1] === '\n') return;
    const end = this.#text.indexOf('\n', this.#at);
    this.#at = end < 0 ? this.#text.length : end + 1;
  }

  /** Go on behind the next empty line. */
  skipMacro(): void {
    if (this.#text[this.#at] === '\n') {
      this.#at++;
      return;
    }
    const end = this.#text.indexOf('\n\n', this.#at);
    if (end < 0) throw this.error('Macro definition missing null line terminator.');
    this.#at = end + 2;
  }

  error(problem: string): RangeError {
    const line = this.#text.slice(0, this.#at).split('\n').length;
    return new RangeError(`${problem}, line ${line}`);
  }
}
