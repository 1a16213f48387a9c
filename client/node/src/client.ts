/* client.ts - the calls of a client. */
import { bit, errorOf, progressOf, scopeRecord, succeeded } from "./calls.js";
import type {
  CallOptions,
  CancelOptions,
  Cancelled,
  ClientOptions,
  Completion,
  EventFilter,
  JobFilter,
  Progress,
  RunOptions,
  ScopeOptions,
  Touched,
  WaitOptions,
} from "./calls.js";
import { Caller } from "./caller.js";
import { GangerError, usage } from "./errors.js";
import type { ErrorCode } from "./errors.js";
import {
  Job,
  idBytes,
  idText,
  keyBytes,
  momentOf,
  reasonOf,
  submitRecord,
  targetRecord,
} from "./job.js";
import type {
  Acceptance,
  Moment,
  Payload,
  Reason,
  Submission,
  SubmitOptions,
  Target,
} from "./job.js";
import type { Answer, AnswerRecords } from "./requests.js";
import { Recent } from "./recent.js";
import { Stream } from "./stream.js";
import { COMMANDS, MOMENTS, STATES, VERDICTS, numberOf } from "./tables.js";
import type { JobState, RecordOf } from "./tables.js";
import { brokerOf, queueOf, statOf, workerOf } from "./views.js";
import type { Broker, Queue, Stat, WorkerInfo } from "./views.js";

const ACCEPTED_KEPT = 1024; /* Jobs whose acceptance is remembered. */
const MANY_MAX = 1000;
const PAGE = 500;
const EVENTS_KEPT = 10000; /* That wait for whoever iterates. */
/* After these a submission that waits may have been accepted all the same. */
const PERHAPS: readonly ErrorCode[] = ["too_many", "no_memory"];
const PERHAPS_MS = 250;
const NO_OPTIONS = Object.freeze({});

/* What a call throws is the rejection of its promise. Not an async function: while it
 * waits that would hold all that it has named, for each of thousands of calls. */
function promised<T>(act: () => Promise<T>): Promise<T> {
  try {
    return act();
  } catch (err) {
    return Promise.reject(err);
  }
}

/* The ids of a submission that are of the client's making. */
function unnamed(
  options: SubmitOptions,
  id: Uint8Array | undefined,
): readonly Uint8Array[] | undefined {
  return options.id === undefined && id !== undefined ? [id] : undefined;
}

/**
 * A client of a Ganger broker. Every call ends: done, refused, or unknown (the error's
 * `fate`). It reconnects and sends again what was not answered, by itself.
 *
 * Calls of one turn of the event loop leave in one message: begin many, then await.
 */
export class Client {
  readonly #caller: Caller;
  readonly #timeoutMs: number;
  readonly #waitMs: number;
  readonly #jobs = new Recent<string, Acceptance>(ACCEPTED_KEPT);
  #lastAcceptance: Acceptance = { epoch: 0n, durability: undefined };

  /** Throws `usage` or `config` for an endpoint or key that cannot be. */
  constructor(options: ClientOptions = {}) {
    this.#timeoutMs = options.timeoutMs ?? 30000;
    this.#waitMs = options.waitMs ?? 600000;
    this.#caller = new Caller(options);
  }

  /** Requests in flight. */
  get inFlight(): number {
    return this.#caller.inFlight;
  }

  /**
   * Wait until a broker has answered; no call needs it. Rejects early where time will
   * not mend it: `key_refused`, `no_host`, `not_ganger`.
   */
  connect(options: CallOptions = {}): Promise<void> {
    return this.#caller.connect(options, this.#until(options, this.#timeoutMs));
  }

  /**
   * Submit a job, or meet the one already submitted under the same key. Resolves when
   * the broker has accepted it, not when it has run. Where the answer is unknown the
   * error has the job's `id`: submit again with it. An id that you leave to the client
   * is made by the broker's clock when it is sent first: where nothing was sent the
   * error has none, and no job can come of it.
   */
  submit(
    queue: string,
    payload?: Payload,
    options: SubmitOptions & CallOptions = NO_OPTIONS,
  ): Promise<Job> {
    return promised(() => {
      const id = this.#idFor(options);
      const record = submitRecord(queue, payload, options, id);
      const until = this.#until(options, this.#timeoutMs);
      const manner = { options, until, id, unnamed: unnamed(options, id) };
      return this.#caller.callFor("submit", record, manner, this.#accepted);
    });
  }

