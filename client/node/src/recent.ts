/* recent.ts - what is known of the things named last: at least so many, at most twice
 * as many. Two maps that take turns, so that none is ever full of what was deleted: see
 * roster.ts for what that would cost. */

export class Recent<K, V> {
  readonly #least: number;
  #newer = new Map<K, V>();
  #older = new Map<K, V>();

  constructor(least: number) {
    this.#least = least;
  }

  set(key: K, value: V): void {
    if (this.#newer.size >= this.#least) {
      this.#older = this.#newer;
      this.#newer = new Map();
    }
    this.#newer.set(key, value);
  }

  get(key: K): V | undefined {
    return this.#newer.get(key) ?? this.#older.get(key);
  }
}
