/** Programs as text that reads like Python. */

import type { Aw, Block, Item, Predicate, Program, Stmt, TaskOptions, Value } from './ast.ts';

export function show(program: Program): string {
  const head = program.eager ? ['# the loop starts tasks eagerly'] : [];
  return [...head, 'async def main():', ...lines(program.main, 1)].join('\n');
}

function lines(block: Block | undefined, depth: number): string[] {
  const out = (block ?? []).flatMap((statement) => statementLines(statement, depth));
  return out.length === 0 ? [`${indent(depth)}pass`] : out;
}

function indent(depth: number): string {
  return '    '.repeat(depth);
}

function value(v: Value | undefined): string {
  return v === undefined || v === null ? 'None' : typeof v === 'string' ? `'${v}'` : String(v);
}

/** Nested coroutines are written out where they stand, as if Python had lambdas of many lines. */
function aw(a: Aw, depth: number): string {
  switch (a.k) {
    case 'body':
      return `coro:\n${lines(a.block, depth + 2).join('\n')}\n${indent(depth + 1)}`;
    case 'sleep':
      return `sleep(${a.d}${a.r === undefined || a.r === null ? '' : `, ${value(a.r)}`})`;
    case 'wait_for':
      return `wait_for(${aw(a.aw, depth)}, ${value(a.t)})`;
    case 'wait':
      return `wait([${a.fs.join(', ')}], timeout=${value(a.t)}, return_when=${a.rw})`;
    case 'op':
      return `${a.p}.${a.op}(${operand(a)})`;
    case 'slot':
      return a.s;
    case 'gather': {
      const flag = a.re === true ? ['return_exceptions=True'] : [];
      return `${name(a.s)}gather(${[...a.aws.map((x) => aw(x, depth)), ...flag].join(', ')})`;
    }
    case 'shield':
      return `${name(a.s)}shield(${aw(a.aw, depth)})`;
    case 'dup':
      return `<argument ${a.i} again>`;
  }
}

/** What stands in the parentheses of an operation. */
function operand(st: { item?: Item; n?: number; immediate?: boolean; predicate?: Predicate }): string {
  if (st.predicate !== undefined) {
    const { cell, n, e } = st.predicate;
    return `lambda: ${cell}, from call ${n} on ${e ?? 'true'}`;
  }
  if (st.immediate !== undefined) return `immediate=${st.immediate ? 'True' : 'False'}`;
  return st.item === undefined ? `${st.n ?? ''}` : JSON.stringify(st.item);
}

function name(s: string | undefined): string {
  return s === undefined ? '' : `${s} := `;
}

function options(o: TaskOptions): string {
  return [
    o.name === undefined ? '' : `, name='${o.name}'`,
    o.ctx === undefined ? '' : `, context=${o.ctx}`,
    o.eager === undefined ? '' : `, eager_start=${o.eager ? 'True' : 'False'}`,
  ].join('');
}

function callback(block: Block | undefined, depth: number): string {
  return `lambda:\n${lines(block, depth + 2).join('\n')}\n${indent(depth + 1)}`;
}

function context(s: string | undefined): string {
  return s === undefined ? '' : `, context=${s}`;
}

