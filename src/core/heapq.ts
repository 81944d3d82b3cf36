/**
 * A binary heap in an array, step for step CPython's, so that equal entries come out in the same order. Counterpart:
 * `heapq.py`. Unlike there, a comparison that throws leaves the heap as it was: all are made before anything moves.
 */

/** Whether `a` goes before `b`. */
export type IsLess<T> = (a: T, b: T) => boolean;

/** Put `item` into `heap`. */
export function heappush<T>(heap: T[], item: T, isLess: IsLess<T>): void {
  const end = heap.length;
  let place = end;
  while (place > 0 && isLess(item, heap[parentOf(place)] as T)) place = parentOf(place);
  heap.push(item);
  for (let hole = end; hole > place; hole = parentOf(hole)) heap[hole] = heap[parentOf(hole)] as T;
  heap[place] = item;
}

/** Take the smallest item, which must be there, out of `heap`. */
export function heappop<T>(heap: T[], isLess: IsLess<T>): T {
  const end = heap.length - 1;
  const last = heap[end] as T;
  // Down along the smaller children to a leaf, then up to where the last item belongs: fewer comparisons than on the
  // way down, since a last item mostly is a large one.
  let leaf = 0;
  for (let child = 1; child < end; child = 2 * leaf + 1) {
    const right = child + 1;
    leaf = right < end && !isLess(heap[child] as T, heap[right] as T) ? right : child;
  }
  let place = leaf;
  while (place > 0 && isLess(last, heap[place] as T)) place = parentOf(place);
  const first = heap[0] as T;
  heap.pop();
  if (end === 0) return first;
  let filler = last;
  for (let hole = place; ; hole = parentOf(hole)) {
    const moved = heap[hole] as T;
    heap[hole] = filler;
    filler = moved;
    if (hole === 0) return first;
  }
}

function parentOf(place: number): number {
  return (place - 1) >> 1;
}
