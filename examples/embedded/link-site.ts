/** A small website on this machine with every kind of link that a link checker has to cope with. */
import type { ServerResponse } from 'node:http';
import { type EmbeddedServer, startServer } from './server.ts';

const PAGES: Record<string, string> = {
  '/': `<title>A garden</title>
    <link rel="stylesheet" href="/garden.css"><script src="/garden.js"></script>
    <h1>A garden</h1> <img src="/map.png" alt="a map">
    <p><a href="/beds">Our beds</a>, <a href="/people">who we are</a> and <a href="/shed">what is in the shed</a>;
    <a href="/compost/">the compost</a> is not for visitors.
    <p><a href="mailto:garden@example.com">Write to us</a>, or see <a href="https://example.com/">the neighbours</a>.`,
  '/beds': `<title>Beds</title><base href="/beds/">
    <h2 id="herbs">Herbs</h2> <a href="mint?for=tea&amp;cups=2">Mint</a> <a href="sage">Sage</a>
    <h2 id="roots">Roots</h2> <a href="beet">Beet</a> <a href="../#gate">the gate</a>`,
  '/beds/mint': `<title>Mint</title> Back to the <a href="/beds#herbs">herbs</a>, or to the <a href="/beds#trees">trees</a>.`,
  '/beds/beet': `<title>Beet</title> <img src="beet.jpg" alt="a beet"> <a href="/beds#roots">Roots</a>`,
  '/gardeners': `<title>Gardeners</title> <p id="ann">Ann keeps the <a href="/bees">bees</a>.`,
};

/** What is no page: its type. */
const FILES: Record<string, string> = {
  '/garden.css': 'text/css',
  '/garden.js': 'text/javascript',
  '/map.png': 'image/png',
};

const REDIRECTS: Record<string, [status: number, to: string]> = {
  '/people': [301, '/staff'],
  '/staff': [302, '/gardeners'],
  '/bees': [302, '/hive'],
  '/hive': [302, '/bees'],
};

/** Requests for the shed: it does not open at once. */
let knocks = 0;

function answer(path: string, response: ServerResponse): void {
  const page = PAGES[path];
  const type = FILES[path];
  const redirect = REDIRECTS[path];
  if (page !== undefined) {
    response.writeHead(200, { 'Content-Type': 'text/html; charset=utf-8' }).end(page);
  } else if (type !== undefined) {
    response.writeHead(200, { 'Content-Type': type }).end();
  } else if (redirect !== undefined) {
    response.writeHead(redirect[0], { Location: redirect[1] }).end();
  } else if (path === '/robots.txt') {
    response.writeHead(200, { 'Content-Type': 'text/plain' }).end('User-agent: *\nDisallow: /compost/\n');
  } else if (path === '/shed') {
    if (knocks++ > 0) response.writeHead(200, { 'Content-Type': 'text/html' }).end('<title>A spade</title>');
    else response.writeHead(503, { 'Retry-After': '0' }).end('the key is under the mat');
  } else {
    response.writeHead(404).end('nothing grows here');
  }
}

/** Start the site. */
export function startLinkSite(): Promise<EmbeddedServer> {
  return startServer((request, response) => answer((request.url ?? '/').split('?')[0] as string, response));
}
