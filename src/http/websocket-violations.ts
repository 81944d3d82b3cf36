/** What a peer does wrong. In aiohttp parts of `aiohttp/_websocket/reader.py`. */
import { WebSocketError } from './exceptions.ts';
import { WSCloseCode } from './websocket-models.ts';

/** What is wrong with the peer's frames, by the codes of `ws`: the close code to send, and aiohttp's words. */
const VIOLATIONS = new Map<string, readonly [code: number, text: string | null]>([
  ['WS_ERR_UNEXPECTED_RSV_1', [WSCloseCode.PROTOCOL_ERROR, 'Received frame with non-zero reserved bits']],
  ['WS_ERR_UNEXPECTED_RSV_2_3', [WSCloseCode.PROTOCOL_ERROR, 'Received frame with non-zero reserved bits']],
  ['WS_ERR_EXPECTED_FIN', [WSCloseCode.PROTOCOL_ERROR, 'Received fragmented control frame']],
  ['WS_ERR_UNEXPECTED_MASK', [WSCloseCode.PROTOCOL_ERROR, 'Received masked frame from the server']],
  ['WS_ERR_INVALID_OPCODE', [WSCloseCode.PROTOCOL_ERROR, null]],
  ['WS_ERR_INVALID_CONTROL_PAYLOAD_LENGTH', [WSCloseCode.PROTOCOL_ERROR, null]],
  ['WS_ERR_INVALID_CLOSE_CODE', [WSCloseCode.PROTOCOL_ERROR, null]],
  ['WS_ERR_INVALID_UTF8', [WSCloseCode.INVALID_TEXT, 'Invalid UTF-8 text message']],
  ['WS_ERR_UNSUPPORTED_DATA_PAYLOAD_LENGTH', [WSCloseCode.MESSAGE_TOO_BIG, 'Message size exceeds limit']],
  ['WS_ERR_UNSUPPORTED_MESSAGE_LENGTH', [WSCloseCode.MESSAGE_TOO_BIG, 'Message size exceeds limit']],
  ['WS_ERR_TOO_MANY_BUFFERED_PARTS', [WSCloseCode.POLICY_VIOLATION, 'Message in too many pieces']],
]);

/** The error that `ws` found, or zlib, as aiohttp has it. */
export function toWebSocketError(error: Error, maxMsgSize: number): WebSocketError {
  const name = (error as NodeJS.ErrnoException).code ?? '';
  const violation = VIOLATIONS.get(name);
  // What is left are errors of zlib.
  if (violation === undefined) {
    return new WebSocketError(WSCloseCode.INVALID_TEXT, `Invalid compressed message: ${error.message}`, {
      cause: error,
    });
  }
  const [code, known] = violation;
  let text = known ?? describe(name, error.message);
  if (code === WSCloseCode.MESSAGE_TOO_BIG) text += ` ${maxMsgSize}`;
  return new WebSocketError(code, text, { cause: error });
}

/** Where `ws` names the number that is wrong. */
function describe(name: string, message: string): string {
  const number = /\d+/.exec(message)?.[0] ?? '';
  if (name === 'WS_ERR_INVALID_CLOSE_CODE') return `Invalid close code: ${number}`;
  if (name === 'WS_ERR_INVALID_CONTROL_PAYLOAD_LENGTH') {
    return number === '1'
      ? 'Invalid close frame: one byte'
      : 'Control frame payload cannot be larger than 125 bytes';
  }
  if (number === '0') return 'Continuation frame for non started message';
  if (number !== '1' && number !== '2') return `Unexpected opcode=${number}`;
  return `The opcode in non-fin frame is expected to be zero, got ${number}`;
}
