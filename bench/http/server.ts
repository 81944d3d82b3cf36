/** The server of all rounds: one nginx, which keeps connections open as long as they are used. */
import { writeFileSync } from 'node:fs';
import { type ProgramServer, startNginx } from '../../tests/support/program-server.ts';

/** 1 KiB of JSON, of the shapes that an API sends. */
function sampleJson(): string {
  const item = { name: 'a name of usual length', price: 12.5, tags: ['first', 'second'], available: true };
  const sample = { id: 7, items: Array.from({ length: 11 }, () => item), note: '' };
  sample.note = 'x'.repeat(1024 - JSON.stringify(sample).length);
  return JSON.stringify(sample);
}

/** `json` and `bytes` at `http://127.0.0.1:PORT/`. */
export async function startServer(): Promise<ProgramServer> {
  const server = await startNginx(
    1,
    (folder, [port]) => `
      sendfile on;
      keepalive_requests 1000000000;
      keepalive_timeout 1h;
      open_file_cache max=10;
      server {
        listen 127.0.0.1:${port} backlog=1024;
        root ${folder};
        location = /json { default_type application/json; }
        location = /bytes { default_type application/octet-stream; }
      }`,
  );
  writeFileSync(server.file('json'), sampleJson());
  writeFileSync(server.file('bytes'), Buffer.alloc(1024 * 1024, 'x'));
  return server;
}
