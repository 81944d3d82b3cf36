/** The name of this process, for texts of modules that `process.ts` builds on. */
let name = (): string => 'MainProcess';

/** @internal What `currentProcess().name` is. */
export function currentName(): string {
  return name();
}

/** @internal Set by `process.ts`. */
export function setCurrentName(get: () => string): void {
  name = get;
}
