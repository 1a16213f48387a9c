/* roster.ts - things in flight, by their numbers and in the order they were added.
 *
 * Not a Map, because of the collector: a Map whose table is full of what was deleted
 * gets a new table, and the old one, with all that was still in it, refers to the new
 * one. Once an old table has grown old, only a full collection finds that nobody needs
 * it; until then each of the small ones copies every later table and its members, which
 * stops the event loop for 4 to 10 ms. Here what has left refers to nothing.
 */

const BUCKETS_MIN = 64; /* A power of two. */

export interface Member<T> {
  /** Numbers that follow each other are found at once. */
  readonly number: number;
  /** Set by the roster: its neighbours in the order, … */
  before: T | undefined;
  after: T | undefined;
  /** … and the next one in its bucket. */
  below: T | undefined;
}

export class Roster<T extends Member<T>> {
  #buckets: (T | undefined)[] = new Array<undefined>(BUCKETS_MIN).fill(undefined);
  #first: T | undefined;
  #last: T | undefined;
  #size = 0;

  get size(): number {
    return this.#size;
  }

  /** Its number is that of no other member. */
  add(one: T): void {
    if (this.#size === this.#buckets.length) {
      this.#grow();
    }
    this.#hang(one);
    one.before = this.#last;
    if (this.#last === undefined) {
      this.#first = one;
    } else {
      this.#last.after = one;
    }
    this.#last = one;
    this.#size++;
  }

  get(number: number): T | undefined {
    let one = this.#buckets[this.#bucketOf(number)];
    while (one !== undefined && one.number !== number) {
      one = one.below;
    }
    return one;
  }

  /** Take out a member. */
  remove(one: T): void {
    this.#unhang(one);
    const { before, after } = one;
    if (before === undefined) {
      this.#first = after;
    } else {
      before.after = after;
    }
    if (after === undefined) {
      this.#last = before;
    } else {
      after.before = before;
    }
    one.before = undefined;
    one.after = undefined;
    this.#size--;
  }

  /** Those that are members now, the oldest first. */
  all(): T[] {
    const all: T[] = [];
    for (let one = this.#first; one !== undefined; one = one.after) {
      all.push(one);
    }
    return all;
  }

  #bucketOf(number: number): number {
    return number % this.#buckets.length;
  }

  #hang(one: T): void {
    const bucket = this.#bucketOf(one.number);
    one.below = this.#buckets[bucket];
    this.#buckets[bucket] = one;
  }

  #unhang(one: T): void {
    const bucket = this.#bucketOf(one.number);
    let above: T | undefined;
    let at = this.#buckets[bucket];
    while (at !== undefined && at !== one) {
      above = at;
      at = at.below;
    }
    if (above === undefined) {
      this.#buckets[bucket] = one.below;
    } else {
      above.below = one.below;
    }
    one.below = undefined;
  }

  #grow(): void {
    const count = 2 * this.#buckets.length;
    this.#buckets = new Array<undefined>(count).fill(undefined);
    for (let one = this.#first; one !== undefined; one = one.after) {
      this.#hang(one);
    }
  }
}
