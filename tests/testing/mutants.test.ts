import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import '../support/leaks.ts';
import { mutants } from './explorations/mutants.ts';
import { findMutant } from './explorations/run.ts';

describe('faults that the explorer must find', () => {
  for (const mutant of mutants) {
    test(`${mutant.primitive}: ${mutant.name}`, async () => {
      const finding = await findMutant(mutant, { schedules: 800, random: 300 });
      assert.ok(finding !== null, 'no schedule shows it');
      assert.match(finding.error.replay, /^x1\.faithful\.lazy\.[0-9a-f]{8}\./);
    });
  }
});
