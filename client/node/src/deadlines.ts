/* deadlines.ts - which of many things is due first: a binary heap whose members are
 * dropped when they come up and are over already. */

export interface Due {
  /** In ms of the monotonic clock. */
  deadline: number;
  over: boolean;
}

export class Deadlines<T extends Due> {
  #heap: T[] = [];
  #over = 0;

  add(one: T): void {
    const heap = this.#heap;
    let at = heap.length;
    heap.push(one);
    while (at > 0) {
      const parent = (at - 1) >> 1;
      const above = heap[parent] as T;
      if (above.deadline <= one.deadline) {
        break;
      }
      heap[at] = above;
      at = parent;
    }
    heap[at] = one;
  }

  /** One of the members has `over` set; when most have, they are swept out. */
  noteOver(): void {
    this.#over++;
    if (this.#over > 64 && this.#over * 2 > this.#heap.length) {
      const left = this.#heap.filter((one) => !one.over);
      this.#heap = [];
      this.#over = 0;
      left.sort((a, b) => a.deadline - b.deadline);
      this.#heap = left; /* A sorted list is a heap. */
    }
  }

  /** The member due first, or undefined. */
  first(): T | undefined {
    while (this.#heap[0]?.over) {
      this.#pop();
    }
    return this.#heap[0];
  }

  #pop(): void {
    const heap = this.#heap;
    const last = heap.pop();
    const count = heap.length;
    if (last === undefined || count === 0) {
      return;
    }
    let at = 0;
    for (;;) {
      let child = 2 * at + 1;
      if (child >= count) {
        break;
      }
      const right = heap[child + 1];
      if (right !== undefined && right.deadline < (heap[child] as T).deadline) {
        child++;
      }
      const below = heap[child] as T;
      if (below.deadline >= last.deadline) {
        break;
      }
      heap[at] = below;
      at = child;
    }
    heap[at] = last;
  }
}
