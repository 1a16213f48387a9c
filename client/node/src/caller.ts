/* caller.ts - one request and its one promise: what all calls of a client share. Opens
 * the connection when it is needed and lets it go when it is not. */
import { Aborts } from "./aborts.js";
import type { CallOptions, ClientOptions } from "./calls.js";
import { errorOf } from "./calls.js";
import { Engine, HOST, clock } from "./engine.js";
import type { Unreachable } from "./engine.js";
import { GangerError, usage } from "./errors.js";
import type { ErrorCode } from "./errors.js";
import { readEndpoint, readKeys } from "./keys.js";
import { Requests } from "./requests.js";
import type { Answer, AnswerRecords, Asker } from "./requests.js";
import { COMMANDS } from "./tables.js";
import type { CommandName, RecordOf } from "./tables.js";
import { PROGRAM } from "./version.js";

/* Time will not mend these: whoever waits for a connection is told at once. */
const LASTING: readonly ErrorCode[] = ["key_refused", "no_host", "not_ganger"];

/* Answers settled in one turn of the event loop: what follows from them is the user's
 * own work, and a message may bring hundreds. */
const SETTLED_MAX = 64;

interface Opener {
  resolve: () => void;
  reject: (why: unknown) => void;
}

/** What a call may say besides its record. */
export interface Manner {
  options: CallOptions;
  /** When it ends, in ms of performance.now(). */
  until: number;
  /** The id of the job, for the error where the answer is unknown. */
  id?: Uint8Array | undefined;
  /** The ids in the record that newId() made, in their order. */
  unnamed?: readonly Uint8Array[] | undefined;
  /** Told what comes before the final answer. */
  onNews?: ((answer: Answer) => void) | undefined;
}

/** What may yet come of a request that failed. */
export type Mend<T> = (why: GangerError) => Promise<T> | undefined;

const NOBODY = (): void => undefined;

type FinalAnswer = Exclude<Answer, { final: false }>;

/* A call in flight. There may be thousands, and the collector copies what each of them
 * holds: one promise, and as little else as can be. */
class Call<T> {
  readonly promise: Promise<T>;
  readonly onNews: Manner["onNews"];
  /** Its signal does not matter any more. */
  letGo: (() => void) | undefined = undefined;
  readonly #id: Uint8Array | undefined;
  readonly #ownId: boolean;
  readonly #make: (record: unknown) => T;
  readonly #mend: Mend<T> | undefined;
  #resolve: (value: T | Promise<T>) => void = NOBODY;
  #reject: (why: unknown) => void = NOBODY;

  constructor(manner: Manner, make: (record: unknown) => T, mend: Mend<T> | undefined) {
    this.onNews = manner.onNews;
    this.#id = manner.id;
    this.#ownId = manner.unnamed !== undefined;
    this.#make = make;
    this.#mend = mend;
    this.promise = new Promise<T>((resolve, reject) => {
      this.#resolve = resolve;
      this.#reject = reject;
    });
  }

  settle(answer: FinalAnswer): void {
    if (answer.kind === "error") {
      /* An id of ours that was never sent names nothing, and may be of a wrong time. */
      const id = this.#ownId && !answer.sent ? undefined : this.#id;
      const why = errorOf(answer, id);
      const more = this.#mend?.(why);
      if (more === undefined) {
        this.#reject(why);
      } else {
        this.#resolve(more);
      }
      return;
    }
    try {
      this.#resolve(this.#make(answer.record));
    } catch (err) {
      this.#reject(err);
    }
  }

  abort(why: unknown): void {
    this.#reject(why);
  }
}

export class Caller {
  readonly #engine: Engine<Requests>;
  readonly #idleMs: number;
  readonly #openers = new Set<Opener>();
  readonly #aborts = new Aborts();
  #settled = 0;
  #unsettled: (() => void)[] = [];
  #idleTimer: NodeJS.Timeout | undefined;
  #usedAt = 0;
  #closed = false;