  /**
   * Submit up to 1,000 jobs, accepted whole or refused whole. Their payloads travel as
   * one piece and must fit the broker's largest frame together: `too_large` otherwise.
   */
  async submitMany(
    submissions: readonly Submission[],
    options: CallOptions = {},
  ): Promise<Job[]> {
    if (submissions.length === 0) {
      return [];
    }
    if (submissions.length > MANY_MAX) {
      throw usage(`${submissions.length} submissions at once; at most ${MANY_MAX}`);
    }
    const own: Uint8Array[] = [];
    const jobs = submissions.map((one) => {
      const id = this.#idFor(one);
      own.push(...(unnamed(one, id) ?? []));
      return submitRecord(one.queue, one.payload, one, id);
    });
    const until = this.#until(options, this.#timeoutMs);
    const manner = { options, until, unnamed: own };
    const answer = await this.#caller.call("submit_many", { jobs }, manner);
    return (answer.jobs ?? []).map((job) => this.#accepted(job));
  }

  /**
   * Submit a job and wait for its end. Resolves with the job and its result when it has
   * succeeded; rejects with a `JobError` when it ended otherwise. Where that is unknown
   * (`timed_out` and so on) the job may go on: wait for the error's `id`.
   */
  run(
    queue: string,
    payload?: Payload,
    options: RunOptions = NO_OPTIONS,
  ): Promise<Job> {
    return promised(() => {
      const until = this.#until(options, this.#waitMs);
      const id = this.#idFor(options);
      const record = submitRecord(queue, payload, options, id);
      if (options.onProgress !== undefined) {
        return this.#runWatched(record, options, until);
      }
      const whole: RecordOf<"submit"> = { ...record, wait: true };
      if (options.endOnly === true) {
        whole.end_only = true;
      }
      const mend = (why: GangerError): Promise<Job> | undefined =>
        PERHAPS.includes(why.code)
          ? this.#runLater(record, options, until, why)
          : undefined;
      const manner = { options, until, id, unnamed: unnamed(options, id) };
      return this.#caller.callFor("submit", whole, manner, this.#run, mend);
    });
  }

  /** A job as it stands, with its result on request. */
  async get(
    target: Target,
    options: CallOptions & { result?: boolean; why?: boolean } = {},
  ): Promise<Job> {
    const record = this.#target(target);
    if (options.result === true) {
      record.want_result = true;
    }
    if (options.why === true) {
      record.want_why = true;
    }
    const answer = await this.#ask("get", record, options);
    return this.#job(answer);
  }

  /** A job as it stands: get() by another name. */
  status(target: Target, options: CallOptions = {}): Promise<Job> {
    return this.get(target, options);
  }

  /** Wait for the end of a job, whatever it is: look at its `state`. */
  wait(target: Target, options: WaitOptions = NO_OPTIONS): Promise<Job> {
    return promised(() => {
      const until = this.#until(options, this.#waitMs);
      return this.#wait(this.#target(target), options, until);
    });
  }

  /** Wait for the ends of many jobs. Rejects if the end of one cannot be told. */
  async waitMany(
    targets: readonly Target[],
    options: CallOptions = {},
  ): Promise<Job[]> {
    return Promise.all(targets.map((one) => this.wait(one, options)));
  }

  /**
   * The ends of many jobs, each as it comes; after the time to wait those that are left
   * come with the error `timed_out`. Leaving the loop early stops the waiting only.
   */
  asCompleted<T extends Target>(
    targets: readonly T[],
    options: CallOptions = {},
  ): AsyncIterableIterator<Completion<T>, undefined> {
    const gone = new AbortController();
    const { signal } = options;
    const onAbort = (): void => {
      gone.abort(signal?.reason);
    };
    if (signal?.aborted) {
      onAbort();
    }
    signal?.addEventListener("abort", onAbort);
    const stream = new Stream<Completion<T>>(() => {
      gone.abort();
    }, targets.length);
    let left = targets.length;
    const finish = (): void => {
      if (--left <= 0) {
        signal?.removeEventListener("abort", onAbort);
        stream.end();
      }
    };
    targets.forEach((target, index) => {
      this.wait(target, { ...options, signal: gone.signal }).then(
        (job) => {
          stream.push({ index, target, job, error: undefined });
          finish();
        },
        (error: unknown) => {
          if (error instanceof GangerError) {
            stream.push({ index, target, job: undefined, error });
            finish();
          } else {
            stream.fail(error);
          }
        },
      );
    });
    if (left === 0) {
      finish();
    }
    return stream;
  }

  /**
   * The result of a job, at its end. Rejects with a `JobError` when the job ended
   * otherwise than well, and with `result_gone` when its result is no longer kept.
   */
  async result(target: Target, options: CallOptions = {}): Promise<Buffer> {
    return succeeded(await this.wait(target, options)).bytes();
  }

  /** Progress and partial output of a job as they come; the last item is its end. */
  watch(
    target: Target,
    options: WaitOptions = {},
  ): AsyncIterableIterator<Progress | { kind: "ended"; job: Job }, undefined> {
    type News = Progress | { kind: "ended"; job: Job };
    const gone = new AbortController();
    const onAbort = (): void => {
      gone.abort(options.signal?.reason);
    };
    if (options.signal?.aborted) {
      onAbort();
    }
    options.signal?.addEventListener("abort", onAbort);
    const stream = new Stream<News>(() => {
      gone.abort();
    }, Infinity);
    const onProgress = (news: Progress): void => {
      stream.push(news);
    };
    this.wait(target, { ...options, onProgress, signal: gone.signal })
      .then(
        (job) => {
          stream.push({ kind: "ended", job });
          stream.end();
        },
        (why: unknown) => {
          stream.fail(why);
        },
      )
      .finally(() => {
        options.signal?.removeEventListener("abort", onAbort);
      });
    return stream;
  }

  /** Cancel a job: for all who share its key. */
  async cancel(target: Target, options: CancelOptions = {}): Promise<Cancelled> {
    const record = this.#target(target, options);
    const answer = await this.#ask("cancel", record, options);
    return {
      verdict: VERDICTS[(answer.verdict ?? 0) - 1] ?? "too_late",
      state: STATES[(answer.state ?? 0) - 1],
      id: idText(answer.id ?? new Uint8Array(16)),
      waiters: answer.waiters ?? 0,
    };
  }

  /** Put a job that failed, expired or was cancelled back in line. */
  async retry(target: Target, options: CancelOptions = {}): Promise<Job> {
    const record = this.#target(target, options);
    const answer = await this.#ask("retry", record, options);
    return this.#accepted(answer);
  }

  /** The jobs that fit, in no certain order; never with results. */
  async *list(
    filter: JobFilter = {},
    options: CallOptions = {},
  ): AsyncGenerator<Job, undefined, undefined> {
    const until = this.#until(options, this.#timeoutMs);
    const states = filter.states?.reduce((bits, one) => bits + bit(STATES, one), 0);
    let after: number | undefined;
    do {
      const record = {
        realm: filter.realm,
        queue: filter.queue,
        states,
        tag: filter.tag,
        older_ms: filter.olderMs,
        younger_ms: filter.youngerMs,
        error_has: filter.errorHas,
        key: keyBytes(filter.key),
        after,
        limit: PAGE,
      } as RecordOf<"list_jobs">;
      const page = await this.#caller.call("list_jobs", record, { options, until });
      for (const job of page.jobs ?? []) {
        yield new Job(job, this.#caller.epoch);
      }
      after = page.next || undefined;
    } while (after !== undefined);
  }

  /** What happened to a job, oldest first; with the ends of its output on request. */
  async history(
    target: Target,
    options: CallOptions & { output?: boolean } = {},
  ): Promise<Moment[]> {
    const record = this.#target(target);
    if (options.output === true) {
      record.want_output = true;
    }
    const answer = await this.#ask("history", record, options);
    return (answer.moments ?? []).map(momentOf);
  }

  /** Why a job is not running, the most telling reason first. */
  async why(target: Target, options: CallOptions = {}): Promise<Reason[]> {
    const record = this.#target(target);
    const answer = await this.#ask("why", record, options);
    return (answer.reasons ?? []).map(reasonOf);
  }

  /**
   * What happens, as it happens, until the loop is left or the signal aborts. A moment
   * of kind `gap` stands where some are missing: after a reconnect (count 0: nobody
   * knows how many), or because the loop was too slow.
   */
  events(filter: EventFilter = {}): AsyncIterableIterator<Moment, undefined> {
    const kinds = filter.kinds?.reduce((bits, one) => bits + bit(MOMENTS, one), 0);
    const record = {
      realm: filter.realm,
      queue: filter.queue,
      id: filter.id === undefined ? undefined : idBytes(filter.id),
      kinds,
    } as RecordOf<"events">;
    const gapOf = (count: number): Moment =>
      momentOf({ kind: numberOf(MOMENTS, "gap"), at: Date.now(), count });
    const { signal } = filter;
    let number = 0;
    const stop = (): void => {
      signal?.removeEventListener("abort", onAbort);
      this.#caller.forget(number);
    };
    const stream = new Stream<Moment>(stop, EVENTS_KEPT, gapOf);
    const onAbort = (): void => {
      stop();
      stream.fail(signal?.reason);
    };
    if (signal?.aborted) {
      stream.fail(signal.reason);
      return stream;
    }
    signal?.addEventListener("abort", onAbort);
    number = this.#caller.ask("subscribe", record, Infinity, (answer) => {
      if (answer.kind === "gap") {
        stream.push(gapOf(0));
      } else if (answer.kind === "error") {
        signal?.removeEventListener("abort", onAbort);
        stream.fail(errorOf(answer));
      } else {
        const { moments } = answer.record as RecordOf<"event">;
        moments?.forEach((moment) => {
          stream.push(momentOf(moment));
        });
      }
    });
    return stream;
  }

