/**
 * What the Autobahn test suite asks of a client, by the numbers of its cases: what the server sends, and what the client
 * has to send back. The client echoes messages. Written anew from what the suite's cases are about.
 */
import {
  BINARY,
  CLOSE,
  closing,
  CONTINUATION,
  frame,
  type FrameOptions,
  PING,
  PONG,
  TEXT,
} from './websocket-servers.ts';

/** A frame as the client has to send it. */
export type Expected = readonly [opcode: number, payload: Buffer];

export interface Case {
  readonly id: string;
  readonly about: string;
  readonly frames: readonly Buffer[];
  /** Bytes of each write; 0 for a write per frame. */
  readonly chop: number;
  readonly expected: readonly Expected[];
  /** The code that the client closes with. */
  readonly close: number;
  readonly maxMsgSize?: number;
}

interface Rest {
  chop?: number;
  expected?: Expected[];
  close?: number;
  maxMsgSize?: number;
}

const cases: Case[] = [];

/** A case. One that ends well is closed by the server. */
function add(id: string, about: string, frames: Buffer[], rest: Rest = {}): void {
  const { chop = 0, expected = [], close = 1000, maxMsgSize } = rest;
  const all = close === 1000 ? [...frames, frame(CLOSE, closing(1000))] : frames;
  cases.push({
    id,
    about,
    frames: all,
    chop,
    expected,
    close,
    ...(maxMsgSize === undefined ? {} : { maxMsgSize }),
  });
}

const text = (value: string | Buffer): Expected => [TEXT, Buffer.from(value)];

const pong = (value: string | Buffer = ''): Expected => [PONG, Buffer.from(value)];
const part = (payload: Buffer | string, fin = false): Buffer => frame(CONTINUATION, payload, { fin });
const begin = (opcode: number, payload: Buffer | string): Buffer => frame(opcode, payload, { fin: false });

/** A message in frames of at most `size` bytes. */
function split(opcode: number, payload: Buffer, size: number): Buffer[] {
  const frames: Buffer[] = [];
  for (let at = 0; at === 0 || at < payload.length; at += size) {
    const fin = at + size >= payload.length;
    frames.push(frame(at === 0 ? opcode : CONTINUATION, payload.subarray(at, at + size), { fin }));
  }
  return frames;
}

const HELLO = 'Hello, world!';

function framing(): void {
  const sizes = [0, 125, 126, 127, 128, 65_535, 65_536];
  for (const [kind, opcode] of [
    [1, TEXT],
    [2, BINARY],
  ] as const) {
    for (const [i, size] of sizes.entries()) {
      const data = Buffer.alloc(size, opcode === TEXT ? '*' : 0xfe);
      add(`1.${kind}.${i + 1}`, `${size} bytes`, [frame(opcode, data)], { expected: [[opcode, data]] });
    }
    const data = Buffer.alloc(65_536, opcode === TEXT ? '*' : 0xfe);
    add(`1.${kind}.8`, '65536 bytes, in chops of 997', [frame(opcode, data)], {
      chop: 997,
      expected: [[opcode, data]],
    });
  }
}

function pings(): void {
  const bytes = Buffer.from([0x00, 0xff, 0xfe, 0xfd, 0xfc, 0xfb, 0x00, 0xff]);
  const longest = Buffer.alloc(125, 0xfe);
  const ten = Array.from({ length: 10 }, (_, i) => `payload-${i}`);
  add('2.1', 'a ping without payload', [frame(PING)], { expected: [pong()] });
  add('2.2', 'a ping with text', [frame(PING, HELLO)], { expected: [pong(HELLO)] });
  add('2.3', 'a ping with bytes', [frame(PING, bytes)], { expected: [pong(bytes)] });
  add('2.4', 'a ping of 125 bytes', [frame(PING, longest)], { expected: [pong(longest)] });
  add('2.5', 'a ping of 126 bytes', [frame(PING, Buffer.alloc(126, 0xfe))], { close: 1002 });
  add('2.6', 'a ping of 125 bytes, byte by byte', [frame(PING, longest)], {
    chop: 1,
    expected: [pong(longest)],
  });
  add('2.7', 'a pong that nobody asked for', [frame(PONG)]);
  add('2.8', 'a pong that nobody asked for, with payload', [frame(PONG, 'unsolicited')]);
  add('2.9', 'such a pong, then a ping', [frame(PONG, 'unsolicited'), frame(PING, 'ping')], {
    expected: [pong('ping')],
  });
  const answers = ten.map((one) => pong(one));
  add(
    '2.10',
    'ten pings',
    ten.map((one) => frame(PING, one)),
    { expected: answers },
  );
  add(
    '2.11',
    'ten pings, byte by byte',
    ten.map((one) => frame(PING, one)),
    { chop: 1, expected: answers },
  );
}

