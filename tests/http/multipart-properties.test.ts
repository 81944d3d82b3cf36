import assert from 'node:assert/strict';
import { Blob } from 'node:buffer';
import { describe, it } from 'node:test';
import { run } from 'asyncio-ts';
import {
  BodyPartReader,
  BytesIOPayload,
  FormData,
  MultipartReader,
  MultipartWriter,
  type Payload,
} from 'asyncio-ts/http';
import fc from 'fast-check';
import '../support/leaks.ts';
import { Chunks, written } from './payloads.ts';

/** A part, or a body of parts. */
type Tree = Leaf | Branch;

interface Leaf {
  content: Uint8Array;
  contentEncoding: 'gzip' | 'deflate' | 'identity' | null;
  transferEncoding: 'base64' | 'quoted-printable' | 'binary' | null;
  kind: 'bytes' | 'pieces' | 'blob' | 'stream';
}

interface Branch {
  boundary: string;
  parts: Tree[];
}

const isBranch = (tree: Tree): tree is Branch => 'parts' in tree;

/** Bytes that are full of what separates parts. */
const content = fc.oneof(
  fc.uint8Array({ maxLength: 300 }),
  fc
    .array(fc.constantFrom('\r', '\n', '\r\n', '-', '--', '--b', '\r\n--b', ':', ' ', '=', 'data', '\0'), {
      maxLength: 30,
    })
    .map((pieces) => new Uint8Array(Buffer.from(pieces.join('')))),
);

const leaf: fc.Arbitrary<Leaf> = fc.record({
  content,
  contentEncoding: fc.constantFrom('gzip', 'deflate', 'identity', null),
  transferEncoding: fc.constantFrom('base64', 'quoted-printable', 'binary', null),
  kind: fc.constantFrom('bytes', 'pieces', 'blob', 'stream'),
});

/** Boundaries that begin like each other, and like what is in the parts; long enough that no part has one by chance. */
const boundary = fc
  .tuple(
    fc.constantFrom('b', 'b-', 'b:', ':', "b'"),
    fc.stringMatching(/^[0-9a-f]{12}$/),
    fc.constantFrom('', ' b', '"', '\\', '-'),
  )
  .map((parts) => parts.join(''));

const { body } = fc.letrec<{ tree: Tree; body: Branch }>((tie) => ({
  tree: fc.oneof({ maxDepth: 3 }, leaf, tie('body')),
  body: fc.record({ boundary, parts: fc.array(tie('tree'), { maxLength: 4 }) }),
}));

function valueOf({ content: bytes, kind }: Leaf): unknown {
  if (kind === 'blob') return new Blob([bytes]);
  if (kind === 'pieces') return new BytesIOPayload(bytes);
  if (kind === 'bytes') return bytes;
  return (async function* () {
    for (let i = 0; i < bytes.length; i += 7) yield bytes.subarray(i, i + 7);
  })();
}

function writerOf({ boundary: separator, parts }: Branch): MultipartWriter {
  const writer = new MultipartWriter('mixed', separator);
  for (const part of parts) {
    if (isBranch(part)) {
      writer.append(writerOf(part));
      continue;
    }
    const headers: Record<string, string> = { 'X-Kind': part.kind };
    if (part.contentEncoding !== null) headers['Content-Encoding'] = part.contentEncoding;
    if (part.transferEncoding !== null) headers['Content-Transfer-Encoding'] = part.transferEncoding;
    writer.append(valueOf(part), headers);
  }
  return writer;
}

/** The contents that the tree has, and those that a reader finds. */
type Found = (string | Found)[];

const contentsOf = ({ parts }: Branch): Found =>
  parts.map((part) => (isBranch(part) ? contentsOf(part) : Buffer.from(part.content).toString('hex')));

/** How a part is read. */
type Reading = 'read' | 'readChunk' | 'readline';

async function readPart(part: BodyPartReader, reading: Reading, size: number): Promise<Buffer> {
  if (reading === 'read') return part.read({ decode: true });
  const pieces: Buffer[] = [];
  while (!part.atEof()) {
    pieces.push(await (reading === 'readChunk' ? part.readChunk(size) : part.readline()));
  }
  return part.decode(Buffer.concat(pieces));
}

async function readAll(reader: MultipartReader, reading: Reading, size: number): Promise<Found> {
  const found: Found = [];
  for (let part = await reader.next(); part !== null; part = await reader.next()) {
    if (part instanceof MultipartReader) found.push(await readAll(part, reading, size));
    else found.push((await readPart(part, reading, size)).toString('hex'));
  }
  return found;
}

/** `bytes` in chunks of these sizes, over and over. */
function cut(bytes: Buffer, sizes: readonly number[]): Buffer[] {
  const chunks: Buffer[] = [];
  for (let i = 0, place = 0; place < bytes.length; i++) {
    const size = sizes[i % sizes.length] as number;
    chunks.push(bytes.subarray(place, place + size));
    place += size;
  }
  return chunks;
}

const sizes = fc.array(fc.integer({ min: 1, max: 60 }), { minLength: 1, maxLength: 8 });
const reading = fc.constantFrom<Reading>('read', 'readChunk', 'readline');

