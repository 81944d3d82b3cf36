import { coroutine, createTask } from 'asyncio-ts';

const fetchPage = coroutine(async (page: number) => page);

// expect: is not assignable to parameter of type
createTask(fetchPage);
// expect: Argument of type 'string' is not assignable to parameter of type 'number'
createTask(fetchPage('1'));
