/** undici, of the version that this library uses. Argument: which of its ways. */
import { Agent, type Dispatcher, request } from 'undici';
import { drive, type Kind, promising } from './drive.ts';

const agent = new Agent();

async function read({ body }: Dispatcher.ResponseData, kind: Kind): Promise<unknown> {
  return kind === 'json' ? await body.json() : await body.arrayBuffer();
}

/** Its lowest level: what any client upon it costs at least. */
function dispatch(kind: Kind, url: string): Promise<unknown> {
  const { origin, pathname: path } = new URL(url);
  return new Promise((resolve, reject) => {
    const chunks: Buffer[] = [];
    agent.dispatch(
      { origin, path, method: 'GET' },
      {
        // Without it undici takes the object for a handler of its older kind.
        onRequestStart: () => {},
        onResponseData: (_controller, chunk) => {
          chunks.push(chunk);
        },
        onResponseEnd: () => {
          const body = Buffer.concat(chunks);
          resolve(kind === 'json' ? JSON.parse(body.toString()) : body);
        },
        onResponseError: (_controller, error) => reject(error),
      },
    );
  });
}

const subjects: Readonly<Record<string, (kind: Kind, url: string) => Promise<unknown>>> = {
  'undici-request': async (kind, url) => await read(await request(url), kind),
  'undici-agent': async (kind, url) => await read(await request(url, { dispatcher: agent }), kind),
  'undici-dispatch': dispatch,
};

drive(promising(subjects[process.argv[2] ?? '']!));
