/** A module whose import fails. */
throw new RangeError('this module cannot be imported');
export {};
