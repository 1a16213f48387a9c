/* testing.ts - a client without a broker, for the tests of those who use the package.
 *
 * It takes the same calls as Client. Jobs are run by the handlers that it was given: at
 * once (`inline`), or when the test says so (`manual`). Keys, ids, cancel, retry,
 * delays and the errors of jobs are as with a broker; limits, roles and leases are not.
 */
import { AssertionError } from "node:assert";
import { randomFillSync } from "node:crypto";

import type { ClientLike } from "./client.js";
import type { Cancelled, CancelOptions, Completion, RunOptions } from "./calls.js";
import type { CallOptions, EventFilter, JobFilter, Progress } from "./calls.js";
import type { Touched, WaitOptions } from "./calls.js";
import { succeeded } from "./calls.js";
import { GangerError, errorNumber, usage } from "./errors.js";
import type { ErrorCode } from "./errors.js";
import { JobContext, fits, runHandler } from "./handler.js";
import type { Handlers, Mouth, Verdict } from "./handler.js";
import { Job, idBytes, idText, momentOf, submitRecord } from "./job.js";
import type { Moment, Payload, Reason, Submission, SubmitOptions } from "./job.js";
import type { Target } from "./job.js";
import { Stream } from "./stream.js";
import { MOMENTS, STATES, numberOf } from "./tables.js";
import type { JobState, RecordOf } from "./tables.js";
import type { Broker, Queue, Stat, WorkerInfo } from "./views.js";

export type { ClientLike } from "./client.js";

export interface TestClientOptions {
  /** By their queues, or patterns with * and ?. */
  handlers?: Handlers;
  /** `inline`: jobs run when they are submitted; `manual`: when run() says so. */
  mode?: "inline" | "manual";
  /** Where its clock begins, ms since 1970 UTC; only advance() moves it. */
  now?: number;
}

/** What was submitted: what the call said, and the job that it made or met. */
export interface Submitted {
  queue: string;
  payload: Buffer;
  options: SubmitOptions;
  id: string;
}

interface Entry {
  record: RecordOf<"job">;
  payload: Buffer;
  moments: Moment[];
  partial: Buffer[];
  checkpoint: Buffer | undefined;
  abort: AbortController | undefined;
  watchers: Set<(news: Progress | "ended") => void>;
}

const EPOCH = 1n;
const ENDED = ["succeeded", "failed", "cancelled", "expired"] as const;

export class TestClient implements ClientLike {
  /** All submissions so far, in order. */
  readonly submissions: Submitted[] = [];
  readonly #handlers: Handlers;
  readonly #mode: "inline" | "manual";
  readonly #jobs = new Map<string, Entry>();
  readonly #paused = new Set<string>();
  readonly #watchers = new Set<Stream<Moment>>();
  #now: number;
  #fence = 0n;
  #seq = 0n;

  constructor(options: TestClientOptions = {}) {
    this.#handlers = options.handlers ?? {};
    this.#mode = options.mode ?? "inline";
    this.#now = options.now ?? Date.UTC(2026, 0, 1);
  }

  /* ---- what a test does ---- */

  /** Run the jobs that are ready, and those that they submit; says which. */
  async runAll(queue = "*"): Promise<Job[]> {
    const ran: Job[] = [];
    for (;;) {
      const job = await this.runNext(queue);
      if (job === undefined) {
        return ran;
      }
      ran.push(job);
    }
  }

  /** Run the job that is first in line; undefined: none is ready. */
  async runNext(queue = "*"): Promise<Job | undefined> {
    const ready = [...this.#jobs.values()].filter(
      (one) =>
        one.record.state === numberOf(STATES, "ready") &&
        fits(queue, one.record.queue ?? "") &&
        !this.#paused.has(one.record.queue ?? ""),
    );
    ready.sort((a, b) => (a.record.priority ?? 128) - (b.record.priority ?? 128));
    const [first] = ready;
    return first === undefined ? undefined : this.#run(first);
  }

  /** Let `ms` go by: what waits for its time becomes ready, or expires. */
  async advance(ms: number): Promise<void> {
    this.#now += ms;
    for (const entry of this.#jobs.values()) {
      const { record } = entry;
      if (record.state === numberOf(STATES, "scheduled")) {
        if ((record.run_at ?? 0) <= this.#now) {
          this.#move(entry, "ready", "ready");
        }
      }
      const waits = ["ready", "scheduled"].includes(stateOf(entry));
      if (waits && record.expires_at && record.expires_at <= this.#now) {
        this.#end(entry, "expired", "expired", "");
      }
    }
    if (this.#mode === "inline") {
      await this.runAll();
    }
  }

