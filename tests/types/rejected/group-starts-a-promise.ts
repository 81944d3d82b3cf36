import { TaskGroup } from 'asyncio-ts';

await new TaskGroup().run((group) => {
  // expect: Argument of type 'Promise<number>' is not assignable to parameter of type
  group.createTask(Promise.resolve(1));
});
