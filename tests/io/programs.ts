/** Programs for the tests of streams, each in a folder of its own. */
import { writeFileSync } from 'node:fs';
import path from 'node:path';
import { ProgramServer, startNginx } from '../support/program-server.ts';

/** An nginx that serves its folder plainly at its first port, by TLS at its second, and at `nginx.sock`. */
export function startFileServer(): Promise<ProgramServer> {
  return startNginx(
    2,
    (folder, [plain, secured]) => `
      sendfile on;
      server {
        listen 127.0.0.1:${plain};
        listen 127.0.0.1:${secured} ssl;
        listen unix:${folder}/nginx.sock;
        ssl_certificate ${folder}/cert.pem;
        ssl_certificate_key ${folder}/key.pem;
        location / { root ${folder}; }
        location /echo { return 200 "$request_method $arg_text"; }
        location /slow { root ${folder}; limit_rate 64k; rewrite ^/slow(.*)$ $1 break; }
      }`,
  );
}

/** A Redis at its port and at `redis.sock`, which writes nothing. */
export function startRedis(): Promise<ProgramServer> {
  return ProgramServer.start('redis-server', 1, (folder, [port]) => {
    const config = `
      bind 127.0.0.1
      port ${port}
      dir ${folder}
      unixsocket ${folder}/redis.sock
      appendonly no
      save ""`;
    writeFileSync(path.join(folder, 'redis.conf'), config);
    return ['redis.conf'];
  });
}