  /** What was submitted to queues that fit. */
  submitted(queue = "*"): Submitted[] {
    return this.submissions.filter((one) => fits(queue, one.queue));
  }

  /** Throws unless a submission to the queue fits; gives the first that does. */
  assertSubmitted(
    queue: string,
    wanted: { payload?: Payload; key?: string } = {},
  ): Submitted {
    const payload = bytesOf(queue, wanted.payload);
    const found = this.submitted(queue).find(
      (one) =>
        (wanted.payload === undefined || one.payload.equals(payload)) &&
        (wanted.key === undefined || String(one.options.key) === wanted.key),
    );
    if (found === undefined) {
      const all = this.submissions
        .map((one) => `  ${one.queue} ${one.payload.toString("utf8").slice(0, 200)}`)
        .join("\n");
      throw new AssertionError({
        message: `no such submission to ${queue}; there were:\n${all || "  none"}`,
        expected: wanted,
        operator: "assertSubmitted",
      });
    }
    return found;
  }

  /** Throws if anything was submitted to queues that fit. */
  assertNothingSubmitted(queue = "*"): void {
    const count = this.submitted(queue).length;
    if (count > 0) {
      throw new AssertionError({
        message: `${count} submissions to ${queue}; none was wanted`,
        operator: "assertNothingSubmitted",
      });
    }
  }

  /* ---- the calls of a client ---- */

  get inFlight(): number {
    return 0;
  }

  connect(): Promise<void> {
    return Promise.resolve();
  }

  close(): Promise<void> {
    return Promise.resolve();
  }

  async submit(
    queue: string,
    payload?: Payload,
    options: SubmitOptions & CallOptions = {},
  ): Promise<Job> {
    options.signal?.throwIfAborted();
    const { entry, existing } = this.#accept(queue, payload, options);
    if (this.#mode === "inline" && stateOf(entry) === "ready") {
      await this.#run(entry);
    }
    return new Job({ ...entry.record, existing }, EPOCH);
  }

  async submitMany(submissions: readonly Submission[]): Promise<Job[]> {
    const jobs: Job[] = [];
    for (const one of submissions) {
      jobs.push(await this.submit(one.queue, one.payload, one));
    }
    return jobs;
  }

  async run(queue: string, payload?: Payload, options: RunOptions = {}): Promise<Job> {
    const job = await this.submit(queue, payload, options);
    return succeeded(await this.wait(job, options));
  }

  get(target: Target): Promise<Job> {
    return this.#try(() => new Job(this.#find(target).record, EPOCH));
  }

  status(target: Target): Promise<Job> {
    return this.get(target);
  }

  async wait(target: Target, options: WaitOptions = {}): Promise<Job> {
    const entry = this.#find(target);
    const { onProgress, signal } = options;
    signal?.throwIfAborted();
    if (!ended(entry)) {
      await new Promise<void>((resolve, reject) => {
        const onAbort = (): void => {
          entry.watchers.delete(watcher);
          reject(signal?.reason as Error);
        };
        const watcher = (news: Progress | "ended"): void => {
          if (news !== "ended") {
            onProgress?.(news);
            return;
          }
          signal?.removeEventListener("abort", onAbort);
          resolve();
        };
        entry.watchers.add(watcher);
        signal?.addEventListener("abort", onAbort);
      });
    }
    return new Job(entry.record, EPOCH);
  }

  waitMany(targets: readonly Target[], options: CallOptions = {}): Promise<Job[]> {
    return Promise.all(targets.map((one) => this.wait(one, options)));
  }

  asCompleted<T extends Target>(
    targets: readonly T[],
    options: CallOptions = {},
  ): AsyncIterableIterator<Completion<T>, undefined> {
    const stream = new Stream<Completion<T>>(() => undefined, Infinity);
    const waits = targets.map(async (target, index) => {
      try {
        const job = await this.wait(target, options);
        stream.push({ index, target, job, error: undefined });
      } catch (error) {
        if (!(error instanceof GangerError)) {
          throw error;
        }
        stream.push({ index, target, job: undefined, error });
      }
    });
    Promise.all(waits).then(
      () => {
        stream.end();
      },
      (why: unknown) => {
        stream.fail(why);
      },
    );
    return stream;
  }

