import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { inspect } from 'node:util';
import { runInNewContext } from 'node:vm';
import {
  AssertionError,
  BaseException,
  BaseExceptionGroup,
  BrokenBarrierError,
  CancelledError,
  EOFError,
  ExceptionGroup,
  IncompleteReadError,
  InvalidStateError,
  KeyboardInterrupt,
  LimitOverrunError,
  LookupError,
  NotImplementedError,
  QueueEmpty,
  QueueFull,
  QueueShutDown,
  RuntimeError,
  SendfileNotAvailableError,
  SystemExit,
  TimeoutError,
} from 'asyncio-ts/core';

/** The module itself, for what the package's face keeps to itself. */
interface Exceptions {
  CancelledError: typeof CancelledError;
  ExceptionGroup: typeof ExceptionGroup;
  asError(thrown: unknown): Error;
  formatException(e: unknown): string;
  isBaseError(e: unknown): boolean;
  isCancelledError(e: unknown): boolean;
}
const internals = new URL('../../internals/', import.meta.url);
const otherCopy: Exceptions = {
  ...(await import(new URL('exceptions.js', internals).href)),
  ...(await import(new URL('exception-groups.js', internals).href)),
};
const { asError, formatException, isBaseError, isCancelledError } = otherCopy;

type Named = new (message?: string) => Error;
const plain: Readonly<Record<string, Named>> = {
  BaseException,
  CancelledError,
  InvalidStateError,
  TimeoutError,
  RuntimeError,
  NotImplementedError,
  KeyboardInterrupt,
  EOFError,
  SendfileNotAvailableError,
  BrokenBarrierError,
  QueueEmpty,
  QueueFull,
  QueueShutDown,
  LookupError,
  AssertionError,
};

/** Take the host's frames away, so that CPython's text of an error that was never raised is the whole report. */
function bare<E extends Error>(error: E, cause?: Error): E {
  error.stack = '';
  if (cause !== undefined) error.cause = cause;
  return error;
}

const value = (text: unknown): RangeError => bare(new RangeError(String(text)));
const type = (text: unknown): TypeError => bare(new TypeError(String(text)));
const group = (message: string, ...members: Error[]): ExceptionGroup =>
  bare(new ExceptionGroup(message, members));

/** A group as CPython's repr shows it, with our names. */
function repr(error: Error | null): string {
  if (!(error instanceof BaseExceptionGroup)) {
    return error === null ? 'None' : `${error.name}(${error.message})`;
  }
  return `${error.name}('${error.message}', [${error.exceptions.map(repr).join(', ')}])`;
}

/** The report of a group of `n` members. */
function wide(n: number): string[] {
  return formatException(group('wide', ...Array.from({ length: n }, (_, i) => value(i)))).split('\n');
}

function make(message: unknown, exceptions?: unknown): () => ExceptionGroup {
  return () => new ExceptionGroup(message as string, exceptions as Error[]);
}

function noError(i: number): RangeError {
  return new RangeError(`Item ${i} of second argument (exceptions) is not an exception`);
}

function isIn(e: Error): boolean {
  return e instanceof ExceptionGroup && e.message === 'in';
}

function frames(error: Error): string | undefined {
  return error.stack?.slice(error.stack.indexOf('\n'));
}

/** What a report of `error` must be, a line each. */
function prints(error: unknown, ...lines: string[]): void {
  assert.equal(formatException(error), lines.join('\n'));
}

describe('the error classes', () => {
  for (const [name, Class] of Object.entries(plain)) {
    it(`${name} has its name on the prototype and an empty text by default`, () => {
      const error = new Class();
      assert.equal(error.name, name);
      assert.equal(Object.hasOwn(error, 'name'), false);
      assert.equal(error.message, '');
      assert.equal(String(error), name);
      assert.equal(String(new Class('why')), `${name}: why`);
      assert.ok(error instanceof Error && error instanceof Class);
    });
  }

  it('descend from each other as in CPython, below Error', () => {
    const parents: [object, object][] = [
      [BaseException, Error],
      [CancelledError, BaseException],
      [KeyboardInterrupt, BaseException],
      [SystemExit, BaseException],
      [BaseExceptionGroup, BaseException],
      [ExceptionGroup, AggregateError],
      [InvalidStateError, Error],
      [TimeoutError, Error],
      [RuntimeError, Error],
      [NotImplementedError, RuntimeError],
      [SendfileNotAvailableError, RuntimeError],
      [BrokenBarrierError, RuntimeError],
      [EOFError, Error],
      [IncompleteReadError, EOFError],
      [LimitOverrunError, Error],
      [QueueEmpty, Error],
      [QueueFull, Error],
      [QueueShutDown, Error],
      [LookupError, Error],
      [AssertionError, Error],
    ];
    for (const [child, parent] of parents) assert.equal(Object.getPrototypeOf(child), parent);
  });

  it('carry no enumerable key that a log of them would show, but for what the caller may read', () => {
    assert.deepEqual(Object.keys(new CancelledError('m')), []);
    assert.deepEqual(Object.keys(new ExceptionGroup('m', [new Error()])), []);
    assert.deepEqual(Object.keys(new TimeoutError()), ['code']);
    assert.deepEqual(Object.keys(new LimitOverrunError('m', 3)), ['consumed']);
  });
});

