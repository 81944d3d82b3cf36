/** The heap sampler of this thread. Counterpart: the hooks that `_tracemalloc` puts into Python's allocators. */
import type { Runtime, Session } from 'node:inspector';
import { NotImplementedError, RuntimeError } from '../core/exceptions.ts';

const NO_SAMPLER =
  'takeSnapshot(): no heap sampler here. It is that of node:inspector: on Node, built with the inspector and allowed ' +
  'to use it. getTracedMemory() works without';

const STOPPED =
  'takeSnapshot(): something else that uses the inspector (DevTools, --heap-prof) has stopped the sampler; ' +
  'clearTraces() starts it again';

/** A function in a tree of calls, and the memory that it allocated itself. */
export interface ProfileNode {
  readonly id: number;
  readonly callFrame: Runtime.CallFrame;
  readonly children: readonly ProfileNode[];
}

/** What V8 knows of the memory in use. Node's declarations have a part of it. */
export interface Profile {
  readonly head: ProfileNode;
  /** `ordinal` grows with the time at which each was taken. */
  readonly samples: readonly { readonly size: number; readonly nodeId: number; readonly ordinal: number }[];
}

/** What V8 answered to one command. */
interface Answer {
  readonly error: Error | null;
  readonly result: object | undefined;
}

/**
 * Samples where memory is allocated, from its creation until `close`.
 *
 * V8 draws samples at random distances in bytes, notes the calls that led to each, and drops it when its object is
 * collected. The depth is V8's own, 128 calls: a deeper tree makes Node 26 abort, whose JSON has a limit of nesting.
 */
export class HeapSampler {
  readonly #session: Session;

  /**
   * Collects garbage, as every profile does: twice, since the bytes of arrays are freed by a background thread, which
   * the second time waits for.
   *
   * @param intervalBytes - the mean distance between two samples; 1 takes every object.
   * @throws NotImplementedError where the runtime has none.
   */
  constructor(intervalBytes: number) {
    this.#session = connect();
    try {
      this.#post('startSampling', { samplingInterval: intervalBytes }, NO_SAMPLER);
      this.profile();
      this.profile();
    } catch (error) {
      this.close();
      throw error;
    }
  }

  /** What is in use now and was allocated since the creation. Collects garbage first. */
  profile(): Profile {
    return (this.#post('getSamplingProfile', {}, STOPPED) as { profile: Profile }).profile;
  }

  /** Stop sampling and leave the inspector. */
  close(): void {
    this.#session.disconnect();
  }

  #post(command: string, parameters: object, refusal: string): object | undefined {
    const answers: Answer[] = [];
    this.#session.post(`HeapProfiler.${command}`, parameters, (error, result) =>
      answers.push({ error, result }),
    );
    const [answer] = answers;
    // V8's inspector answers within the call, unlike the imitations of it.
    if (answer === undefined) throw new NotImplementedError(NO_SAMPLER);
    if (answer.error === null) return answer.result;
    const Refusal = refusal === NO_SAMPLER ? NotImplementedError : RuntimeError;
    throw new Refusal(refusal, { cause: answer.error });
  }
}

function connect(): Session {
  try {
    // Asked for, since there are builds of Node without it.
    const inspector = process.getBuiltinModule('node:inspector');
    const session = new inspector.Session();
    session.connect();
    return session;
  } catch (error) {
    throw new NotImplementedError(NO_SAMPLER, { cause: error });
  }
}
