/** Bodies that are small on the wire and gigabytes when they are decompressed. */
import { once } from 'node:events';
import { constants, createBrotliCompress, createDeflateRaw, default as zlib } from 'node:zlib';
import type { Transform } from 'node:stream';

const MIB = 2 ** 20;
/** Zeros that a block makes. */
const BLOCK = 16 * MIB;

/** A compressed stream that has no end: `head`, then `block` again and again. */
export interface Bomb {
  readonly encoding: string;
  readonly head: Buffer;
  /** Makes 16 MiB of zeros each time. */
  readonly block: Buffer;
}

/** What comes out of `compressor` for each of three equal pieces, which are flushed. The third repeats itself. */
async function pieces(
  compressor: Transform & { flush?(kind: number, done: () => void): void },
  kind: number,
) {
  const zeros = Buffer.alloc(BLOCK);
  const made: Buffer[] = [];
  for (let i = 0; i < 3; i++) {
    const chunks: Buffer[] = [];
    const collect = (chunk: Buffer): void => void chunks.push(chunk);
    compressor.on('data', collect);
    compressor.write(zeros);
    await new Promise<void>((resolve) => compressor.flush?.(kind, resolve));
    compressor.off('data', collect);
    made.push(Buffer.concat(chunks));
  }
  compressor.destroy();
  await once(compressor, 'close');
  return made as [Buffer, Buffer, Buffer];
}

/** One of each encoding that this Node knows. */
export async function bombs(): Promise<Bomb[]> {
  const [raw] = await pieces(createDeflateRaw(), constants.Z_FULL_FLUSH);
  const [first, second, repeated] = await pieces(
    createBrotliCompress({ params: { [constants.BROTLI_PARAM_QUALITY]: 4 } }),
    constants.BROTLI_OPERATION_FLUSH,
  );
  const all: Bomb[] = [
    { encoding: 'gzip', head: Buffer.from('1f8b0800000000000003', 'hex'), block: raw },
    { encoding: 'deflate', head: Buffer.from('78da', 'hex'), block: raw },
    { encoding: 'br', head: Buffer.concat([first, second]), block: repeated },
  ];
  const { createZstdCompress } = zlib as { createZstdCompress?: () => Transform };
  if (createZstdCompress !== undefined && Number.parseInt(process.versions.node, 10) >= 24) {
    // ZSTD_e_flush
    const [head, , block] = await pieces(createZstdCompress(), 1);
    all.push({ encoding: 'zstd', head, block });
  }
  return all;
}