describe('instanceof', () => {
  it('holds for errors of another loaded copy of the package, in both directions', () => {
    assert.notEqual(otherCopy.CancelledError, CancelledError);
    assert.ok(new otherCopy.CancelledError() instanceof CancelledError);
    assert.ok(new otherCopy.CancelledError() instanceof BaseException);
    assert.ok(new CancelledError() instanceof otherCopy.CancelledError);
    assert.ok(new otherCopy.ExceptionGroup('m', [new Error()]) instanceof BaseExceptionGroup);
    assert.equal(new otherCopy.CancelledError() instanceof TimeoutError, false);
  });

  it('of a subclass takes instances of that subclass alone', () => {
    class Stopped extends CancelledError {}
    class StoppedTwice extends Stopped {}
    assert.ok(new Stopped() instanceof Stopped);
    assert.ok(new StoppedTwice() instanceof Stopped);
    assert.ok(new Stopped() instanceof CancelledError);
    assert.ok(new Stopped() instanceof BaseException);
    assert.equal(new CancelledError() instanceof Stopped, false);
    assert.equal(new Stopped() instanceof StoppedTwice, false);
    assert.equal(new otherCopy.CancelledError() instanceof Stopped, false);
  });

  it('of a subclass with a test of its own uses that test', () => {
    class Even extends RuntimeError {
      static override [Symbol.hasInstance](n: unknown): boolean {
        return typeof n === 'number' && n % 2 === 0;
      }
    }
    assert.ok((4 as unknown) instanceof Even);
    assert.equal(new Even() instanceof Even, false);
    assert.ok(new Even() instanceof RuntimeError);
  });

  it('is false for everything that is no error of the class, without throwing', () => {
    const { proxy, revoke } = Proxy.revocable({}, {});
    revoke();
    for (const other of [
      null,
      undefined,
      0,
      'CancelledError',
      Symbol('s'),
      {},
      () => {},
      new Error(),
      proxy,
    ]) {
      assert.equal(other instanceof CancelledError, false);
      assert.equal(isCancelledError(other), false);
      assert.equal(isBaseError(other), false);
    }
  });

  it('of BaseException tells base errors from ordinary ones', () => {
    const base = [new CancelledError(), new KeyboardInterrupt(), new SystemExit(1)];
    for (const error of [...base, new BaseExceptionGroup('m', base)])
      assert.ok(error instanceof BaseException);
    for (const error of [new Error(), new TimeoutError(), new RuntimeError(), group('m', value(1))]) {
      assert.equal(error instanceof BaseException, false);
    }
  });

  it('of BaseExceptionGroup takes both kinds of group, of ExceptionGroup one', () => {
    const ordinary = new ExceptionGroup('m', [new Error()]);
    const base = new BaseExceptionGroup('m', [new CancelledError()]);
    assert.ok(ordinary instanceof BaseExceptionGroup && base instanceof BaseExceptionGroup);
    assert.ok(ordinary instanceof ExceptionGroup);
    assert.equal((base as Error) instanceof ExceptionGroup, false);
    assert.ok(ordinary instanceof AggregateError);
  });
});

describe('isCancelledError', () => {
  it('is true for a CancelledError, its subclasses and that of another copy', () => {
    class Stopped extends CancelledError {}
    assert.ok(isCancelledError(new CancelledError()));
    assert.ok(isCancelledError(new Stopped()));
    assert.ok(isCancelledError(new otherCopy.CancelledError()));
    assert.equal(isCancelledError(new KeyboardInterrupt()), false);
  });
});

describe('isBaseError', () => {
  it('is true for what leaves the loop, KeyboardInterrupt and SystemExit, and for no other base error', () => {
    assert.ok(isBaseError(new KeyboardInterrupt()));
    assert.ok(isBaseError(new SystemExit(2)));
    assert.equal(isBaseError(new CancelledError()), false);
    assert.equal(isBaseError(new BaseExceptionGroup('m', [new SystemExit(2)])), false);
    assert.equal(isBaseError(new Error()), false);
  });
});

