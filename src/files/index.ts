/** Files that are read and written without blocking the loop, as aiofiles has them. */
export { type BaseFile, BinaryFile, LineIterator, TextFile } from './files.ts';
export type { BinaryMode, TextMode, TextOptions } from './modes.ts';
export { type Opening, open } from './open.ts';