function statementLines(st: Stmt, depth: number): string[] {
  const at = indent(depth);
  const line = (text: string): string[] => [`${at}${text}`];
  const nested = (head: string, block: Block | undefined): string[] => [
    `${at}${head}`,
    ...lines(block, depth + 1),
  ];
  switch (st.k) {
    case 'log':
      return line(`log(${value(st.v)})`);
    case 'spawn': {
      const make = st.ensure === true ? 'ensure_future' : 'create_task';
      return line(`${st.s} = ${make}(${aw(st.coro, depth)}${options(st)})`);
    }
    case 'future':
      return line(`${st.s} = loop.create_future()`);
    case 'make':
      return line(`${st.s} = ${aw(st.aw, depth)}`);
    case 'cancel':
      return line(`${st.s}.cancel(${st.msg === undefined ? '' : value(st.msg)})`);
    case 'cancel_self':
      return line(`current_task().cancel(${st.msg === undefined ? '' : value(st.msg)})`);
    case 'uncancel':
      return line(`${st.s ?? 'current_task()'}.uncancel()`);
    case 'query':
      return line(`log(${st.s}${st.how === 'state' ? '' : `.${st.how}()`})`);
    case 'set':
      return line(`${st.s}.set_result(${value(st.v)})${strict(st)}`);
    case 'fail':
      return line(`${st.s}.set_exception(${st.e}(${value(st.v)}))${strict(st)}`);
    case 'soon':
      return line(`${assign(st.s)}loop.call_soon(${callback(st.do, depth)}${context(st.ctx)})`);
    case 'later':
      return line(`${assign(st.s)}loop.call_later(${st.d}, ${callback(st.do, depth)}${context(st.ctx)})`);
    case 'at':
      return line(`${assign(st.s)}loop.call_at(${st.t}, ${callback(st.do, depth)}${context(st.ctx)})`);
    case 'cancel_handle':
      return line(`${st.s}.cancel()`);
    case 'add_cb': {
      const actions = st.do === undefined ? '' : `: ${callback(st.do, depth)}`;
      return line(`${st.s}.add_done_callback(<${st.tag}${actions}>${context(st.ctx)})`);
    }
    case 'remove_cb':
      return line(`${st.s}.remove_done_callback(<${st.tag}>)`);
    case 'callbacks':
      return line(`log(len(${st.s}._callbacks))`);
    case 'reschedule':
      return line(`${st.s}.reschedule(${st.d === null ? 'None' : `loop.time() + ${st.d}`})`);
    case 'when':
      return line(`log(${st.s}.when(), ${st.s}.expired())`);
    case 'tg_spawn':
      return line(`${st.s} = ${st.g}.create_task(${aw(st.coro, depth)}${options(st)})${strict(st)}`);
    case 'tg_show':
      return line(`log(${st.g})`);
    case 'cv_set':
      return line(`${assign(st.tok)}v${st.i}.set(${value(st.v)})`);
    case 'cv_get':
      return line(`log(v${st.i}.get())`);
    case 'cv_reset':
      return line(`reset(${st.tok})`);
    case 'ctx':
      return line(`${st.s} = copy_context()`);
    case 'ctx_run':
      return line(`${st.s}.run(${callback(st.do, depth)})`);
    case 'set_name':
      return line(`${st.s}.set_name('${st.name}')`);
    case 'tasks':
      return line('log(all_tasks())');
    case 'cancelling':
      return line('log(current_task().cancelling())');
    case 'factory':
      return line(`loop.set_task_factory(${st.eager ? 'eager_task_factory' : 'None'})`);
    case 'primitive':
      return line(`${st.s} = ${st.type}(${st.lock ?? st.n ?? ''})`);
    case 'call':
      return line(`${st.p}.${st.op}(${operand(st)})${strict(st)}`);
    case 'cell':
      return line(`${st.s} = ${value(st.v)}`);
    case 'raise':
      return line(`raise ${st.e}(${value(st.v)})`);
    case 'sleep':
    case 'wait':
    case 'wait_for':
      return line(`await ${aw(st, depth)}`);
    case 'await':
      return line(
        `await ${st.s === undefined ? '' : `(${st.s} := `}${aw(st.aw, depth)}${st.s === undefined ? '' : ')'}`,
      );
    case 'timeout':
      return nested(`async with timeout${st.at === true ? '_at' : ''}(${value(st.d)}) as ${st.s}:`, st.block);
    case 'group':
      return nested(`async with TaskGroup() as ${st.s}:`, st.block);
    case 'reenter':
      return nested(`async with ${st.s}:`, []);
    case 'as_completed': {
      const limit = st.t === undefined || st.t === null ? '' : `, timeout=${st.t}`;
      const list = st.aws.map((a) => aw(a, depth)).join(', ');
      const turns = st.n === undefined ? '' : `  # ${st.n} turns at most`;
      return nested(`${st.mode} x in as_completed([${list}]${limit}):${turns}`, st.block);
    }
    case 'try':
      return [
        ...nested('try:', st.block),
        ...(st.what === undefined
          ? []
          : [
              `${at}except ${st.what}:`,
              ...(st.then === 'reraise' && (st.handler ?? []).length === 0
                ? []
                : lines(st.handler, depth + 1)),
              ...(st.then === 'reraise' ? [`${indent(depth + 1)}raise`] : []),
            ]),
        ...(st.finally === undefined ? [] : nested('finally:', st.finally)),
      ];
    case 'repeat':
      return nested(`for _ in range(${st.n}):`, st.block);
    case 'with':
      return nested(`async with ${st.p}:`, st.block);
    case 'items':
      return nested(`async for item in ${st.p}:${st.n === undefined ? '' : `  # ${st.n} at most`}`, st.block);
    case 'return':
      return line(`return ${value(st.v)}`);
  }
}

function assign(s: string | undefined): string {
  return s === undefined ? '' : `${s} = `;
}

function strict(st: { guard?: boolean; loud?: boolean }): string {
  if (st.guard === true) return '  # unless done';
  return st.loud === true ? '' : '  # errors are logged';
}
