// Pools of others, at their defaults but for the number of workers.
import { drive } from './drive.js';

const file = new URL('worker.mjs', import.meta.url);

async function piscina(workers) {
  const { Piscina } = await import('piscina');
  const pool = new Piscina({ filename: file.href, minThreads: workers, maxThreads: workers });
  return {
    add: () => pool.run({ a: 1, b: 2 }, { name: 'add' }),
    bounce: (buffer, isMoved) =>
      isMoved
        ? pool.run({ buffer, move: 'piscina' }, { name: 'bounceMoved', transferList: [buffer.buffer] })
        : pool.run(buffer, { name: 'bounce' }),
    close: () => pool.destroy(),
  };
}

async function tinypool(workers) {
  const { Tinypool } = await import('tinypool');
  const pool = new Tinypool({ filename: file.href, minThreads: workers, maxThreads: workers });
  return {
    add: () => pool.run({ a: 1, b: 2 }, { name: 'add' }),
    bounce: (buffer, isMoved) =>
      isMoved
        ? pool.run({ buffer, move: 'tinypool' }, { name: 'bounceMoved', transferList: [buffer.buffer] })
        : pool.run(buffer, { name: 'bounce' }),
    close: () => pool.destroy(),
  };
}

function workerpool(workerType) {
  return async (workers) => {
    process.env['BENCH_WORKERPOOL'] = '1';
    const { default: workerpool } = await import('workerpool');
    const pool = workerpool.pool(file.pathname, {
      workerType,
      minWorkers: workers,
      maxWorkers: workers,
      forkOpts: { serialization: 'advanced' },
    });
    return {
      add: () => pool.exec('add', [1, 2]),
      bounce: (buffer, isMoved) =>
        isMoved
          ? pool.exec('bounceMoved', [buffer], { transfer: [buffer.buffer] })
          : pool.exec('bounce', [buffer]),
      close: () => pool.terminate(),
    };
  };
}

await drive({
  piscina: { open: piscina },
  tinypool: { open: tinypool },
  'workerpool-threads': { open: workerpool('thread') },
  'workerpool-processes': { open: workerpool('process') },
});
