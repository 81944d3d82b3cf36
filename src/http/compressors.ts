/** Compression of bodies on their way out. Counterpart: `ZLibCompressor` of `aiohttp/compression_utils.py`. */
import type { Transform } from 'node:stream';
import zlib from 'node:zlib';

// Node has it from 22.15 on, and its types for Node 20 do not.
const { createZstdCompress } = zlib as { createZstdCompress?: () => Transform };

const compressors = new Map<string, () => Transform>([
  ['gzip', () => zlib.createGzip()],
  ['deflate', () => zlib.createDeflate()],
  ['br', () => zlib.createBrotliCompress()],
]);
if (createZstdCompress !== undefined) compressors.set('zstd', createZstdCompress);

/** Whether a body can be given this `Content-Encoding`. */
export function isEncodable(encoding: string): boolean {
  return compressors.has(encoding);
}

/** @param encoding - one that `isEncodable` knows. */
export function createCompressor(encoding: string): Transform {
  return (compressors.get(encoding) as () => Transform)();
}