describe('CancelledError', () => {
  it('without a message has an empty text and no arguments', () => {
    for (const error of [new CancelledError(), new CancelledError(undefined)]) {
      assert.equal(error.message, '');
      assert.deepEqual(error.args, []);
      assert.equal(Object.hasOwn(error, 'cause'), false);
    }
  });

  it('given null has an empty text and keeps null as its argument', () => {
    assert.equal(new CancelledError(null).message, '');
    assert.deepEqual(new CancelledError(null).args, [null]);
  });

  it('takes any value as message: its text is the message, the value is in args', () => {
    const bottomless: unknown = Object.create(null);
    const texts: [unknown, string][] = [
      ['stop', 'stop'],
      ['', ''],
      [0, '0'],
      [Symbol('s'), 'Symbol(s)'],
      [['a', 1], 'a,1'],
      [bottomless, '[object Object]'],
    ];
    for (const [message, text] of texts) {
      const error = new CancelledError(message);
      assert.equal(error.message, text);
      assert.equal(error.args.length, 1);
      assert.equal(error.args[0], message);
    }
  });

  it('keeps an Error given as message as its cause, and takes over its text', () => {
    const why = new TypeError('inner');
    const error = new CancelledError(why);
    assert.equal(error.message, 'inner');
    assert.equal(error.cause, why);
    assert.deepEqual(error.args, [why]);
  });

  it('carries no stack frames and leaves the limit for others as it was', () => {
    const before = Error.stackTraceLimit;
    assert.equal(new CancelledError('m').stack, 'CancelledError: m');
    assert.equal(Error.stackTraceLimit, before);
    assert.match(new Error('m').stack ?? '', /\n {4}at /);
  });

  it('can be made where the limit cannot be written, and makes none where there is none', () => {
    const own = Object.getOwnPropertyDescriptor(Error, 'stackTraceLimit');
    assert.ok(own !== undefined);
    try {
      Object.defineProperty(Error, 'stackTraceLimit', { value: 5, writable: false, configurable: true });
      assert.equal(new CancelledError('m').message, 'm');
      assert.equal(Error.stackTraceLimit, 5);
      Reflect.deleteProperty(Error, 'stackTraceLimit');
      assert.equal(new CancelledError('m').message, 'm');
      assert.equal(Object.hasOwn(Error, 'stackTraceLimit'), false);
    } finally {
      Object.defineProperty(Error, 'stackTraceLimit', own);
    }
  });
});

describe('TimeoutError', () => {
  it('has the code of system timeouts, and takes a message and a cause', () => {
    const cause = new CancelledError();
    const error = new TimeoutError('late', { cause });
    assert.equal(error.code, 'ETIMEDOUT');
    assert.equal(error.message, 'late');
    assert.equal(error.cause, cause);
    assert.equal(new TimeoutError().message, '');
  });
});

describe('SystemExit', () => {
  it('keeps its code, null by default, and shows it as its text', () => {
    assert.deepEqual([new SystemExit(3).code, new SystemExit(3).message], [3, '3']);
    assert.deepEqual([new SystemExit('bye').code, new SystemExit('bye').message], ['bye', 'bye']);
    assert.deepEqual([new SystemExit().code, new SystemExit().message], [null, '']);
    assert.equal(new SystemExit(null).code, null);
  });
});

describe('IncompleteReadError', () => {
  it('says how much was read of what was wanted', () => {
    const partial = new Uint8Array(2);
    const error = new IncompleteReadError(partial, 5);
    assert.equal(error.message, '2 bytes read on a total of 5 expected bytes');
    assert.equal(error.partial, partial);
    assert.equal(error.expected, 5);
    const unknown = new IncompleteReadError(partial, null);
    assert.equal(unknown.message, '2 bytes read on a total of undefined expected bytes');
    assert.equal(unknown.expected, null);
  });
});

describe('LimitOverrunError', () => {
  it('keeps the number of bytes that can be consumed', () => {
    const error = new LimitOverrunError('Separator is not found, and chunk exceed the limit', 7);
    assert.equal(error.consumed, 7);
    assert.equal(error.message, 'Separator is not found, and chunk exceed the limit');
  });
});

describe('AssertionError', () => {
  it('has the code of node:assert', () => {
    assert.equal(new AssertionError('m').code, 'ERR_ASSERTION');
  });
});

