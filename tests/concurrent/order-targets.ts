/** Functions that remember in which order they were called. */
const calls: number[] = [];

export function remember(call: number, ms: number): void {
  const end = performance.now() + ms;
  calls.push(call);
  while (performance.now() < end);
}

export function remembered(): number[] {
  return calls;
}