function reservedBits(): void {
  const around = (middle: Buffer): Buffer[] => [frame(TEXT, HELLO), middle, frame(PING)];
  add('3.1', 'RSV 1 on a text', [frame(TEXT, HELLO, { rsv: 1 })], { close: 1002 });
  add('3.2', 'RSV 2 on a text after a text', around(frame(TEXT, HELLO, { rsv: 2 })), {
    expected: [text(HELLO)],
    close: 1002,
  });
  add('3.3', 'RSV 3 on a text, in one write', [Buffer.concat(around(frame(TEXT, HELLO, { rsv: 3 })))], {
    expected: [text(HELLO)],
    close: 1002,
  });
  add('3.4', 'RSV 4 on a text, byte by byte', around(frame(TEXT, HELLO, { rsv: 4 })), {
    chop: 1,
    expected: [text(HELLO)],
    close: 1002,
  });
  add('3.5', 'RSV 5 on a binary message', [frame(BINARY, Buffer.from([0, 255]), { rsv: 5 })], {
    close: 1002,
  });
  add('3.6', 'RSV 6 on a ping', [frame(PING, HELLO, { rsv: 6 })], { close: 1002 });
  add('3.7', 'RSV 7 on a close', [frame(CLOSE, closing(1000), { rsv: 7 })], { close: 1002 });
}

function opcodes(): void {
  for (const [kind, first] of [
    [1, 3],
    [2, 11],
  ] as const) {
    for (let i = 0; i < 5; i++) {
      const id = `4.${kind}.${i + 1}`;
      const payload = i % 2 === 0 ? '' : HELLO;
      const before = i < 2 ? [] : [frame(TEXT, HELLO)];
      add(id, `opcode ${first + i}`, [...before, frame(first + i, payload), frame(PING)], {
        chop: i === 4 ? 1 : 0,
        expected: i < 2 ? [] : [text(HELLO)],
        close: 1002,
      });
    }
  }
}

function fragmentation(): void {
  const both = [begin(TEXT, 'fragment1'), part('fragment2', true)];
  const pinged = [begin(TEXT, 'fragment1'), frame(PING, 'pingme'), part('fragment2', true)];
  const done = text('fragment1fragment2');
  add('5.1', 'a ping in parts', [begin(PING, 'a'), part('b', true)], { close: 1002 });
  add('5.2', 'a pong in parts', [begin(PONG, 'a'), part('b', true)], { close: 1002 });
  for (const [i, how] of ['by frames', 'in one write', 'byte by byte'].entries()) {
    const whole = (frames: Buffer[]): Buffer[] => (i === 1 ? [Buffer.concat(frames)] : frames);
    const chop = i === 2 ? 1 : 0;
    add(`5.${3 + i}`, `a text in two parts, ${how}`, whole(both), { chop, expected: [done] });
    add(`5.${6 + i}`, `with a ping between them, ${how}`, whole(pinged), {
      chop,
      expected: [pong('pingme'), done],
    });
    const whether = (fin: boolean): Buffer[] => whole([part('non-continuation', fin), frame(TEXT, HELLO)]);
    add(`5.${9 + i}`, `a last part of nothing, ${how}`, whether(true), { chop, close: 1002 });
    add(`5.${12 + i}`, `a part of nothing, ${how}`, whether(false), { chop, close: 1002 });
  }
  add('5.15', 'a part of nothing behind a whole message', [...both, part('fragment3'), frame(TEXT, HELLO)], {
    expected: [done],
    close: 1002,
  });
  for (const [id, fin] of [
    ['5.16', false],
    ['5.17', true],
  ] as const) {
    const twice = [part('fragment1', fin), begin(TEXT, 'fragment2'), part('fragment3', true)];
    add(id, `a part of nothing twice, fin ${fin}`, [...twice, ...twice], { close: 1002 });
  }
  add('5.18', 'two beginnings', [begin(TEXT, 'fragment1'), frame(TEXT, 'fragment2')], { close: 1002 });
  for (const [id, how, chop] of [
    ['5.19', 'by frames', 0],
    ['5.20', 'byte by byte', 1],
  ] as const) {
    const frames = [
      begin(TEXT, 'fragment1'),
      part('fragment2'),
      frame(PING, 'pongme 1!'),
      part('fragment3'),
      part('fragment4'),
      frame(PING, 'pongme 2!'),
      part('fragment5', true),
    ];
    const whole = text('fragment1fragment2fragment3fragment4fragment5');
    add(id, `five parts with two pings, ${how}`, frames, {
      chop,
      expected: [pong('pongme 1!'), pong('pongme 2!'), whole],
    });
  }
}

