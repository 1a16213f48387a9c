/* aborts.ts - many calls may share one AbortSignal: it gets one listener of ours, and
 * Node has no reason to warn of a leak. */

export class Aborts {
  readonly #calls = new Map<AbortSignal, Set<() => void>>();
  readonly #listeners = new Map<AbortSignal, () => void>();

  /** Call `then` when the signal aborts; nothing without a signal. */
  add(signal: AbortSignal | undefined, then: () => void): void {
    if (signal === undefined) {
      return;
    }
    const calls = this.#calls.get(signal);
    if (calls !== undefined) {
      calls.add(then);
      return;
    }
    const all = new Set([then]);
    const listener = (): void => {
      [...all].forEach((one) => {
        one();
      });
    };
    this.#calls.set(signal, all);
    this.#listeners.set(signal, listener);
    signal.addEventListener("abort", listener);
  }

  /** It is over: do not call `then` any more. */
  remove(signal: AbortSignal | undefined, then: () => void): void {
    const calls = signal && this.#calls.get(signal);
    if (signal === undefined || calls?.delete(then) !== true || calls.size > 0) {
      return;
    }
    const listener = this.#listeners.get(signal);
    this.#calls.delete(signal);
    this.#listeners.delete(signal);
    if (listener !== undefined) {
      signal.removeEventListener("abort", listener);
    }
  }
}
