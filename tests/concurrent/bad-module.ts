/** A module whose import fails. */
export const never = fail();

function fail(): number {
  throw new RangeError('this module cannot be imported');
}