/** Every byte of a message in a part of its own. */
const byBytes = (payload: Buffer): Buffer[] => split(TEXT, payload, 1);

function utf8Transport(): void {
  const sample = Buffer.from('Hello-µ@ßöäüàá-UTF-8!!');
  const broken = Buffer.concat([Buffer.from('κόσμε'), Buffer.from('eda080', 'hex'), Buffer.from('edited')]);
  add('6.1.1', 'an empty text', [frame(TEXT)], { expected: [text('')] });
  add('6.1.2', 'three empty parts', [begin(TEXT, ''), part(''), part('', true)], { expected: [text('')] });
  add('6.1.3', 'empty parts around one', [begin(TEXT, ''), part('middle'), part('', true)], {
    expected: [text('middle')],
  });
  add('6.2.1', 'valid', [frame(TEXT, sample)], { expected: [text(sample)] });
  add('6.2.2', 'valid in parts between characters', split(TEXT, sample, 6), { expected: [text(sample)] });
  add('6.2.3', 'valid in parts of a byte', byBytes(sample), { expected: [text(sample)] });
  add('6.2.4', 'valid, of three bytes each, in parts of a byte', byBytes(Buffer.from('κόσμε')), {
    expected: [text('κόσμε')],
  });
  add('6.3.1', 'invalid', [frame(TEXT, broken)], { close: 1007 });
  add('6.3.2', 'invalid in parts of a byte', byBytes(broken), { close: 1007 });
  const valid = Buffer.from('κόσμε');
  const bad = Buffer.from('f4908080', 'hex');
  const rest = Buffer.from('edited');
  // A client may wait for the end of the message before it says so.
  add('6.4.1', 'invalid in the second of three parts', [begin(TEXT, valid), part(bad), part(rest, true)], {
    close: 1007,
  });
  add(
    '6.4.2',
    'invalid across parts',
    [begin(TEXT, Buffer.concat([valid, bad.subarray(0, 2)])), part(bad.subarray(2), true)],
    {
      close: 1007,
    },
  );
  for (const [id, chop] of [
    ['6.4.3', 0],
    ['6.4.4', 1],
  ] as const) {
    add(id, 'invalid inside of a frame', [frame(TEXT, Buffer.concat([valid, bad, rest]))], {
      chop,
      close: 1007,
    });
  }
}

const noncharacters = (): string[] =>
  Array.from({ length: 34 }, (_, i) => {
    const point = Math.floor(i / 2) * 0x1_0000 + 0xfffe + (i % 2);
    return Buffer.from(String.fromCodePoint(point)).toString('hex');
  });

const range = (from: number, to: number, behind = ''): string =>
  Array.from({ length: to - from + 1 }, (_, i) => (from + i).toString(16).padStart(2, '0') + behind).join('');