describe('ExceptionGroup', () => {
  it('keeps the message alone, and its errors in order under both names, in one frozen array', () => {
    const [a, b] = [new Error('a'), new Error('b')];
    const error = new ExceptionGroup('m', new Set([a, b]));
    assert.equal(error.message, 'm');
    assert.deepEqual(error.exceptions, [a, b]);
    assert.equal(error.errors, error.exceptions);
    assert.ok(Object.isFrozen(error.exceptions));
    assert.deepEqual(Object.keys(error), []);
  });

  it('takes a copy of the errors', () => {
    const members = [new Error('a')];
    const error = new ExceptionGroup('m', members);
    members.push(new Error('b'));
    assert.equal(error.exceptions.length, 1);
  });

  it('shows the number of errors in toString and at the head of its stack', () => {
    const one = new ExceptionGroup('m', [new Error()]);
    const two = new ExceptionGroup('m', [new Error(), new Error()]);
    assert.equal(String(one), 'ExceptionGroup: m (1 sub-exception)');
    assert.equal(String(two), 'ExceptionGroup: m (2 sub-exceptions)');
    assert.match(two.stack ?? '', /^ExceptionGroup: m \(2 sub-exceptions\)\n {4}at /);
    assert.equal(String(new ExceptionGroup('', [new Error()])), 'ExceptionGroup:  (1 sub-exception)');
  });

  it('takes a cause', () => {
    const cause = new Error('why');
    assert.equal(new ExceptionGroup('m', [new Error()], { cause }).cause, cause);
    assert.equal(Object.hasOwn(new ExceptionGroup('m', [new Error()]), 'cause'), false);
  });

  it('refuses with the texts of CPython what is not a sequence of errors', () => {
    const noSequence = new TypeError('second argument (exceptions) must be a sequence');
    const empty = new RangeError('second argument (exceptions) must be a non-empty sequence');
    assert.throws(make('m'), noSequence);
    assert.throws(make('m', 5), noSequence);
    assert.throws(make('m', null), noSequence);
    assert.throws(make('m', {}), noSequence);
    assert.throws(make('m', []), empty);
    assert.throws(make('m', ''), empty);
    assert.throws(make('m', 'abc'), noError(0));
    assert.throws(make('m', [new Error(), 1]), noError(1));
    assert.throws(make('m', [Error]), noError(0));
    assert.throws(make('m', [{ message: 'looks like one' }]), noError(0));
    assert.throws(
      make(5, [new Error()]),
      new TypeError('BaseExceptionGroup() argument 1 must be string, not number'),
    );
  });

  it('refuses base errors, by the name of a subclass where it is one', () => {
    class Mine extends ExceptionGroup {}
    const members = [new Error(), new KeyboardInterrupt()];
    const text = 'Cannot nest BaseExceptions in';
    assert.throws(() => new ExceptionGroup('m', members), new TypeError(`${text} an ExceptionGroup`));
    assert.throws(() => new Mine('m', members), new TypeError(`${text} 'Mine'`));
  });

  it('takes errors of another realm', () => {
    const foreign: Error = runInNewContext('new TypeError("there")');
    const error = new ExceptionGroup('m', [foreign]);
    assert.equal(error.exceptions[0], foreign);
    assert.equal(error.subgroup(Error), error);
  });
});

describe('BaseExceptionGroup', () => {
  it('gives an ExceptionGroup when every member is an ordinary error', () => {
    const ordinary = new BaseExceptionGroup('m', [new Error(), group('n', value(1))]);
    assert.equal(ordinary.constructor, ExceptionGroup);
    assert.equal(String(ordinary), 'ExceptionGroup: m (2 sub-exceptions)');
    const base = new BaseExceptionGroup('m', [new Error(), new CancelledError()]);
    assert.equal(base.constructor, BaseExceptionGroup);
    assert.equal(String(base), 'BaseExceptionGroup: m (2 sub-exceptions)');
    assert.equal(base.message, 'm');
    assert.equal(base.errors, base.exceptions);
  });

  it('stays what it is as a subclass, whatever its members', () => {
    class Mine extends BaseExceptionGroup {}
    assert.equal(new Mine('m', [new Error()]).constructor, Mine);
  });

  it('is itself a base error, so that an ExceptionGroup cannot hold it', () => {
    const base = new BaseExceptionGroup('m', [new CancelledError()]);
    assert.throws(() => new ExceptionGroup('n', [base]), TypeError);
  });
});

