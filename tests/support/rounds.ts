/** How often a test that repeats itself does so: all of `count` in `npm test`, a tenth on the other Nodes of `scripts/matrix.mjs`. */
export const rounds = (count: number): number =>
  process.env['TEST_ROUNDS'] === 'few' ? Math.ceil(count / 10) : count;
