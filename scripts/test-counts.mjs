// A reporter of node:test that writes the closing counts as JSON. They come as diagnostics such as "tests 12" from
// every Node; the event `test:summary` does not exist in Node 20.

/** @param {AsyncIterable<{ type: string, data: any }>} events */
export default async function* counts(events) {
  const found = {};
  for await (const { type, data } of events) {
    const [, name, count] = (type === 'test:diagnostic' && /^(\w+) ([\d.]+)$/.exec(data.message)) || [];
    if (name) found[name] = Number(count);
  }
  yield `${JSON.stringify(found)}\n`;
}
