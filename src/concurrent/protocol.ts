/** What a pool and its workers say to each other. Each message is an array of such entries, so that many cost little more than one. */
import type { PackedError } from './remote-errors.ts';
import type { Place } from './targets.ts';

/** The first element of an entry for a worker. */
export const ToWorker = {
  /** `[PLACE, placeId, place]`: calls name their function by `placeId` from now on. */
  PLACE: 0,
  /** `[CALL, id, placeId, args, flags, variables, slot]`: the slot of `Claims`, or -1. */
  CALL: 1,
  /** `[CANCEL, id]`: do not begin the call, or ask it to stop. */
  CANCEL: 2,
  /** `[RECALL]`: give back the calls that have not begun. */
  RECALL: 3,
  /** `[CREDIT, id, n]`: the stream may send `n` more values. */
  CREDIT: 4,
  /** `[INIT, placeId, args, flags]`: the initializer. */
  INIT: 5,
  /** `[CLOSE]`: end when nothing runs any more. */
  CLOSE: 6,
  /** `[LINK, messages]`: for live objects. */
  LINK: 7,
} as const;

/** The first element of an entry from a worker. */
export const FromWorker = {
  /** `[READY]`: it can take calls. */
  READY: 0,
  /** `[RESULT, id, value, isFast, hasParcels]` */
  RESULT: 1,
  /** `[ERROR, id, PackedError]` */
  ERROR: 2,
  /** `[CANCELLED, id]`: the call has ended by its cancellation, or was never begun. */
  CANCELLED: 3,
  /** `[RECALLED, ids]` */
  RECALLED: 4,
  /** `[PROGRESS, id, value, hasParcels]` */
  PROGRESS: 5,
  /** `[VALUE, id, value, hasParcels]`: the next value of a stream. */
  VALUE: 6,
  /** `[INIT_FAILED, PackedError]` */
  INIT_FAILED: 7,
  /** `[LINK, messages]`: of live objects. */
  LINK: 8,
} as const;

/** Flags of a call. */
export const CallFlag = {
  /** There are parcels among the arguments. */
  PACKED: 1,
  /** The values of a generator are wanted one by one. */
  STREAM: 2,
} as const;

export type Variables = readonly (readonly [name: string, value: unknown])[];

export type ToWorkerEntry =
  | readonly [op: typeof ToWorker.PLACE, placeId: number, place: Place]
  | readonly [
      op: typeof ToWorker.CALL,
      id: number,
      placeId: number,
      args: unknown,
      flags: number,
      variables: Variables | null,
      slot?: number,
    ]
  | readonly [op: typeof ToWorker.CANCEL, id: number]
  | readonly [op: typeof ToWorker.RECALL]
  | readonly [op: typeof ToWorker.CREDIT, id: number, n: number]
  | readonly [op: typeof ToWorker.INIT, placeId: number, args: unknown, flags: number]
  | readonly [op: typeof ToWorker.CLOSE]
  | readonly [op: typeof ToWorker.LINK, messages: readonly unknown[]];

export type FromWorkerEntry =
  | readonly [op: typeof FromWorker.READY]
  | readonly [op: typeof FromWorker.RESULT, id: number, value: unknown, isFast: boolean, hasParcels: boolean]
  | readonly [op: typeof FromWorker.ERROR, id: number, error: PackedError]
  | readonly [op: typeof FromWorker.CANCELLED, id: number]
  | readonly [op: typeof FromWorker.RECALLED, ids: readonly number[]]
  | readonly [op: typeof FromWorker.PROGRESS, id: number, value: unknown, hasParcels: boolean]
  | readonly [op: typeof FromWorker.VALUE, id: number, value: unknown, hasParcels: boolean]
  | readonly [op: typeof FromWorker.INIT_FAILED, error: PackedError]
  | readonly [op: typeof FromWorker.LINK, messages: readonly unknown[]];

/** Calls that take no longer than this count as fast: several may wait in one worker. Milliseconds. */
export const FAST_CALL_MS = 0.5;

/** Values of a stream that may be under way. */
export const STREAM_CREDIT = 16;