  async result(target: Target, options: CallOptions = {}): Promise<Buffer> {
    return succeeded(await this.wait(target, options)).bytes();
  }

  watch(
    target: Target,
    options: WaitOptions = {},
  ): AsyncIterableIterator<Progress | { kind: "ended"; job: Job }, undefined> {
    type News = Progress | { kind: "ended"; job: Job };
    const stream = new Stream<News>(() => undefined, Infinity);
    const onProgress = (news: Progress): void => {
      stream.push(news);
    };
    this.wait(target, { ...options, onProgress }).then(
      (job) => {
        stream.push({ kind: "ended", job });
        stream.end();
      },
      (why: unknown) => {
        stream.fail(why);
      },
    );
    return stream;
  }

  cancel(target: Target, options: CancelOptions = {}): Promise<Cancelled> {
    return this.#try(() => {
      const entry = this.#find(target);
      const state = stateOf(entry);
      const verdict = ended(entry)
        ? "too_late"
        : state === "running"
          ? "cancelling"
          : "cancelled";
      if (options.dryRun !== true) {
        if (verdict === "cancelled") {
          this.#end(entry, "cancelled", "cancelled", "");
        } else if (verdict === "cancelling") {
          entry.record.cancelling = true;
          entry.abort?.abort(new Error("the attempt is to stop: cancelled"));
        }
      }
      const id = idText(entry.record.id ?? new Uint8Array(16));
      return { verdict, state: stateOf(entry), id, waiters: entry.watchers.size };
    });
  }

  async retry(target: Target): Promise<Job> {
    const entry = this.#find(target);
    if (!ended(entry) || stateOf(entry) === "succeeded") {
      throw new GangerError("bad_state");
    }
    const { record } = entry;
    const holder = record.key && this.#holder(record.queue ?? "", record.key, record);
    if (holder) {
      throw new GangerError("key_taken");
    }
    record.attempt = 0;
    record.error = 0;
    record.error_text = "";
    record.cancelling = false;
    this.#move(entry, "ready", "retried");
    if (this.#mode === "inline") {
      await this.#run(entry);
    }
    return new Job(record, EPOCH);
  }

  async *list(filter: JobFilter = {}): AsyncGenerator<Job, undefined, undefined> {
    await Promise.resolve();
    for (const entry of [...this.#jobs.values()]) {
      const job = new Job({ ...entry.record, result: undefined as never }, EPOCH);
      if (
        fits(filter.queue ?? "*", job.queue) &&
        (filter.states === undefined || filter.states.includes(job.state)) &&
        (filter.tag === undefined || job.tags.includes(filter.tag)) &&
        (filter.key === undefined || job.keyBytes.equals(Buffer.from(filter.key))) &&
        (filter.errorHas === undefined || job.errorText.includes(filter.errorHas))
      ) {
        yield job;
      }
    }
  }

  history(target: Target): Promise<Moment[]> {
    return this.#try(() => [...this.#find(target).moments]);
  }

  why(target: Target): Promise<Reason[]> {
    return this.#try(() => {
      const entry = this.#find(target);
      const code = this.#paused.has(entry.record.queue ?? "")
        ? "paused"
        : stateOf(entry) === "scheduled"
          ? "scheduled"
          : ended(entry)
            ? "ended"
            : "no_worker";
      return [{ code, text: "in a test", since: undefined, object: "" }];
    });
  }

  events(filter: EventFilter = {}): AsyncIterableIterator<Moment, undefined> {
    const stream = new Stream<Moment>(() => {
      this.#watchers.delete(stream);
    }, Infinity);
    this.#watchers.add(stream);
    filter.signal?.addEventListener("abort", () => {
      this.#watchers.delete(stream);
      stream.fail(filter.signal?.reason);
    });
    return stream;
  }

  pause(pattern: string): Promise<Touched> {
    const queues = new Set(this.submitted(pattern).map((one) => one.queue));
    if (!/[*?]/.test(pattern)) {
      queues.add(pattern);
    }
    queues.forEach((queue) => this.#paused.add(queue));
    return Promise.resolve({ count: queues.size, unsettled: 0 });
  }

  async resume(pattern: string): Promise<Touched> {
    const queues = [...this.#paused].filter((queue) => fits(pattern, queue));
    queues.forEach((queue) => this.#paused.delete(queue));
    if (this.#mode === "inline") {
      await this.runAll();
    }
    return { count: queues.length, unsettled: 0 };
  }

  backup(): Promise<void> {
    const text = "there is nothing on a disk to copy";
    return Promise.reject(new GangerError("not_durable", { text }));
  }

  purge(pattern: string): Promise<Touched> {
    let count = 0;
    for (const [id, entry] of this.#jobs) {
      if (fits(pattern, entry.record.queue ?? "") && stateOf(entry) === "ready") {
        this.#jobs.delete(id);
        count++;
      }
    }
    return Promise.resolve({ count, unsettled: 0 });
  }

  queues(): Promise<Queue[]> {
    return Promise.reject(notHere("queues"));
  }

  workers(): Promise<WorkerInfo[]> {
    return Promise.reject(notHere("workers"));
  }

  stats(): Promise<Stat[]> {
    return Promise.reject(notHere("stats"));
  }

  broker(): Promise<Broker> {
    return Promise.reject(notHere("broker"));
  }

  /* ---- inside ---- */

  /* A call that answers at once, or rejects. */
  #try<T>(answer: () => T): Promise<T> {
    return new Promise((resolve) => {
      resolve(answer());
    });
  }

  #accept(
    queue: string,
    payload: Payload | undefined,
    options: SubmitOptions,
  ): { entry: Entry; existing: boolean } {
    const id = options.id === undefined ? this.#newId() : idBytes(options.id);
    const submit = submitRecord(queue, payload, options, id);
    const bytes = Buffer.from(submit.payload ?? []);
    const text = idText(id);
    const known = this.#jobs.get(text);
    if (known !== undefined) {
      return { entry: known, existing: known.record.existing ?? false };
    }
    const holder = submit.key && this.#holder(queue, submit.key);
    const met = holder ? holder.record.id : undefined;
    if (holder && !holder.payload.equals(bytes)) {
      throw new GangerError("key_conflict");
    }
    const said = { queue, payload: bytes, options, id: idText(met ?? id) };
    this.submissions.push(said);
    if (holder) {
      return { entry: holder, existing: true };
    }
    const later = (submit.run_at ?? 0) || (submit.delay_ms ?? 0) + this.#now;
    const entry: Entry = {
      record: {
        id,
        queue,
        state: numberOf(STATES, later > this.#now ? "scheduled" : "ready"),
        durability: 1,
        attempts_max: submit.attempts ?? 1,
        submitted_at: this.#now,
        run_at: later,
        epoch: EPOCH,
        priority: submit.priority ?? 128,
        tags: submit.tags ?? [],
        key: submit.key ?? new Uint8Array(),
        expires_at: submit.expires_ms ? this.#now + submit.expires_ms : 0,
      },
      payload: bytes,
      moments: [],
      partial: [],
      checkpoint: undefined,
      abort: undefined,
      watchers: new Set(),
    };
    this.#jobs.set(text, entry);
    this.#tell(entry, "accepted");
    return { entry, existing: false };
  }

  #newId(): Uint8Array {
    const id = Buffer.alloc(16);
    id.writeUIntBE(this.#now, 0, 6);
    randomFillSync(id, 6, 10);
    return id;
  }

  #holder(
    queue: string,
    key: Uint8Array,
    besides?: RecordOf<"job">,
  ): Entry | undefined {
    for (const entry of this.#jobs.values()) {
      const { record } = entry;
      const holds = !ended(entry) || stateOf(entry) === "succeeded";
      const same = record.queue === queue && Buffer.from(key).equals(record.key ?? key);
      if (record !== besides && holds && same && record.key?.length) {
        return entry;
      }
    }
    return undefined;
  }

  #find(target: Target): Entry {
    const id = typeof target === "string" ? target : "id" in target ? target.id : "";
    const entry =
      typeof target !== "string" && !("id" in target)
        ? this.#holder(target.queue, Buffer.from(target.key as string))
        : this.#jobs.get(id.toUpperCase());
    if (entry === undefined) {
      throw new GangerError("not_found");
    }
    return entry;
  }

  async #run(entry: Entry): Promise<Job> {
    const { record } = entry;
    do {
      record.attempt = (record.attempt ?? 0) + 1;
      record.fence = ++this.#fence;
      record.started_at = this.#now;
      this.#move(entry, "running", "started");
      entry.abort = new AbortController();
      const job = this.#context(entry, entry.abort.signal);
      this.#settle(entry, await runHandler(this.#handlers, job));
    } while (this.#mode === "inline" && stateOf(entry) === "ready");
    return new Job(record, EPOCH);
  }

  #context(entry: Entry, signal: AbortSignal): JobContext {
    const { record } = entry;
    let offset = 0;
    const hear = (news: Progress): void => {
      entry.watchers.forEach((watcher) => {
        watcher(news);
      });
    };
    const attempt = record.attempt ?? 1;
    const mouth: Mouth = {
      progress: (progress, text) => {
        record.progress_ppm = Math.round(progress * 1e6);
        record.progress_text = text;
        hear({ kind: "progress", progress, text, attempt, state: "running" });
      },
      partial: (data) => {
        entry.partial.push(data);
        hear({ kind: "partial", data, offset, gap: 0 });
        offset += data.length;
      },
      checkpoint: (data) => {
        entry.checkpoint = data;
      },
    };
    const facts = {
      id: idText(record.id ?? new Uint8Array(16)),
      realm: "default",
      queue: record.queue ?? "",
      key: Buffer.from(record.key ?? []),
      attempt,
      attempts: record.attempts_max ?? 1,
      fence: record.fence ?? 0n,
      deadline: undefined,
      payload: entry.payload,
      checkpoint: entry.checkpoint,
    };
    return new JobContext(facts, mouth, signal);
  }

  #settle(entry: Entry, verdict: Verdict): void {
    const { record } = entry;
    if (record.cancelling === true) {
      this.#end(entry, "cancelled", "cancelled", "");
    } else if (verdict.kind === "succeeded") {
      record.result = verdict.result;
      this.#end(entry, "succeeded", "ok", "");
    } else if (verdict.kind === "rejected") {
      this.#end(entry, "failed", "rejected", verdict.text);
    } else if (verdict.kind === "snoozed") {
      record.attempt = (record.attempt ?? 1) - 1;
      record.run_at = this.#now + verdict.snoozeMs;
      this.#move(entry, "scheduled", "retry");
    } else if ((record.attempt ?? 1) < (record.attempts_max ?? 1)) {
      this.#move(entry, "ready", "retry");
    } else {
      this.#end(entry, "failed", "failed", verdict.text);
    }
  }

  #end(
    entry: Entry,
    state: (typeof ENDED)[number],
    error: ErrorCode,
    text: string,
  ): void {
    entry.record.finished_at = this.#now;
    entry.record.error = errorNumber(error);
    entry.record.error_text = text;
    this.#move(entry, state, "ended");
    entry.watchers.forEach((watcher) => {
      watcher("ended");
    });
    entry.watchers.clear();
  }

  #move(entry: Entry, state: JobState, moment: (typeof MOMENTS)[number]): void {
    entry.record.state = numberOf(STATES, state);
    this.#tell(entry, moment);
  }

  #tell(entry: Entry, kind: (typeof MOMENTS)[number]): void {
    const { id, queue, state, attempt, fence } = entry.record;
    const moment = momentOf({
      at: this.#now,
      kind: numberOf(MOMENTS, kind),
      state: state ?? 0,
      attempt: attempt ?? 0,
      fence: fence ?? 0n,
      id: id ?? new Uint8Array(16),
      queue: queue ?? "",
      seq: ++this.#seq,
    });
    entry.moments.push(moment);
    this.#watchers.forEach((stream) => {
      stream.push(moment);
    });
  }
}

function stateOf(entry: Entry): JobState {
  return STATES[(entry.record.state ?? 0) - 1] ?? "evicted";
}

function ended(entry: Entry): boolean {
  return (ENDED as readonly string[]).includes(stateOf(entry));
}

function bytesOf(queue: string, payload: Payload | undefined): Buffer {
  return Buffer.from(submitRecord(queue, payload, {}, new Uint8Array()).payload ?? []);
}

function notHere(what: string): GangerError {
  return usage(`${what}() needs a broker; there is none in a test`);
}
