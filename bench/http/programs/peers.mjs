// Clients of others, with connections that stay open. Argument: which.
import { Agent } from 'node:http';
import { drive, promising } from './drive.js';

const agent = new Agent({ keepAlive: true });

const subjects = {
  async got() {
    const { default: got } = await import('got');
    const client = got.extend({ agent: { http: agent } });
    return (kind, url) => (kind === 'json' ? client(url).json() : client(url).buffer());
  },
  async axios() {
    const { default: axios } = await import('axios');
    const client = axios.create({ httpAgent: agent });
    return async (kind, url) => {
      const options = kind === 'json' ? {} : { responseType: 'arraybuffer' };
      return (await client.get(url, options)).data;
    };
  },
};

drive(promising(await subjects[process.argv[2]]()));
