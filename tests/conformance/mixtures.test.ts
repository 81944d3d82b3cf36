/** Programs in which it matters which block is a generator and which an async function: each in many mixtures. */
import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import type { Program } from './ast.ts';
import { compare, describe as describeDifference } from './compare.ts';
import { program } from './dsl.ts';

/** How many mixtures of each: a block is a generator in every second of them. */
const MIXTURES = 40;

const programs: Record<string, Program> = {
  // The body of g2 is struck by the failure of g5, and is over; g2 itself waits, in the task's own generator.
  'a group that fails within another that does': program([
    { k: 'primitive', s: 'b1', type: 'Barrier', n: 2 },
    {
      k: 'spawn',
      s: 't4',
      coro: {
        k: 'body',
        block: [
          {
            k: 'group',
            s: 'g1',
            block: [
              { k: 'tg_spawn', g: 'g1', s: 't1', coro: { k: 'body', block: [] }, name: 'T1' },
              { k: 'tg_spawn', g: 'g1', s: 't3', coro: { k: 'sleep', d: 0 }, name: 'T3' },
              { k: 'wait', fs: ['t1'], t: 0, rw: 'ALL_COMPLETED' },
              { k: 'wait', fs: ['t3'], t: 0, rw: 'FIRST_COMPLETED' },
              { k: 'wait', fs: ['t1'], t: 0, rw: 'FIRST_COMPLETED' },
              { k: 'wait', fs: ['t1'], t: 0, rw: 'FIRST_COMPLETED' },
            ],
          },
          { k: 'wait', fs: ['t1'], t: 0, rw: 'ALL_COMPLETED' },
        ],
      },
      name: 'T4',
    },
    {
      k: 'spawn',
      s: 't5',
      name: 'T5',
      coro: {
        k: 'body',
        block: [{ k: 'try', block: [{ k: 'await', aw: { k: 'op', p: 'b1', op: 'wait' } }], handler: [] }],
      },
    },
    {
      k: 'spawn',
      s: 't6',
      name: 'T6',
      coro: { k: 'body', block: [{ k: 'await', aw: { k: 'op', p: 'b1', op: 'wait' } }] },
    },
    {
      k: 'later',
      d: 0,
      do: [
        { k: 'spawn', s: 't7', coro: { k: 'op', p: 'b1', op: 'wait' } },
        { k: 'soon', do: [] },
      ],
    },
    { k: 'wait', fs: ['t5'], t: 0, rw: 'FIRST_COMPLETED' },
    {
      k: 'timeout',
      s: 'm1',
      d: 1,
      block: [
        {
          k: 'group',
          s: 'g2',
          block: [
            {
              k: 'tg_spawn',
              g: 'g2',
              s: 't10',
              coro: {
                k: 'body',
                block: [
                  {
                    k: 'group',
                    s: 'g3',
                    block: [{ k: 'tg_spawn', g: 'g3', s: 't9', coro: { k: 'sleep', d: 1 }, name: 'T9' }],
                  },
                ],
              },
            },
            { k: 'tg_spawn', g: 'g2', s: 't11', coro: { k: 'op', p: 'b1', op: 'reset' }, name: 'T11' },
            {
              k: 'tg_spawn',
              g: 'g2',
              s: 't13',
              coro: { k: 'body', block: [{ k: 'await', aw: { k: 'slot', s: 't7' } }] },
              name: 'T13',
            },
            {
              k: 'group',
              s: 'g5',
              block: [
                {
                  k: 'tg_spawn',
                  g: 'g5',
                  s: 't14',
                  coro: { k: 'body', block: [{ k: 'await', aw: { k: 'slot', s: 't13' } }] },
                  name: 'T14',
                },
                { k: 'tg_spawn', g: 'g5', s: 't16', coro: { k: 'sleep', d: 1 }, name: 'T16' },
              ],
            },
          ],
        },
      ],
    },
  ]),
  // The child has returned: the message of the request that it swallowed is what its gather ends with.
  'a gather whose child swallows the cancellation': program([
    {
      k: 'make',
      s: 'a1',
      aw: {
        k: 'gather',
        aws: [
          {
            k: 'body',
            block: [{ k: 'try', block: [{ k: 'await', aw: { k: 'sleep', d: 0 } }], handler: [] }],
          },
        ],
      },
    },
    { k: 'later', d: 0, do: [{ k: 'cancel', s: 'a1', msg: 'met' }] },
    { k: 'await', aw: { k: 'sleep', d: 0 } },
  ]),
};

describe('mixtures of generators and async functions', () => {
  for (const [name, written] of Object.entries(programs)) {
    test(name, async () => {
      const mixtures = Array.from({ length: MIXTURES }, (_, seed) => ({ ...written, seed }));
      const [difference] = await compare(mixtures, { kind: 'mixed', noise: false });
      assert.ok(difference === undefined, difference && describeDifference(difference));
    });
  }
});
