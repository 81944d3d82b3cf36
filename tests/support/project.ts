/** The folder of the project, seen from the compiled tests in `build/tests/support`. */
import { fileURLToPath } from 'node:url';

export const root = fileURLToPath(new URL('../../../', import.meta.url));
