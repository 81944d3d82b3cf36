import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { gather, getRunningLoop } from 'asyncio-ts';
import { ClientSession } from 'asyncio-ts/http';
import { Hosts } from '../../../examples/link-checker/hosts.ts';
import { type Options, parseOptions } from '../../../examples/link-checker/options.ts';
import { serve } from '../../http/servers.ts';
import '../../support/leaks.ts';
import { runVirtually } from '../../support/programs.ts';

const optionsOf = (...args: string[]): Options => parseOptions(args) as Options;
const urlOf = (text: string): URL => new URL(text);

describe('Hosts', () => {
  it('lets the requests to a host wait for their turn, and not those to another one', async () => {
    await runVirtually(async () => {
      const hosts = new Hosts(optionsOf('--delay', '2'));
      const turn = async (url: string) => {
        await hosts.of(urlOf(url)).turn();
        return getRunningLoop().time();
      };
      const times = await gather(
        ['http://a/1', 'http://a/2', 'http://b/', 'http://a/3'].map((url) => () => turn(url)),
      );
      assert.deepEqual(times, [0, 2, 0, 4]);
      assert.equal(await turn('http://b/'), 6 - 2);
    });
  });

  it('waits for as long as robots.txt asks for, which it reads once', async () => {
    const asked: string[] = [];
    await using site = await serve((request, response) => {
      asked.push(request.url ?? '');
      response.end('User-agent: *\nCrawl-delay: 3\nDisallow: /x');
    });
    await runVirtually(async () => {
      const hosts = new Hosts(optionsOf());
      const host = hosts.of(urlOf(site.url));
      await using session = new ClientSession(null, { middlewares: [hosts] });
      const [robots] = await gather([() => host.robots(session), () => host.robots(session)]);
      assert(!robots.allows(urlOf(`${site.url}x`)));
      assert.deepEqual(asked, ['/robots.txt']);
      const start = getRunningLoop().time();
      await host.turn();
      await host.turn();
      assert.equal(getRunningLoop().time() - start, 6);
    });
  });
});
