/** A file of its own: the warning comes once in the life of a process. */
import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { run, setLogger } from 'asyncio-ts';
import { ClientSession } from 'asyncio-ts/http';
import '../support/leaks.ts';
import { cert, key } from './certificate.ts';
import { echo, serve, serveSecurely } from './servers.ts';

describe('S16: a certificate that is not checked', () => {
  it('S16: is warned about once, in whatever form, and not before it is used', async () => {
    const warnings: string[] = [];
    const ignore = (): void => {};
    setLogger({ debug: ignore, info: ignore, error: ignore, warning: (line) => warnings.push(line) });
    try {
      await run(async () => {
        await using plain = await serve(echo);
        await using site = await serveSecurely(echo, { key, cert });
        await using session = new ClientSession();
        (await session.get(plain.url, { ssl: false })).release();
        (await session.get(site.url, { ssl: { ca: cert } })).release();
        assert.deepEqual(warnings, []);
        for (const ssl of [{ rejectUnauthorized: false }, false, { rejectUnauthorized: false }]) {
          (await session.get(site.url, { ssl })).release();
          assert.equal(warnings.length, 1);
        }
        assert.match(String(warnings), /certificates of servers are not checked/);
      });
    } finally {
      setLogger(null);
    }
  });
});