describe('split and subgroup', () => {
  const t = group(
    'top',
    value(1),
    group('in', type(2), value(3), group('i2', value(4))),
    bare(new LookupError('5')),
  );
  // Recorded from CPython 3.14.2, with ValueError read as RangeError and KeyError as LookupError.
  const all =
    "ExceptionGroup('top', [RangeError(1), ExceptionGroup('in', [TypeError(2), RangeError(3), ExceptionGroup('i2', [RangeError(4)])]), LookupError(5)])";
  const ranges =
    "ExceptionGroup('top', [RangeError(1), ExceptionGroup('in', [RangeError(3), ExceptionGroup('i2', [RangeError(4)])])])";
  const others = "ExceptionGroup('top', [ExceptionGroup('in', [TypeError(2)]), LookupError(5)])";

  const cases: [what: string, Parameters<ExceptionGroup['split']>[0], match: string, rest: string][] = [
    ['a class', RangeError, ranges, others],
    ['an array of classes', [TypeError, LookupError], others, ranges],
    ['an empty array', [], 'None', all],
    ['a class that nothing is of', QueueEmpty, 'None', all],
    ['Error', Error, all, 'None'],
    ['ExceptionGroup', ExceptionGroup, all, 'None'],
    ['BaseExceptionGroup', BaseExceptionGroup, all, 'None'],
    ['a predicate', (e) => e instanceof RangeError, ranges, others],
    [
      'an old-style predicate',
      function (e) {
        return e instanceof RangeError;
      },
      ranges,
      others,
    ],
    ['a predicate that no error meets', () => false, 'None', all],
    [
      'a predicate that a nested group meets',
      isIn,
      "ExceptionGroup('top', [ExceptionGroup('in', [TypeError(2), RangeError(3), ExceptionGroup('i2', [RangeError(4)])])])",
      "ExceptionGroup('top', [RangeError(1), LookupError(5)])",
    ],
  ];
  for (const [what, condition, match, rest] of cases) {
    it(`divide as CPython does by ${what}`, () => {
      assert.deepEqual(t.split(condition).map(repr), [match, rest]);
      assert.equal(repr(t.subgroup(condition)), match);
    });
  }

  it('take a group that matches as it is, and make a new one for what is left of it', () => {
    const [match, rest] = t.split(Error);
    assert.equal(match, t);
    assert.equal(rest, null);
    assert.equal(t.split(isIn)[0]?.exceptions[0], t.exceptions[1]);
    assert.notEqual(t.split(QueueEmpty)[1], t);
    assert.equal(
      t.subgroup(() => true),
      t,
    );
  });

  it('ask a predicate about groups before their members, and not about the members of one that matches', () => {
    const asked: string[] = [];
    t.split((e) => {
      asked.push(e.message);
      return false;
    });
    assert.deepEqual(asked, ['top', '1', 'in', '2', '3', 'i2', '4', '5']);
    asked.length = 0;
    t.subgroup((e) => {
      asked.push(e.message);
      return isIn(e);
    });
    assert.deepEqual(asked, ['top', '1', 'in', '5']);
  });

  it('let an error of the predicate through', () => {
    const split = (): unknown =>
      t.split(() => {
        throw t;
      });
    assert.throws(split, t);
  });

  it('refuse any other condition with the text of CPython', () => {
    const text = 'expected an exception type, a tuple of exception types, or a callable (other than a class)';
    class NoError extends Map {}
    const wrong = [null, undefined, 5, 'x', {}, new RangeError(), NoError, Map, Object, Boolean];
    const wrongLists = [[RangeError, 5], [RangeError, NoError], [RangeError, [TypeError]], [() => true]];
    for (const condition of [...wrong, ...wrongLists]) {
      assert.throws(() => t.split(condition as never), new TypeError(text));
      assert.throws(() => t.subgroup(condition as never), new TypeError(text));
    }
  });

  it('give an ExceptionGroup for the part without base errors', () => {
    const both = new BaseExceptionGroup('b', [new KeyboardInterrupt(''), value(1)]);
    assert.deepEqual(both.split(RangeError).map(repr), [
      "ExceptionGroup('b', [RangeError(1)])",
      "BaseExceptionGroup('b', [KeyboardInterrupt()])",
    ]);
    assert.equal(repr(both.subgroup(BaseException)), repr(both));
  });

  it('keep cause, stack and notes, and give each part notes of its own', () => {
    const whole = new ExceptionGroup('m', [value(1), type(2), type(3)], { cause: value('why') });
    whole.notes = ['n'];
    const [match, rest] = whole.split(RangeError);
    assert.ok(match !== null && rest !== null);
    assert.equal(match.cause, whole.cause);
    assert.equal(rest.cause, whole.cause);
    assert.deepEqual(match.notes, ['n']);
    match.notes?.push('only here');
    assert.deepEqual([whole.notes, rest.notes], [['n'], ['n']]);
    assert.equal(frames(match), frames(whole));
    assert.match(match.stack ?? '', /^ExceptionGroup: m \(1 sub-exception\)\n/);
    assert.match(rest.stack ?? '', /^ExceptionGroup: m \(2 sub-exceptions\)\n/);
  });

  it('make the parts with derive, so that a subclass can keep its class and its fields', () => {
    class Coded extends ExceptionGroup {
      readonly code: number;
      constructor(message: string, exceptions: Iterable<Error>, code: number) {
        super(message, exceptions);
        this.code = code;
      }
      override derive(exceptions: Iterable<Error>): Coded {
        return new Coded(this.message, exceptions, this.code);
      }
    }
    for (const part of new Coded('q', [value(1), type(2)], 7).split(RangeError)) {
      assert.ok(part instanceof Coded);
      assert.equal(part.code, 7);
    }
  });

  it('make plain groups of a subclass that has no derive of its own', () => {
    class Mine extends ExceptionGroup {}
    const [match, rest] = new Mine('m', [value(1), type(2)]).split(RangeError);
    assert.equal(match?.constructor, ExceptionGroup);
    assert.equal(rest?.constructor, ExceptionGroup);
  });

  it('refuse a derive that gives something else', () => {
    class Broken extends ExceptionGroup {
      override derive(): ExceptionGroup {
        return 5 as never;
      }
    }
    const error = new Broken('m', [value(1)]);
    const text = 'derive must return an instance of BaseExceptionGroup';
    assert.throws(() => error.split(RangeError), new TypeError(text));
    assert.equal(error.subgroup(ExceptionGroup), error);
  });

  it('divide groups of another copy of the package', () => {
    const foreign = new otherCopy.ExceptionGroup('there', [value(1), type(2)]);
    const [match, rest] = group('here', foreign).split(TypeError);
    assert.equal(repr(match), "ExceptionGroup('here', [ExceptionGroup('there', [TypeError(2)])])");
    assert.equal(repr(rest), "ExceptionGroup('here', [ExceptionGroup('there', [RangeError(1)])])");
  });
});