  constructor(options: ClientOptions) {
    this.#idleMs = options.idleMs ?? 1000;
    const self = { name: options.name, host: HOST, pid: process.pid, program: PROGRAM };
    const session = new Requests(self, Math.random, (news) => {
      if (news.opened) {
        [...this.#openers].forEach((one) => {
          one.resolve();
        });
      } else {
        this.#engine.refused(news.code, news.text);
      }
    });
    const keys = readKeys(options);
    this.#engine = new Engine(session, readEndpoint(options.endpoint), keys, {
      onTick: (now) => {
        session.expire(now, this.#engine.unreachable);
      },
      onTrouble: (why) => {
        this.#onTrouble(why);
      },
      needed: () => this.#needed(),
    });
  }

  get inFlight(): number {
    return this.#engine.session.inFlight;
  }

  /** Epoch of the broker that was heard last. */
  get epoch(): bigint {
    return this.#engine.session.epoch;
  }

  /** A fresh id; say so in `unnamed`: it is made anew if it is sent much later. */
  newId(): Uint8Array {
    return this.#engine.session.newId(clock());
  }

  connect(options: CallOptions, until: number): Promise<void> {
    if (this.#engine.session.state === "open") {
      return Promise.resolve();
    }
    this.#begin();
    const { signal } = options;
    return new Promise<void>((resolve, reject) => {
      const leave = (): void => {
        clearTimeout(timer);
        this.#aborts.remove(signal, aborted);
        this.#openers.delete(opener);
        this.#rest();
      };
      const opener: Opener = {
        resolve: () => {
          leave();
          resolve();
        },
        reject: (why) => {
          leave();
          reject(why);
        },
      };
      const aborted = (): void => {
        opener.reject(signal?.reason);
      };
      const late = (): void => {
        const { code, text } = this.#engine.unreachable;
        opener.reject(new GangerError(code, { text }));
      };
      const wait = until - performance.now();
      const timer = wait === Infinity ? undefined : setTimeout(late, wait);
      this.#openers.add(opener);
      if (signal?.aborted) {
        aborted();
      } else {
        this.#aborts.add(signal, aborted);
      }
    });
  }

  /** A request with one final answer: its record. */
  call<C extends keyof AnswerRecords>(
    name: C,
    record: RecordOf<(typeof COMMANDS)[C][1]>,
    manner: Manner,
  ): Promise<AnswerRecords[C]> {
    return this.callFor(name, record, manner, (answer) => answer);
  }

  /**
   * A request with one final answer, and what `make` makes of it; what `make` throws is
   * the error. Where the request fails `mend` may have another promise.
   */
  callFor<C extends keyof AnswerRecords, T>(
    name: C,
    record: RecordOf<(typeof COMMANDS)[C][1]>,
    manner: Manner,
    make: (answer: AnswerRecords[C]) => T,
    mend?: Mend<T>,
  ): Promise<T> {
    const { signal } = manner.options;
    if (signal?.aborted) {
      return Promise.reject(signal.reason as Error);
    }
    try {
      const call = new Call<T>(manner, make as (record: unknown) => T, mend);
      const { until, unnamed } = manner;
      const number = this.ask(name, record, until, this.#asker(call), unnamed);
      if (signal !== undefined) {
        this.#bind(call, number, signal);
      }
      return call.promise;
    } catch (err) {
      return Promise.reject(err);
    }
  }

  /** A request with any number of answers; ends it with forget(). */
  ask<C extends CommandName>(
    name: C,
    record: RecordOf<(typeof COMMANDS)[C][1]>,
    until: number,
    asker: Asker,
    unnamed?: readonly Uint8Array[],
  ): number {
    this.#begin();
    const { session } = this.#engine;
    const number = session.ask(name, record, until, clock(), asker, unnamed);
    if (number === 0) {
      throw new GangerError("too_many", { text: "65,536 requests are in flight" });
    }
    this.#engine.poke();
    return number;
  }

  /** Drop a request: its asker is not called any more. */
  forget(number: number): void {
    this.#engine.session.forget(number);
    this.#engine.poke();
    this.#rest();
  }

  close(): void {
    if (this.#closed) {
      return;
    }
    this.#closed = true;
    clearTimeout(this.#idleTimer);
    const text = "the client was closed";
    this.#engine.session.endAll("no_broker", text);
    [...this.#openers].forEach((one) => {
      one.reject(new GangerError("no_broker", { text }));
    });
    this.#engine.stop();
  }

  /* A call ends early when its signal aborts. */
  #bind<T>(call: Call<T>, number: number, signal: AbortSignal): void {
    const onAbort = (): void => {
      call.letGo?.();
      this.forget(number);
      call.abort(signal.reason);
    };
    call.letGo = (): void => {
      this.#aborts.remove(signal, onAbort);
    };
    this.#aborts.add(signal, onAbort);
  }

  /* Made here, where it sees nothing of the call but this. */
  #asker<T>(call: Call<T>): Asker {
    return (answer) => {
      if (!answer.final) {
        call.onNews?.(answer);
        return;
      }
      call.letGo?.();
      this.#rest();
      this.#settle(() => {
        call.settle(answer);
      });
    };
  }

  /* Settle a promise in this turn of the loop, or in one of the next. */
  #settle(act: () => void): void {
    if (this.#unsettled.length > 0 || this.#settled >= SETTLED_MAX) {
      this.#unsettled.push(act);
      return;
    }
    if (this.#settled++ === 0) {
      setImmediate(() => {
        this.#settleMore();
      });
    }
    act();
  }

  #settleMore(): void {
    const acts = this.#unsettled.splice(0, SETTLED_MAX);
    this.#settled = acts.length;
    if (acts.length > 0) {
      setImmediate(() => {
        this.#settleMore();
      });
    }
    acts.forEach((act) => {
      act();
    });
  }

  #begin(): void {
    if (this.#closed) {
      throw usage("the client has been closed");
    }
    this.#usedAt = performance.now();
    this.#engine.start();
  }

  #needed(): boolean {
    return this.inFlight > 0 || this.#openers.size > 0;
  }

  /* With nothing in flight for a while, let the connection go. */
  #rest(): void {
    if (this.#needed() || this.#closed || this.#idleTimer !== undefined) {
      return;
    }
    const since = performance.now() - this.#usedAt;
    this.#idleTimer = setTimeout(
      () => {
        this.#idleTimer = undefined;
        if (this.#needed() || this.#closed) {
          return;
        }
        if (performance.now() - this.#usedAt < this.#idleMs) {
          this.#rest();
        } else {
          this.#engine.stop();
        }
      },
      Math.max(this.#idleMs - since, 1),
    );
  }

  #onTrouble(why: Unreachable): void {
    if (LASTING.includes(why.code)) {
      const error = new GangerError(why.code, { text: why.text });
      [...this.#openers].forEach((one) => {
        one.reject(error);
      });
    }
  }
}
