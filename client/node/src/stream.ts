/* stream.ts - a bounded line between who pushes and who iterates. */

interface Waiter<T> {
  resolve: (result: IteratorResult<T, undefined>) => void;
  reject: (why: unknown) => void;
}

/** Items for one `for await`; `stop` is called once when nobody wants more. */
export class Stream<T> implements AsyncIterableIterator<T, undefined> {
  #items: T[] = [];
  #waiter: Waiter<T> | undefined;
  #ended = false;
  #failed = false;
  #why: unknown;
  #stop: (() => void) | undefined;
  readonly #most: number;
  readonly #gap: ((dropped: number) => T) | undefined;
  #dropped = 0;

  /**
   * At most `most` items wait; then the oldest go and `gap` says how many. Without
   * `gap` none is ever dropped: for streams that end by themselves.
   */
  constructor(stop: () => void, most: number, gap?: (dropped: number) => T) {
    this.#stop = stop;
    this.#most = most;
    this.#gap = gap;
  }

  push(item: T): void {
    if (this.#ended) {
      return;
    }
    const waiter = this.#waiter;
    if (waiter !== undefined) {
      this.#waiter = undefined;
      waiter.resolve({ value: item, done: false });
      return;
    }
    this.#items.push(item);
    if (this.#gap !== undefined && this.#items.length > this.#most) {
      this.#items.shift();
      this.#dropped++;
    }
  }

  /** No more items come; those in line are still given. */
  end(): void {
    if (!this.#ended) {
      this.#ended = true;
      this.#stop = undefined;
      this.#waiter?.resolve({ value: undefined, done: true });
      this.#waiter = undefined;
    }
  }

  /** As end(), and then the iteration throws `why`. */
  fail(why: unknown): void {
    if (!this.#ended) {
      this.#ended = true;
      this.#stop = undefined;
      if (this.#waiter !== undefined) {
        this.#waiter.reject(why);
        this.#waiter = undefined;
      } else {
        this.#failed = true;
        this.#why = why;
      }
    }
  }

  next(): Promise<IteratorResult<T, undefined>> {
    if (this.#dropped > 0 && this.#gap !== undefined) {
      const value = this.#gap(this.#dropped);
      this.#dropped = 0;
      return Promise.resolve({ value, done: false });
    }
    if (this.#items.length > 0) {
      return Promise.resolve({ value: this.#items.shift() as T, done: false });
    }
    if (this.#failed) {
      this.#failed = false;
      return Promise.reject(this.#why);
    }
    if (this.#ended) {
      return Promise.resolve({ value: undefined, done: true });
    }
    return new Promise((resolve, reject) => {
      this.#waiter = { resolve, reject };
    });
  }

  return(): Promise<IteratorResult<T, undefined>> {
    const stop = this.#stop;
    this.#items = [];
    this.#dropped = 0;
    this.#failed = false;
    this.end();
    stop?.();
    return Promise.resolve({ value: undefined, done: true });
  }

  [Symbol.asyncIterator](): this {
    return this;
  }
}