describe('derive', () => {
  it('keeps the message, and chooses the class by the members as BaseExceptionGroup does', () => {
    const base = new BaseExceptionGroup('b', [new KeyboardInterrupt()]);
    assert.equal(repr(base.derive([value(1)])), "ExceptionGroup('b', [RangeError(1)])");
    assert.equal(
      repr(group('m', value(1)).derive([new KeyboardInterrupt()])),
      "BaseExceptionGroup('m', [KeyboardInterrupt()])",
    );
    assert.throws(() => base.derive([]), RangeError);
  });
});

describe('asError', () => {
  it('gives errors back as they are, frozen ones and those of another realm too', () => {
    const foreign: unknown = runInNewContext('new RangeError("there")');
    assert.equal(foreign instanceof Error, false);
    const aborted = new DOMException('stop', 'AbortError');
    for (const error of [
      new Error('e'),
      Object.freeze(new TypeError()),
      new CancelledError(),
      aborted,
      foreign,
    ]) {
      assert.equal(asError(error), error);
    }
  });

  it('wraps anything else in an Error that names it and has it as cause', () => {
    const texts: [unknown, string][] = [
      ['boom', 'boom'],
      [null, 'null'],
      [undefined, 'undefined'],
      [Symbol('s'), 'Symbol(s)'],
      [12n, '12'],
      [Object.freeze({}), '[object Object]'],
      [Object.create(null), '[object Object]'],
      [asError, 'function asError'],
    ];
    for (const [thrown, text] of texts) {
      const error = asError(thrown);
      assert.equal(error.message, `non-error thrown: ${text}`);
      assert.ok(Object.hasOwn(error, 'cause'));
      assert.equal(error.cause, thrown);
    }
  });

  it('survives values that resist every question', () => {
    const { proxy, revoke } = Proxy.revocable({}, {});
    revoke();
    assert.equal(asError(proxy).message, 'non-error thrown: <str() failed>');
    const hostile = {
      toString(): string {
        throw new Error('no');
      },
    };
    assert.equal(asError(hostile).message, 'non-error thrown: [object Object]');
  });
});