/** By the tables of the suite: the number of a group, what it is about, payloads in hexadecimal, which are valid. */
const UTF8: [
  group: number,
  about: string,
  payloads: string[],
  isValid: boolean | ((i: number) => boolean),
][] = [
  [
    6,
    'beginnings of κόσμε',
    Array.from({ length: 11 }, (_, i) => 'cebae1bdb9cf83cebcceb5'.slice(0, 2 * i + 2)),
    (i) => [1, 4, 6, 8, 10].includes(i),
  ],
  [7, 'the first of each length', ['00', 'c280', 'e0a080', 'f0908080'], true],
  [8, 'the first of five and six bytes', ['f888808080', 'fc8480808080'], false],
  [9, 'the last of each length', ['7f', 'dfbf', 'efbfbf', 'f48fbfbf'], true],
  [10, 'the last of what is too long', ['f7bfbfbf', 'fbbfbfbfbf', 'fdbfbfbfbfbf'], false],
  [11, 'at boundaries', ['ed9fbf', 'ee8080', 'efbfbd', 'f48fbfbf', 'f4908080'], (i) => i < 4],
  [
    12,
    'unexpected continuations',
    ['80', 'bf', '80bf', '80bf80', '80bf80bf', '80bf80bf80', '80bf80bf80bf', range(0x80, 0xbf)],
    false,
  ],
  [
    13,
    'lonely beginnings',
    [
      range(0xc0, 0xdf, '20'),
      range(0xe0, 0xef, '20'),
      range(0xf0, 0xf7, '20'),
      range(0xf8, 0xfb, '20'),
      range(0xfc, 0xfd, '20'),
    ],
    false,
  ],
  [
    14,
    'the last byte missing',
    ['c0', 'e080', 'f08080', 'f8808080', 'fc80808080', 'df', 'efbf', 'f7bfbf', 'fbbfbfbf', 'fdbfbfbfbf'],
    false,
  ],
  [15, 'incomplete ones together', ['c0e080f08080f8808080fc80808080dfefbff7bfbffbbfbfbffdbfbfbfbf'], false],
  [16, 'impossible bytes', ['fe', 'ff', 'fefeffff'], false],
  [17, 'overlong', ['c0af', 'e080af', 'f08080af', 'f8808080af', 'fc80808080af'], false],
  [18, 'the last that are overlong', ['c1bf', 'e09fbf', 'f08fbfbf', 'f887bfbfbf', 'fc83bfbfbfbf'], false],
  [19, 'overlong zero', ['c080', 'e08080', 'f0808080', 'f880808080', 'fc8080808080'], false],
  [20, 'single surrogates', ['eda080', 'edadbf', 'edae80', 'edafbf', 'edb080', 'edbe80', 'edbfbf'], false],
  [
    21,
    'pairs of surrogates',
    ['eda080', 'edadbf', 'edae80', 'edafbf'].flatMap((high) => [`${high}edb080`, `${high}edbfbf`]),
    false,
  ],
  [22, 'what is no character, and valid', noncharacters(), true],
  [23, 'specials', ['efbfb9', 'efbfba', 'efbfbb', 'efbfbc', 'efbfbd', 'efbfbe', 'efbfbf'], true],
];

function utf8Tables(): void {
  const greek = Buffer.from('κόσμε');
  for (const [i, size] of [greek.length, 1, 2, 3, 5].entries()) {
    add(`6.5.${i + 1}`, `valid, in parts of ${size} bytes`, split(TEXT, greek, size), {
      expected: [text(greek)],
    });
  }
  for (const [group, about, payloads, isValid] of UTF8) {
    for (const [i, hex] of payloads.entries()) {
      const payload = Buffer.from(hex, 'hex');
      const isFine = typeof isValid === 'boolean' ? isValid : isValid(i);
      const rest = isFine ? { expected: [text(payload)] } : { close: 1007 };
      add(`6.${group}.${i + 1}`, `${about}: ${hex.slice(0, 24)}`, [frame(TEXT, payload)], rest);
    }
  }
}

