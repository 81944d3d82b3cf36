import { gather } from 'asyncio-ts';

const [, second] = await gather(
  async () => 1,
  async () => 'text',
);
// expect: Type 'string' is not assignable to type 'number'
export const place: number = second;
