/** Numbers that were tuned or are part of a contract, each with its unit and its reason. */

/** Frames kept when debug mode notes where something was created. CPython's value. */
export const DEBUG_STACK_DEPTH = 10;

/** Seconds that a slice of ready work may take before the host's I/O gets its turn. */
export const SLICE_SECONDS = 0.001;

/** Bounds of the number of handles that one slice runs between two looks at the clock. */
export const MIN_SLICE_HANDLES = 16;
export const MAX_SLICE_HANDLES = 8192;

/** First size of the ready queue's ring; a power of two, since positions are masked. */
export const READY_RING_SIZE = 16;

/** Seconds after which a callback is reported as slow in debug mode. CPython's value. */
export const SLOW_CALLBACK_SECONDS = 0.1;

/** Seconds that `run` gives the default executor to end. CPython's value. */
export const THREAD_JOIN_TIMEOUT = 300;

/** Seconds after which shutdown names the tasks that go on after their cancellation, and again each time. */
export const SHUTDOWN_REPORT_SECONDS = 5;

/** Lazy coroutines that may be outstanding before they are looked through for forgotten ones. */
export const UNAWAITED_NURSERY = 256;

/** First size of a `Queue`'s ring; a power of two. Most queues are short. */
export const QUEUE_RING_SIZE = 8;
