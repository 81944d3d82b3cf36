/** Runs the scenarios on the library or on a copy of it with a fault. */
import type * as Asyncio from 'asyncio-ts';
import type * as Testing from 'asyncio-ts/testing';
import { type Library, type Mutant, withMutant } from './mutants.ts';
import { type Exploration, scenarios, World } from './scenarios.ts';
import { STYLES, type Style } from './styles.ts';

/** The scenario as `explore` wants it. */
export function toScenario(
  { run }: Exploration,
  asyncio: typeof Asyncio,
  style: Style,
): (sim: Testing.Simulation) => void {
  return (sim) => run(new World(asyncio, sim, style));
}

/** How a fault was found. */
export interface Finding {
  readonly scenario: Exploration;
  readonly style: Style;
  readonly error: Testing.ExplorationError;
  /** Schedules up to the one that fails, those of the scenarios before included. */
  readonly schedules: number;
}

/** The first schedule that shows the fault, or null. */
export async function findMutant(
  mutant: Mutant,
  options: Testing.ExploreOptions = {},
): Promise<Finding | null> {
  return await withMutant(mutant, async ({ asyncio, testing }: Library) => {
    let schedules = 0;
    for (const scenario of scenarios.filter(({ primitive }) => primitive === mutant.primitive)) {
      for (const style of STYLES) {
        try {
          schedules += (await testing.explore(toScenario(scenario, asyncio, style), options)).schedules;
        } catch (error) {
          if (!(error instanceof testing.ExplorationError)) throw error;
          return { scenario, style, error, schedules: schedules + error.schedules };
        }
      }
    }
    return null;
  });
}
