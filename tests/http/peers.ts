/** Servers and proxies that others wrote, each a child of its own on loopback. `await using` ends it. */
import { writeFileSync } from 'node:fs';
import path from 'node:path';
import { ProgramServer } from '../support/program-server.ts';
import { root } from '../support/project.ts';

/** The system's interpreter, which its packages are for. */
const PYTHON = '/usr/bin/python3';

function startPython(program: string): Promise<ProgramServer> {
  const file = path.join(root, 'tests/http/peers', program);
  return ProgramServer.start(PYTHON, 1, (_folder, [port]) => ['-B', file, String(port)]);
}

/** The address of a server's first port, or of another. */
export const urlOf = ({ ports }: ProgramServer, index = 0, scheme = 'http'): string =>
  `${scheme}://127.0.0.1:${ports[index]}/`;

/** httpbin, which answers with what it was asked, in many ways. */
export const startHttpbin = (): Promise<ProgramServer> => startPython('httpbin_peer.py');

/** aiohttp's own server, with the handlers of `aiohttp_peer.py`. */
export const startAiohttp = (): Promise<ProgramServer> => startPython('aiohttp_peer.py');

/** The server of the websockets package, an echo. */
export const startWebsockets = (): Promise<ProgramServer> => startPython('websockets_peer.py');

/** A tinyproxy that takes requests and CONNECT to any port, of everybody or of `login` alone. */
export function startTinyproxy(login?: { user: string; password: string }): Promise<ProgramServer> {
  return ProgramServer.start('tinyproxy', 1, (folder, [port]) => {
    const auth = login === undefined ? '' : `BasicAuth ${login.user} ${login.password}`;
    const config = `
Port ${port}
Listen 127.0.0.1
Timeout 30
MaxClients 100
LogLevel Info
PidFile "${folder}/tinyproxy.pid"
${auth}
`;
    writeFileSync(path.join(folder, 'tinyproxy.conf'), config);
    return ['-d', '-c', 'tinyproxy.conf'];
  });
}