describe('what MultipartWriter writes', () => {
  it('MultipartReader reads back, however it is cut and however it is read', () =>
    run(async () => {
      await fc.assert(
        fc.asyncProperty(
          body,
          sizes,
          reading,
          fc.integer({ min: 1, max: 80 }),
          async (tree, cuts, how, size) => {
            const writer = writerOf(tree);
            const { size: announced } = writer;
            const bytes = await written(writer);
            if (announced !== null) assert.equal(bytes.length, announced);
            const reader = new MultipartReader(writer.headers, new Chunks(...cut(bytes, cuts)));
            assert.deepEqual(await readAll(reader, how, size), contentsOf(tree));
            assert.equal(reader.atEof(), true);
          },
        ),
        { numRuns: 400 },
      );
    }));

  it('can be skipped, at any depth and after any part of it', () =>
    run(async () => {
      const steps = fc.array(fc.integer({ min: 0, max: 20 }), { minLength: 1, maxLength: 6 });
      await fc.assert(
        fc.asyncProperty(body, sizes, steps, async (tree, cuts, takes) => {
          const bytes = await written(
            writerOf({ boundary: `outer${tree.boundary}`, parts: [tree, ...tree.parts] }),
          );
          const type = writerOf({ boundary: `outer${tree.boundary}`, parts: [] }).headers;
          const reader = new MultipartReader(type, new Chunks(...cut(bytes, cuts)));
          let count = 0;
          for await (const part of reader) {
            const take = takes[count++ % takes.length] as number;
            const inner = part instanceof MultipartReader ? await part.next() : part;
            if (take > 0 && inner instanceof BodyPartReader) await inner.readChunk(take);
          }
          assert.equal(count, tree.parts.length + 1);
        }),
        { numRuns: 200 },
      );
    }));

  it('is a form that a reader understands, and the host does', () =>
    run(async () => {
      const text = fc.string({ unit: 'grapheme', minLength: 1, maxLength: 8 });
      // What other parsers make of quotes and semicolons differs.
      const name = text.filter((value) => !/[\p{Cc}\p{Surrogate}"\\;/]/u.test(value));
      const fields = fc.array(
        fc.tuple(
          name,
          text.filter((value) => !/\p{Surrogate}/u.test(value)),
          fc.option(name),
        ),
        {
          maxLength: 5,
        },
      );
      await fc.assert(
        fc.asyncProperty(fields, sizes, async (given, cuts) => {
          const form = new FormData([], false, null, { defaultToMultipart: true });
          for (const [field, value, filename] of given) form.addField(field, value, { filename });
          const payload = (form as unknown as { _toPayload(): Payload })._toPayload();
          const bytes = await written(payload);
          const host = await new Response(bytes, {
            headers: { 'Content-Type': payload.contentType },
          }).formData();
          assert.deepEqual(
            [...host].map(([, value]) => (typeof value === 'string' ? null : value.size)),
            given.map(([, value, filename]) => (filename === null ? null : Buffer.byteLength(value))),
          );
          const reader = new MultipartReader(payload.headers, new Chunks(...cut(bytes, cuts)));
          const found: unknown[] = [];
          for await (const part of reader as AsyncIterable<BodyPartReader>) {
            found.push([part.name, await part.text(), part.filename]);
          }
          assert.deepEqual(found, given);
        }),
        { numRuns: 200 },
      );
    }));
});

describe('whatever comes in', () => {
  it('is read, or refused with an error that says so', () =>
    run(async () => {
      const piece = fc.oneof(
        fc.constantFrom(
          '--b\r\n',
          '--b--\r\n',
          '\r\n',
          '\r\n\r\n',
          'X: 1\r\n',
          '--b',
          '\n',
          ':',
          'Content-Length: 3\r\n',
        ),
        fc.constantFrom(
          'Content-Type: multipart/mixed; boundary=b\r\n',
          'Content-Type: multipart/mixed; boundary=c\r\n',
          'Content-Transfer-Encoding: base64\r\n',
          'Content-Disposition: form-data; name="_charset_"\r\n',
          '--c\r\n',
          '--c--\r\n',
        ),
        fc.string({ maxLength: 6 }),
      );
      const input = fc
        .array(piece, { maxLength: 30 })
        .map((pieces) => Buffer.from(`--b\r\n${pieces.join('')}`));
      const type = fc.constantFrom('mixed', 'form-data');
      await fc.assert(
        fc.asyncProperty(input, sizes, type, reading, async (bytes, cuts, subtype, how) => {
          const headers = { 'Content-Type': `multipart/${subtype}; boundary=b` };
          const results: string[] = [];
          for (const chunks of [[bytes], cut(bytes, cuts)]) {
            try {
              const found = await readAll(new MultipartReader(headers, new Chunks(...chunks)), how, 100);
              results.push(JSON.stringify(found));
            } catch (error) {
              assert.ok(error instanceof Error);
              assert.match(
                error.constructor.name,
                /^(?:RangeError|RuntimeError|BadHttpMessage|InvalidHeader|LookupError)$/,
              );
              results.push(error.message);
            }
          }
          // The same, however it is cut.
          assert.equal(results[1], results[0]);
        }),
        { numRuns: 1000 },
      );
    }));
});
