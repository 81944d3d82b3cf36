/** Python's asyncio on Node. */
export * from './core/index.ts';
export { EventLoop, SelectorEventLoop } from './io/event-loop.ts';
