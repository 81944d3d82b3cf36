/** The part of Python's asyncio that runs everywhere: browsers, workers, Bun, Deno. */
import './core/unsupported.ts';

export * from './core/index.ts';
export { EventLoop } from './host/web.ts';