function closes(): void {
  const answered = { close: 1000 };
  const close = (code: number, reason: Buffer | string = '', options: FrameOptions = {}): Buffer =>
    frame(CLOSE, closing(code, reason), options);
  /** What comes behind the first close is not looked at. */
  const addClosed = (id: string, about: string, frames: Buffer[], rest: Rest = answered): void => {
    const { expected = [], close: code = 1000 } = rest;
    cases.push({ id, about, frames, chop: 0, expected, close: code });
  };
  const large = Buffer.alloc(262_144, 'BAsd7&jh23');
  addClosed('7.1.1', 'a text, then a close', [frame(TEXT, HELLO), close(1000)], { expected: [text(HELLO)] });
  addClosed('7.1.2', 'two closes', [close(1000), close(1000)]);
  addClosed('7.1.3', 'a ping behind the close', [close(1000), frame(PING)]);
  addClosed('7.1.4', 'a text behind the close', [close(1000), frame(TEXT, HELLO)]);
  addClosed('7.1.5', 'a close inside of a message', [
    begin(TEXT, 'fragment1'),
    close(1000),
    part('fragment2', true),
  ]);
  addClosed('7.1.6', 'a large message, a close, a ping', [frame(TEXT, large), close(1000), frame(PING)], {
    expected: [text(large)],
  });
  addClosed('7.3.1', 'a close without code', [frame(CLOSE)]);
  addClosed('7.3.2', 'a close of one byte', [frame(CLOSE, 'a')], { close: 1002 });
  addClosed('7.3.3', 'a close with a code', [close(1000)]);
  addClosed('7.3.4', 'with a reason', [close(1000, HELLO)]);
  addClosed('7.3.5', 'with the longest reason', [close(1000, '*'.repeat(123))]);
  addClosed('7.3.6', 'with a reason that is too long', [close(1000, '*'.repeat(124))], { close: 1002 });
  addClosed(
    '7.5.1',
    'with a reason that is no UTF-8',
    [close(1000, Buffer.from('cebae1bdb9cf83cebcceb5eda080', 'hex'))],
    {
      close: 1007,
    },
  );
  const valid = [1000, 1001, 1002, 1003, 1007, 1008, 1009, 1010, 1011, 3000, 3999, 4000, 4999];
  for (const [i, code] of valid.entries()) addClosed(`7.7.${i + 1}`, `code ${code}`, [close(code)]);
  const invalid = [0, 999, 1004, 1005, 1006, 1016, 1100, 2000, 2999];
  for (const [i, code] of invalid.entries())
    addClosed(`7.9.${i + 1}`, `code ${code}`, [close(code)], { close: 1002 });
  for (const [i, code] of [5000, 65_535].entries()) {
    addClosed(`7.13.${i + 1}`, `code ${code}`, [close(code)], { close: 1002 });
  }
}

function limits(): void {
  const MB = 2 ** 20;
  const echoed = (opcode: number, data: Buffer): Expected[] => [[opcode, data]];
  for (const [kind, opcode] of [TEXT, BINARY].entries()) {
    const make = (size: number): Buffer =>
      Buffer.alloc(size, opcode === TEXT ? 'BAsd7&jh23' : Buffer.from([0, 0xfe, 1]));
    for (const [i, size] of [MB / 16, MB / 4, MB, 4 * MB, 8 * MB, 16 * MB].entries()) {
      const data = make(size);
      add(`9.${kind + 1}.${i + 1}`, `${size} bytes`, [frame(opcode, data)], {
        expected: echoed(opcode, data),
        maxMsgSize: 16 * MB,
      });
    }
    const data = make(4 * MB);
    for (const [i, size] of [64, 256, 1024, 4096, 16_384, 65_536, 262_144, MB, 4 * MB].entries()) {
      const frames = [Buffer.concat(split(opcode, data, size))];
      add(`9.${kind + 3}.${i + 1}`, `4 MiB in parts of ${size}`, frames, { expected: echoed(opcode, data) });
    }
    for (const [i, chop] of [64, 128, 256, 512, 1024, 2048].entries()) {
      // A sixteenth of the suite's size: every write is one of the system.
      const small = make(MB / 16);
      add(`9.${kind + 5}.${i + 1}`, `a message in chops of ${chop}`, [frame(opcode, small)], {
        chop,
        expected: echoed(opcode, small),
      });
    }
    for (const [i, size] of [0, 16, 64, 256, 1024, 4096].entries()) {
      const one = make(size);
      add(
        `9.${kind + 7}.${i + 1}`,
        `200 messages of ${size} bytes`,
        Array.from({ length: 200 }, () => frame(opcode, one)),
        { expected: Array.from({ length: 200 }, () => [opcode, one] as const) },
      );
    }
  }
  const chopped = Buffer.alloc(65_536, '*');
  add('10.1.1', '64 KiB in parts of 1300', split(TEXT, chopped, 1300), { expected: [text(chopped)] });
}

framing();
pings();
reservedBits();
opcodes();
fragmentation();
utf8Transport();
utf8Tables();
closes();
limits();

/** Categories 1 to 10. */
export const CASES: readonly Case[] = cases;
