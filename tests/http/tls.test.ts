import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { run } from 'asyncio-ts';
import {
  ClientConnectorCertificateError,
  ClientConnectorError,
  ClientConnectorSSLError,
  ClientSession,
  ClientSSLError,
  TCPConnector,
} from 'asyncio-ts/http';
import '../support/leaks.ts';
import { cert, key } from './certificate.ts';
import { type Echo, echo, serve, serveSecurely } from './servers.ts';

describe('TLS', () => {
  it('refuses a certificate that nobody vouches for', () =>
    run(async () => {
      await using site = await serveSecurely(echo, { key, cert });
      await using session = new ClientSession(site.url);
      await assert.rejects(
        async () => await session.get('x'),
        (error) => {
          assert(error instanceof ClientConnectorCertificateError);
          assert(error instanceof ClientSSLError);
          assert(error instanceof ClientConnectorError);
          assert.equal(error.code, 'DEPTH_ZERO_SELF_SIGNED_CERT');
          assert.equal(error.certificateError, error.cause);
          assert.match(
            error.message,
            /^Cannot connect to host 127\.0\.0\.1:\d+ ssl:default \[self-signed certificate/,
          );
          return true;
        },
      );
    }));

  it('refuses a certificate of another host', () =>
    run(async () => {
      await using site = await serveSecurely(echo, { key, cert });
      await using session = new ClientSession(site.url, {
        connector: new TCPConnector({ ssl: { ca: cert, servername: 'example.com' } }),
      });
      await assert.rejects(async () => await session.get('x'), {
        name: 'ClientConnectorCertificateError',
        code: 'ERR_TLS_CERT_ALTNAME_INVALID',
      });
    }));

  it('takes it with the right authority, or unchecked, for a session or a request', () =>
    run(async () => {
      await using site = await serveSecurely(echo, { key, cert });
      for (const ssl of [{ ca: cert }, false]) {
        await using session = new ClientSession(site.url, { connector: new TCPConnector({ ssl }) });
        assert.equal(await session.get('x').run((response) => response.status), 200);
      }
      await using session = new ClientSession(site.url);
      assert.equal(await session.get('x', { ssl: { ca: cert } }).run((response) => response.status), 200);
      // A connection that was made without a check serves no request that wants one.
      assert.equal(await session.get('x', { ssl: false }).run((response) => response.status), 200);
      await assert.rejects(async () => await session.get('x'), ClientConnectorCertificateError);
    }));

  it('fails clearly with a server that speaks none', () =>
    run(async () => {
      await using site = await serve(echo);
      await using session = new ClientSession();
      await assert.rejects(
        async () => await session.get(site.url.replace('http', 'https')),
        (error) => {
          assert(error instanceof ClientConnectorSSLError || error instanceof ClientConnectorError);
          return true;
        },
      );
    }));

  it('is left by a redirect without what is private', () =>
    run(async () => {
      await using plain = await serve(echo);
      await using site = await serveSecurely(
        (_request, response) => void response.writeHead(302, { Location: `${plain.url}end` }).end(),
        { key, cert },
      );
      await using session = new ClientSession(site.url, {
        connector: new TCPConnector({ ssl: { ca: cert } }),
      });
      const headers = { Authorization: 'Bearer secret', Cookie: 'secret=1' };
      const answer = await session.get('x', { headers }).run((response) => response.json<Echo>());
      assert.equal(answer?.url, '/end');
      assert.doesNotMatch(JSON.stringify(answer), /secret/);
    }));
});
