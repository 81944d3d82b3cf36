/** Node's own hello world, the floor of every start. */
console.log('hello');
