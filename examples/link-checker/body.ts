/** Reading as much of a body as is good for us. */
import type { ClientResponse } from 'asyncio-ts/http';

/** The beginning of a body, `size` bytes at most, and whether there is more of it. */
export async function readAtMost(
  { content }: ClientResponse,
  size: number,
): Promise<{ bytes: Buffer; isCut: boolean }> {
  const chunks: Buffer[] = [];
  let length = 0;
  for await (const chunk of content.iterAny()) {
    chunks.push(chunk);
    length += chunk.length;
    if (length > size) break;
  }
  return { bytes: Buffer.concat(chunks).subarray(0, size), isCut: length > size };
}

/** A body as text, in the encoding that the response names, or UTF-8. */
export function decode({ charset }: ClientResponse, bytes: Uint8Array): string {
  try {
    return new TextDecoder(charset ?? 'utf-8').decode(bytes);
  } catch {
    return new TextDecoder().decode(bytes); // of an encoding that nobody knows
  }
}
