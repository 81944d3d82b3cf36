/** Messages of a WebSocket and what they are made of. Counterpart: `aiohttp/_websocket/models.py`. */
import { quote } from './helpers.ts';

/** What has a name for each of its values, which `enumeration[value]` gives; other numbers have none. */
type Named<T extends Readonly<Record<string, number>>> = T & { readonly [Value in T[keyof T]]: string } & {
  readonly [value: number]: string | undefined;
};

type ValueOf<E> = E extends Named<infer T> ? T[keyof T] : never;

// Not enumerable: whoever goes through the members sees each once.
function withNames<const T extends Readonly<Record<string, number>>>(members: T): Named<T> {
  for (const [name, value] of Object.entries(members)) Object.defineProperty(members, value, { value: name });
  return Object.freeze(members) as Named<T>;
}

/**
 * The kinds of messages: the frames of the protocol, and from 256 on what only this library tells.
 *
 * `WSMsgType[1]` is the name `'TEXT'`.
 *
 * Source: aiohttp 3.14 `aiohttp.WSMsgType`.
 */
export const WSMsgType = /* @__PURE__ */ withNames({
  CONTINUATION: 0x0,
  TEXT: 0x1,
  BINARY: 0x2,
  CLOSE: 0x8,
  PING: 0x9,
  PONG: 0xa,
  /** `close` was called while a `receive` was waiting. */
  CLOSING: 0x100,
  /** The WebSocket is closed, and there is nothing more to receive. */
  CLOSED: 0x101,
  /** The peer broke the protocol, or did not answer a heartbeat; `data` is the error. */
  ERROR: 0x102,
} as const);

export type WSMsgType = ValueOf<typeof WSMsgType>;

/**
 * Codes that a WebSocket is closed with.
 *
 * `WSCloseCode[1000]` is the name `'OK'`.
 *
 * Source: aiohttp 3.14 `aiohttp.WSCloseCode`.
 */
export const WSCloseCode = /* @__PURE__ */ withNames({
  OK: 1000,
  GOING_AWAY: 1001,
  PROTOCOL_ERROR: 1002,
  UNSUPPORTED_DATA: 1003,
  /** The connection was lost without a closing handshake. Never sent. */
  ABNORMAL_CLOSURE: 1006,
  INVALID_TEXT: 1007,
  POLICY_VIOLATION: 1008,
  MESSAGE_TOO_BIG: 1009,
  MANDATORY_EXTENSION: 1010,
  INTERNAL_ERROR: 1011,
  SERVICE_RESTART: 1012,
  TRY_AGAIN_LATER: 1013,
  BAD_GATEWAY: 1014,
} as const);

export type WSCloseCode = ValueOf<typeof WSCloseCode>;

/** What all messages have. */
interface MessageOf<Type extends WSMsgType, Data, Extra extends string | null> {
  readonly type: Type;
  /** The text, the bytes, the code of a CLOSE (0 if it has none), the error of an ERROR; else null. */
  readonly data: Data;
  /** The reason of a CLOSE; empty for other frames, null for what is no frame. */
  readonly extra: Extra;
  /**
   * `data` as JSON.
   *
   * @param options.loads - makes a value of the data. Default `JSON.parse`.
   * @throws the errors of `loads`.
   *
   * Source: aiohttp 3.14 `WSMessage.json`.
   */
  json<T = unknown>(options?: { loads?: ((data: Data) => T) | undefined }): T;
}

/** A text message. Its data is a `Buffer` if the WebSocket was made with `decodeText: false`. */
export type WSTextMessage<Text extends string | Buffer = string> = MessageOf<typeof WSMsgType.TEXT, Text, ''>;

/**
 * What `receive` gives. `type` tells what `data` is.
 *
 * ```ts
 * if (message.type === WSMsgType.TEXT) console.log(message.data.toUpperCase());
 * ```
 *
 * Source: aiohttp 3.14 `aiohttp.WSMessage`.
 */
export type WSMessage<Text extends string | Buffer = string> =
  | WSTextMessage<Text>
  | MessageOf<typeof WSMsgType.BINARY | typeof WSMsgType.PING | typeof WSMsgType.PONG, Buffer, ''>
  | MessageOf<typeof WSMsgType.CLOSE, number, string>
  | MessageOf<typeof WSMsgType.CLOSING | typeof WSMsgType.CLOSED, null, null>
  | MessageOf<typeof WSMsgType.ERROR, Error, null>;

/** A message of any text: inside of the library the option `decodeText` is no type. */
export type AnyMessage = WSMessage<string | Buffer>;

class Message {
  readonly type: WSMsgType;
  readonly data: string | Buffer | number | Error | null;
  readonly extra: string | null;

  constructor(type: WSMsgType, data: string | Buffer | number | Error | null, extra: string | null) {
    this.type = type;
    this.data = data;
    this.extra = extra;
  }

  json({ loads = parse }: { loads?: (data: never) => unknown } = {}): unknown {
    return loads(this.data as never);
  }

  /** As aiohttp prints it. */
  toString(): string {
    const { type, data, extra } = this;
    const parts = [`type=<WSMsgType.${WSMsgType[type]}: ${type}>`, `data=${describe(data)}`];
    return `WSMessage(${parts.join(', ')}, extra=${extra === null ? 'null' : quote(extra)})`;
  }

  [Symbol.for('nodejs.util.inspect.custom')](): string {
    return this.toString();
  }
}
Object.defineProperty(Message, 'name', { value: 'WSMessage' });

/** The data of a message, as Python prints it. */
export function describe(data: AnyMessage['data']): string {
  if (typeof data === 'string') return quote(data);
  if (!Buffer.isBuffer(data)) return String(data);
  const text = quote(data.toString('latin1'));
  return `b${text.replaceAll(/[\x80-\xff]/g, (character) => `\\x${character.charCodeAt(0).toString(16)}`)}`;
}

const parse = (data: string | Buffer): unknown => JSON.parse(data.toString());

const make = Message as unknown as new (type: WSMsgType, data: unknown, extra: string | null) => AnyMessage;

export const textMessage = (data: string | Buffer): AnyMessage => new make(WSMsgType.TEXT, data, '');
export const binaryMessage = (data: Buffer): AnyMessage => new make(WSMsgType.BINARY, data, '');
export const pingMessage = (data: Buffer): AnyMessage => new make(WSMsgType.PING, data, '');
export const pongMessage = (data: Buffer): AnyMessage => new make(WSMsgType.PONG, data, '');
export const closeMessage = (code: number, reason: string): AnyMessage =>
  new make(WSMsgType.CLOSE, code, reason);
export const errorMessage = (error: Error): AnyMessage => new make(WSMsgType.ERROR, error, null);
export const CLOSING_MESSAGE: AnyMessage = new make(WSMsgType.CLOSING, null, null);
export const CLOSED_MESSAGE: AnyMessage = new make(WSMsgType.CLOSED, null, null);
