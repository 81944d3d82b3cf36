/** Random programs swallow cancellations and forget errors all the time, which the library rightly warns about. */

import { setLogger } from 'asyncio-ts';

export function quiet(): void {
  const silent = (): void => {};
  setLogger({ debug: silent, info: silent, warning: silent, error: silent });
}