  /** The queues that fit a pattern. */
  async queues(
    pattern = "*",
    options: CallOptions & { realm?: string } = {},
  ): Promise<Queue[]> {
    const pages = await this.#pages("list_queues", pattern, options);
    return pages.flatMap((page) =>
      ((page as RecordOf<"queues">).queues ?? []).map(queueOf),
    );
  }

  /** The agents whose names fit a pattern; with what they run on request. */
  async workers(
    pattern = "*",
    options: CallOptions & { runs?: boolean } = {},
  ): Promise<WorkerInfo[]> {
    const pages = await this.#pages("list_workers", pattern, options);
    return pages.flatMap((page) =>
      ((page as RecordOf<"workers">).workers ?? []).map(workerOf),
    );
  }

  /** Counters and gauges. */
  async stats(options: CallOptions = {}): Promise<Stat[]> {
    const answer = await this.#ask("get_stats", {}, options);
    return (answer.stats ?? []).map(statOf);
  }

  /** The broker and its limits. */
  async broker(options: CallOptions = {}): Promise<Broker> {
    const answer = await this.#ask("get_broker", {}, options);
    return brokerOf(answer);
  }

  /** Pause queues. Resolves once no attempt of them can start any more. A queue that is
   * named in full and not known is made, paused. */
  pause(
    pattern: string,
    options: ScopeOptions & { cancelRunning?: boolean } = {},
  ): Promise<Touched> {
    return this.#scope(
      "pause",
      pattern,
      {
        ...scopeRecord(options),
        ...(options.cancelRunning === true ? { cancel_running: true } : {}),
      },
      options,
    );
  }

  resume(pattern: string, options: ScopeOptions = {}): Promise<Touched> {
    return this.#scope("resume", pattern, scopeRecord(options), options);
  }

  /** Throw jobs away: those that wait, or those in `states`. */
  purge(
    pattern: string,
    options: ScopeOptions & { states?: readonly JobState[] } = {},
  ): Promise<Touched> {
    const states = options.states?.reduce((bits, one) => bits + bit(STATES, one), 0);
    const record = { ...scopeRecord(options), ...(states ? { states } : {}) };
    return this.#scope("purge", pattern, record, options);
  }

  /**
   * Copy all that the broker keeps, as of one moment, into a new file on its host, by
   * its absolute path. Resolves once the copy is on disk. Rejects with `not_durable`
   * (there is no store), `bad_field` (a path that cannot be), `busy` (another backup is
   * being made), `store` and `store_full` (its disk).
   */
  async backup(
    path: string,
    options: CallOptions & { reason?: string } = {},
  ): Promise<void> {
    const { reason } = options;
    const record = reason === undefined ? { path } : { path, reason };
    await this.#ask("backup", record, options);
  }

  /**
   * Say goodbye and let everything go. Calls in flight reject with `no_broker`; their
   * jobs go on. A second call does nothing.
   */
  close(): Promise<void> {
    this.#caller.close();
    return Promise.resolve();
  }

  /* ---- inside ---- */

  #idFor(options: SubmitOptions): Uint8Array {
    return options.id === undefined ? this.#caller.newId() : idBytes(options.id);
  }

  #until(options: CallOptions, fallbackMs: number): number {
    const { timeoutMs = fallbackMs } = options;
    if (typeof timeoutMs !== "number" || !(timeoutMs >= 0)) {
      throw usage(`timeoutMs is ${String(timeoutMs)}; it should be milliseconds`);
    }
    return performance.now() + timeoutMs;
  }

  #target(
    target: Target,
    options: { reason?: string; dryRun?: boolean } = {},
  ): RecordOf<"target"> {
    const record = targetRecord(target, (id) => this.#jobs.get(id));
    if (options.reason !== undefined) {
      record.reason = options.reason;
    }
    if (options.dryRun === true) {
      record.dry_run = true;
    }
    return record;
  }

  readonly #job = (record: RecordOf<"job">): Job => new Job(record, this.#caller.epoch);

  /* The job of a submission. */
  readonly #accepted = (record: RecordOf<"job">): Job => {
    const job = new Job(record, this.#caller.epoch);
    const { epoch, durability } = job;
    const last = this.#lastAcceptance;
    if (epoch !== last.epoch || durability !== last.durability) {
      this.#lastAcceptance = { epoch, durability }; /* One object for most jobs. */
    }
    this.#jobs.set(job.id, this.#lastAcceptance);
    return job;
  };

  /* The job of a submission, at its end. */
  readonly #run = (record: RecordOf<"job">): Job => succeeded(this.#accepted(record));

  /* A call that does not wait for a job's end. */
  #ask<C extends keyof AnswerRecords>(
    name: C,
    record: RecordOf<(typeof COMMANDS)[C][1]>,
    options: CallOptions,
  ): Promise<AnswerRecords[C]> {
    const until = this.#until(options, this.#timeoutMs);
    return this.#caller.call(name, record, { options, until });
  }

  #wait(
    target: RecordOf<"target">,
    options: WaitOptions,
    until: number,
  ): Promise<Job> {
    const { onProgress } = options;
    const record: RecordOf<"target"> = { ...target, want_result: true };
    if (onProgress !== undefined) {
      record.want_progress = true;
      if (options.partial === true) {
        record.want_partial = true;
        record.offset = options.offset ?? 0;
      }
    }
    const onNews =
      onProgress &&
      ((answer: Answer): void => {
        const news = answer.kind === "answer" ? progressOf(answer) : undefined;
        if (news !== undefined) {
          onProgress(news);
        }
      });
    const manner = { options, until, id: target.id, onNews };
    return this.#caller.callFor("wait", record, manner, this.#job);
  }

  /* A run whose progress is wanted: only a wait can ask for that. */
  async #runWatched(
    record: RecordOf<"submit">,
    options: RunOptions,
    until: number,
  ): Promise<Job> {
    const { id } = record;
    const manner = { options, until, id, unnamed: unnamed(options, id) };
    const answer = await this.#caller.call("submit", record, manner);
    const job = this.#accepted(answer);
    if (job.ended && job.result !== undefined) {
      return succeeded(job);
    }
    return succeeded(await this.#wait(this.#target(job), options, until));
  }

  /* The waiting was refused; the job perhaps not. Say it again without, then wait. */
  async #runLater(
    record: RecordOf<"submit">,
    options: RunOptions,
    until: number,
    refusal: GangerError,
  ): Promise<Job> {
    const { id } = record;
    const sent = refusal.id !== undefined; /* Then the id is known, and stays. */
    const own = sent ? undefined : unnamed(options, id);
    const manner = { options, until, id, unnamed: own };
    const answer = await this.#caller.call("submit", record, manner);
    const job = this.#accepted(answer);
    const target = this.#target(job);
    for (;;) {
      const pause = refusal.retryMs || PERHAPS_MS;
      if (performance.now() + pause >= until) {
        throw new GangerError("timed_out", { text: refusal.text, id: job.id });
      }
      await new Promise((resolve) => setTimeout(resolve, pause));
      try {
        return succeeded(await this.#wait(target, options, until));
      } catch (err) {
        if (!(err instanceof GangerError && PERHAPS.includes(err.code))) {
          throw err;
        }
      }
    }
  }

  async #pages(
    name: "list_queues" | "list_workers",
    pattern: string,
    options: CallOptions & { realm?: string; runs?: boolean },
  ): Promise<unknown[]> {
    const until = this.#until(options, this.#timeoutMs);
    const pages: unknown[] = [];
    let after: string | undefined;
    do {
      const record = {
        realm: options.realm,
        queue: pattern,
        want_runs: options.runs === true ? true : undefined,
        after,
        limit: PAGE,
      } as RecordOf<"scope">;
      const page = await this.#caller.call(name, record, { options, until });
      pages.push(page);
      after = page.next || undefined;
    } while (after !== undefined);
    return pages;
  }

  async #scope(
    name: "pause" | "resume" | "purge",
    pattern: string,
    record: RecordOf<"scope">,
    options: CallOptions,
  ): Promise<Touched> {
    const whole = { ...record, queue: pattern };
    const answer = await this.#ask(name, whole, options);
    return { count: answer.count ?? 0, unsettled: answer.unsettled ?? 0 };
  }
}

/** What Client and the test mode have in common: declare this where either will do. */
export type ClientLike = Pick<Client, keyof Client>;
