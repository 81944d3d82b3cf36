import { Queue } from 'asyncio-ts';

const queue = new Queue<number>();
// expect: Property '_put' is protected and only accessible within class 'Queue<T>' and its subclasses.
queue._put(1);