describe('formatException', () => {
  it('prints an error as its stack', () => {
    const error = new TypeError('two\nlines');
    assert.equal(formatException(error), error.stack);
  });

  it('prints what is no error as its text', () => {
    prints('boom', 'boom');
    prints(null, 'null');
    prints(undefined, 'undefined');
  });

  it('names the class where the stack has the name of its base, and the text as it is now', () => {
    class Refused extends Error {}
    const refused = new Refused('by peer');
    assert.match(formatException(refused), /^Refused: by peer\n {4}at /);
    class Stopped extends CancelledError {}
    prints(new Stopped('now'), 'Stopped: now');
    const changed = new Error('before');
    assert.match(changed.stack ?? '', /before/);
    changed.message = 'after';
    assert.match(formatException(changed), /^Error: after\n {4}at /);
  });

  it('keeps a heading of the host that tells more, as the code of a system error', () => {
    const error = new TypeError('m');
    error.stack = 'TypeError [ERR_X]: m\n    at f (file.js:1:2)';
    prints(error, 'TypeError [ERR_X]: m', '    at f (file.js:1:2)');
  });

  it('puts a heading over the stack of an engine that has none', () => {
    const error = new TypeError('m');
    error.stack = 'f@file.js:1:2\n@file.js:9:1\n';
    prints(error, 'TypeError: m', '    f@file.js:1:2', '    @file.js:9:1', '');
  });

  it('numbers the members of a group', () => {
    prints(
      group('m', value(1), type('two\nlines')),
      '  | ExceptionGroup: m (2 sub-exceptions)',
      '  +-+---------------- 1 ----------------',
      '    | RangeError: 1',
      '    +---------------- 2 ----------------',
      '    | TypeError: two',
      '    | lines',
      '    +------------------------------------',
    );
    prints(
      group('', value('')),
      '  | ExceptionGroup:  (1 sub-exception)',
      '  +-+---------------- 1 ----------------',
      '    | RangeError',
      '    +------------------------------------',
    );
    prints(
      bare(new BaseExceptionGroup('b', [bare(new KeyboardInterrupt()), bare(new SystemExit(3)), value('x')])),
      '  | BaseExceptionGroup: b (3 sub-exceptions)',
      '  +-+---------------- 1 ----------------',
      '    | KeyboardInterrupt',
      '    +---------------- 2 ----------------',
      '    | SystemExit: 3',
      '    +---------------- 3 ----------------',
      '    | RangeError: x',
      '    +------------------------------------',
    );
  });

  it('nests groups, with one closing line for groups that end together', () => {
    const inner = group('inner', value(1), value(2));
    prints(
      group('outer', inner, type(3)),
      '  | ExceptionGroup: outer (2 sub-exceptions)',
      '  +-+---------------- 1 ----------------',
      '    | ExceptionGroup: inner (2 sub-exceptions)',
      '    +-+---------------- 1 ----------------',
      '      | RangeError: 1',
      '      +---------------- 2 ----------------',
      '      | RangeError: 2',
      '      +------------------------------------',
      '    +---------------- 2 ----------------',
      '    | TypeError: 3',
      '    +------------------------------------',
    );
    prints(
      group('outer', type(3), inner),
      '  | ExceptionGroup: outer (2 sub-exceptions)',
      '  +-+---------------- 1 ----------------',
      '    | TypeError: 3',
      '    +---------------- 2 ----------------',
      '    | ExceptionGroup: inner (2 sub-exceptions)',
      '    +-+---------------- 1 ----------------',
      '      | RangeError: 1',
      '      +---------------- 2 ----------------',
      '      | RangeError: 2',
      '      +------------------------------------',
    );
  });

  it('announces the stack of a group, and puts the frames of each error under its heading', () => {
    const member = type('inside');
    member.stack = 'TypeError: inside\n    at g (file.js:3:4)';
    const inner = group('inner', member);
    inner.stack = 'ExceptionGroup: inner (1 sub-exception)\n    at h (file.js:5:6)';
    const outer = group('outer', inner);
    outer.stack = 'ExceptionGroup: outer (1 sub-exception)\n    at f (file.js:1:2)';
    prints(
      outer,
      '  + Exception Group Traceback (most recent call first):',
      '  | ExceptionGroup: outer (1 sub-exception)',
      '  |     at f (file.js:1:2)',
      '  +-+---------------- 1 ----------------',
      '    | Exception Group Traceback (most recent call first):',
      '    | ExceptionGroup: inner (1 sub-exception)',
      '    |     at h (file.js:5:6)',
      '    +-+---------------- 1 ----------------',
      '      | TypeError: inside',
      '      |     at g (file.js:3:4)',
      '      +------------------------------------',
    );
  });

  it('shows 15 members and counts the others', () => {
    assert.equal(wide(15).length, 2 + 15 * 2);
    assert.deepEqual(wide(16).slice(-5), [
      '    +---------------- 15 ----------------',
      '    | RangeError: 14',
      '    +---------------- ... ----------------',
      '    | and 1 more exception',
      '    +------------------------------------',
    ]);
    assert.deepEqual(wide(17).slice(-2), [
      '    | and 2 more exceptions',
      '    +------------------------------------',
    ]);
  });

  it('shows 10 groups inside each other', () => {
    let error: Error = value('deep');
    for (let i = 0; i < 12; i++) error = group(`g${i}`, error);
    assert.deepEqual(formatException(error).split('\n').slice(-4), [
      '                    | ExceptionGroup: g2 (1 sub-exception)',
      '                    +-+---------------- 1 ----------------',
      '                      | ... (max_group_depth is 10)',
      '                      +------------------------------------',
    ]);
  });

  it('prints the causes of an error before it', () => {
    prints(
      bare(value('b'), type('a')),
      'TypeError: a',
      '',
      'The above exception was the direct cause of the following exception:',
      '',
      'RangeError: b',
    );
  });

  it('prints the causes of a group and of its members in their places', () => {
    const error = group('g', bare(value('b'), type('a')), bare(value('c'), group('in', value('x'))));
    prints(
      bare(error, group('top', value('y'))),
      '  | ExceptionGroup: top (1 sub-exception)',
      '  +-+---------------- 1 ----------------',
      '    | RangeError: y',
      '    +------------------------------------',
      '',
      'The above exception was the direct cause of the following exception:',
      '',
      '  | ExceptionGroup: g (2 sub-exceptions)',
      '  +-+---------------- 1 ----------------',
      '    | TypeError: a',
      '    | ',
      '    | The above exception was the direct cause of the following exception:',
      '    | ',
      '    | RangeError: b',
      '    +---------------- 2 ----------------',
      '    | ExceptionGroup: in (1 sub-exception)',
      '    +-+---------------- 1 ----------------',
      '      | RangeError: x',
      '      +------------------------------------',
      '    | ',
      '    | The above exception was the direct cause of the following exception:',
      '    | ',
      '    | RangeError: c',
    );
  });

  it('prints a cause that two errors share once, under the last', () => {
    const shared = value('shared');
    prints(
      group('g', bare(value('a'), shared), bare(value('b'), shared)),
      '  | ExceptionGroup: g (2 sub-exceptions)',
      '  +-+---------------- 1 ----------------',
      '    | RangeError: a',
      '    +---------------- 2 ----------------',
      '    | RangeError: shared',
      '    | ',
      '    | The above exception was the direct cause of the following exception:',
      '    | ',
      '    | RangeError: b',
      '    +------------------------------------',
    );
  });

  it('prints errors that are causes of each other once', () => {
    const loop = value('loop');
    prints(bare(loop, loop), 'RangeError: loop');
    const [a, b] = [value('a'), value('b')];
    bare(a, b);
    bare(b, a);
    prints(
      a,
      'RangeError: b',
      '',
      'The above exception was the direct cause of the following exception:',
      '',
      'RangeError: a',
    );
  });

  it('prints a cause that is no error, but not one that the text of a wrapper tells already', () => {
    const error = value('m');
    error.cause = 'because';
    prints(
      error,
      'because',
      '',
      'The above exception was the direct cause of the following exception:',
      '',
      'RangeError: m',
    );
    prints(bare(asError('boom')), 'Error: non-error thrown: boom');
  });

  it('prints notes under the heading', () => {
    const noted = Object.assign(value('noted'), { notes: ['one\ntwo'] });
    const error = group('g', noted);
    error.notes = ['gn'];
    prints(
      error,
      '  | ExceptionGroup: g (1 sub-exception)',
      '  | gn',
      '  +-+---------------- 1 ----------------',
      '    | RangeError: noted',
      '    | one',
      '    | two',
      '    +------------------------------------',
    );
  });

  it('prints the members of any AggregateError, whatever was put into it', () => {
    const error = bare(new AggregateError([value(1), 'thrown', null], 'All promises were rejected'));
    prints(
      error,
      '  | AggregateError: All promises were rejected',
      '  +-+---------------- 1 ----------------',
      '    | RangeError: 1',
      '    +---------------- 2 ----------------',
      '    | thrown',
      '    +---------------- 3 ----------------',
      '    | null',
      '    +------------------------------------',
    );
  });

  it('does not throw for getters that do', () => {
    const fail = {
      get(): never {
        throw new Error('no');
      },
    };
    const keys = ['stack', 'name', 'message', 'cause', 'errors', 'notes', 'constructor'];
    const all = Object.fromEntries(keys.map((key) => [key, fail]));
    prints(Object.defineProperties(new Error('m'), all), 'Error: <exception str() failed>');
    const aggregate = Object.defineProperties(new AggregateError([], 'm'), all);
    prints(aggregate, 'Error: <exception str() failed>');
    const trapped = new Proxy(new Error('m'), { get: fail.get, getPrototypeOf: fail.get, has: fail.get });
    assert.equal(typeof formatException(trapped), 'string');
    prints(
      Object.assign(new Error(), { name: Symbol('n'), message: { toString: fail.get }, stack: 5 }),
      'Error: [object Object]',
    );
    assert.equal(typeof formatException(group('g', new Proxy(new Error('m'), { get: fail.get }))), 'string');
  });

  it('ends for causes and members without end', () => {
    class Endless extends Error {
      override get cause(): Error {
        return new Endless('again');
      }
    }
    assert.match(formatException(new Endless('first')), /\.\.\. \(more than 1000 errors\)/);
    let long = value(0);
    for (let i = 1; i < 5000; i++) long = bare(value(i), long);
    assert.match(formatException(long), /RangeError: 4999$/);
    const members: Error[] = [];
    const round = bare(new AggregateError([], 'round'));
    round.errors = members;
    for (let i = 0; i < 15; i++) members.push(round);
    assert.ok(formatException(round).split('\n').length < 10_000);
    const hugeErrors = new AggregateError([], 'huge');
    hugeErrors.errors.length = 4_000_000_000;
    assert.match(formatException(hugeErrors), /and 3999999985 more exceptions/);
  });
});

describe('console.log of a group', () => {
  it('shows the nested form, inside other objects too', () => {
    const error = group('m', value(1));
    assert.equal(inspect(error), formatException(error));
    assert.match(inspect({ error }), /RangeError: 1/);
    const base = new BaseExceptionGroup('b', [new CancelledError()]);
    assert.equal(inspect(base), formatException(base));
  });
});
