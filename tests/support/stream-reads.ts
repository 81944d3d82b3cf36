/** Reads of a stream as data, for the tests that make them up. */
import {
  CancelledError,
  type Gen,
  IncompleteReadError,
  LimitOverrunError,
  type StreamReader,
} from 'asyncio-ts';

/** One read, as data that both languages understand. */
export type Read =
  | ['read', number]
  | ['readexactly', number]
  | ['readline']
  | ['readuntil', readonly string[]]
  | ['next'];

function begin(reader: StreamReader, read: Read): Gen<Buffer> {
  return (function* (): Gen<Buffer> {
    if (read[0] === 'read') return yield* reader.read(read[1]);
    if (read[0] === 'readexactly') return yield* reader.readexactly(read[1]);
    if (read[0] === 'readline') return yield* reader.readline();
    if (read[0] === 'readuntil') return yield* reader.readuntil(read[1]);
    const { value } = yield* reader[Symbol.asyncIterator]().next();
    return value ?? Buffer.alloc(0);
  })();
}

/** An error as the tests print it, in both languages. */
export function describeError(error: unknown): string {
  if (error instanceof LimitOverrunError) return `LimitOverrunError ${error.message} ${error.consumed}`;
  if (error instanceof IncompleteReadError)
    return `IncompleteReadError ${String(error.partial)} ${error.expected}`;
  const { name, message } = error as Error;
  return name === 'RangeError' ? 'ValueError' : `${name} ${message}`;
}

/** What a read gives or throws, as text. A cancellation goes on. */
export function* outcome(reader: StreamReader, read: Read): Gen<string> {
  try {
    return `= ${String(yield* begin(reader, read))}`;
  } catch (error) {
    if (error instanceof CancelledError) throw error;
    return describeError(error);
  }
}
