/** Three clients who visit a chat, on streams, and print what they say and read. */
import { openConnection, type StreamReader, type StreamWriter } from 'asyncio-ts';

class Visitor {
  readonly name: string;
  readonly #reader: StreamReader;
  readonly #writer: StreamWriter;

  constructor(name: string, reader: StreamReader, writer: StreamWriter) {
    this.name = name;
    this.#reader = reader;
    this.#writer = writer;
  }

  async write(text: string): Promise<void> {
    this.#writer.write(Buffer.from(`${text}\n`));
    await this.#writer.drain();
  }

  async read(): Promise<void> {
    const line = await this.#reader.readline();
    console.log(`  ${this.name} reads: ${line.toString().trimEnd()}`);
  }

  async leave(): Promise<void> {
    this.#writer.close();
    await this.#writer.waitClosed();
  }
}

export async function visit(port: number): Promise<void> {
  const room: Visitor[] = [];

  /** All but one read a line. */
  const othersRead = async (visitor: Visitor): Promise<void> => {
    for (const other of room) if (other !== visitor) await other.read();
  };

  const come = async (name: string): Promise<Visitor> => {
    console.log(`${name} comes`);
    const visitor = new Visitor(name, ...(await openConnection('127.0.0.1', port)));
    room.push(visitor);
    await visitor.write(name);
    await visitor.read();
    await othersRead(visitor);
    return visitor;
  };

  const say = async (visitor: Visitor, text: string): Promise<void> => {
    console.log(`${visitor.name} says: ${text}`);
    await visitor.write(text);
    await othersRead(visitor);
  };

  const go = async (visitor: Visitor): Promise<void> => {
    console.log(`${visitor.name} goes`);
    await visitor.leave();
    room.splice(room.indexOf(visitor), 1);
    await othersRead(visitor);
  };

  const ann = await come('ann');
  const bob = await come('bob');
  await say(ann, 'Hello, bob!');
  const cid = await come('cid');
  await say(cid, 'Is this streams or protocols?');
  await say(bob, 'You cannot tell from here.');
  await go(cid);
  await go(ann);
  await go(bob);
}
