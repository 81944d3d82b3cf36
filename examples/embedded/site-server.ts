/** A small website on this machine with everything that a crawler has to cope with: slow, broken and missing pages. */
import type { IncomingMessage, ServerResponse } from 'node:http';
import { type EmbeddedServer, startServer } from './server.ts';

/** The links of each page. */
const PAGES: Record<string, string[]> = {
  '/': ['/animals', '/plants', '/minerals', '/about'],
  '/about': ['/', '/staff', '/imprint'],
  '/animals': ['/animals/cat', '/animals/dog', '/animals/sloth', '/animals/dodo'],
  '/animals/cat': ['/animals', '/animals/dog'],
  '/animals/dog': ['/animals', '/animals/cat'],
  '/animals/sloth': ['/animals', '/animals/cat'],
  '/imprint': ['/about'],
  '/minerals': ['/minerals/quartz', '/minerals/lead'],
  '/minerals/quartz': ['/minerals', 'http://elsewhere.example/quartz'],
  '/plants': ['/plants/fern', '/plants/oak', '/plants/ivy'],
  '/plants/fern': ['/plants'],
  '/plants/oak': ['/plants', '/plants/fern'],
};

/** Milliseconds that a page takes; the others take 20. */
const DELAYS: Record<string, number> = { '/animals/sloth': 60_000, '/plants': 150, '/plants/oak': 250 };

function answer(path: string, request: IncomingMessage, response: ServerResponse): void {
  const links = PAGES[path];
  if (path === '/minerals/lead') {
    response.writeHead(500).end('too heavy');
  } else if (path === '/staff') {
    response.writeHead(302, { Location: '/imprint' }).end();
  } else if (path === '/plants/ivy') {
    // It grows, and then it is torn off.
    response.writeHead(200, { 'Content-Type': 'text/html', 'Content-Length': 1000 });
    if (request.method === 'HEAD') response.end();
    else response.write('<html>', () => response.destroy());
  } else if (links === undefined) {
    response.writeHead(404).end('no such page');
  } else {
    const list = links.map((link) => `<a href="${link}">${link}</a>`).join('\n');
    response.setHeader('Content-Type', 'text/html; charset=utf-8');
    response.end(`<html><title>Page ${path}</title>\n${list}\n</html>`);
  }
}

export function startSite(): Promise<EmbeddedServer> {
  return startServer((request, response) => {
    const path = request.url ?? '/';
    const timer = setTimeout(() => answer(path, request, response), DELAYS[path] ?? 20);
    response.on('close', () => clearTimeout(timer));
  });
}
