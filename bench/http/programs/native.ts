/** What comes with Node. Argument: which. */
import { Agent, get, type IncomingMessage } from 'node:http';
import { buffer, json } from 'node:stream/consumers';
import { drive, type Kind, promising } from './drive.ts';

const agent = new Agent({ keepAlive: true });

function respond(url: string): Promise<IncomingMessage> {
  return new Promise((resolve, reject) => {
    get(url, { agent }, resolve).on('error', reject);
  });
}

const subjects: Readonly<Record<string, (kind: Kind, url: string) => Promise<unknown>>> = {
  async fetch(kind, url) {
    const response = await fetch(url);
    return kind === 'json' ? await response.json() : await response.arrayBuffer();
  },
  async 'node-http'(kind, url) {
    const response = await respond(url);
    return kind === 'json' ? await json(response) : await buffer(response);
  },
};

drive(promising(subjects[process.argv[2] ?? '']!));
