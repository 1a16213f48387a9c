/* calls.ts - what calls of a client take and give, and the small print between records
 * and those. */
import { GangerError, usage } from "./errors.js";
import { Job, JobError, idText } from "./job.js";
import type { SubmitOptions, Target } from "./job.js";
import type { KeyOptions } from "./keys.js";
import type { Answer } from "./requests.js";
import { STATES, numberOf } from "./tables.js";
import type { JobState, MOMENTS, RecordOf, Verdict } from "./tables.js";

/** How a call is waited for. */
export interface CallOptions {
  /**
   * The call ends after this many ms at the latest: with `timed_out`, or while no
   * broker is in reach with the reason for that. Infinity: never. Without it the
   * client's.
   */
  timeoutMs?: number;
  /** Ends the call with the signal's reason. A job that was submitted goes on. */
  signal?: AbortSignal;
}

export interface ClientOptions extends KeyOptions {
  /** Where the broker is; without it $GANGER_BROKER, else tcp://127.0.0.1:7440. */
  endpoint?: string;
  /** What operators see. */
  name?: string;
  /** Of calls that do not wait for a job's end; 30,000 ms without it. */
  timeoutMs?: number;
  /** Of calls that wait for a job's end; 600,000 ms without it. */
  waitMs?: number;
  /**
   * A client with nothing in flight lets its connection go after this time, so that a
   * script can end, and comes back by itself; 1,000 ms without it.
   */
  idleMs?: number;
}

/** A piece of news of a running job. */
export type Progress =
  | {
      kind: "progress";
      /** 0 to 1; the first news of an attempt, that it has started, says 0. */
      progress: number;
      text: string;
      attempt: number;
      state: JobState | undefined;
    }
  | {
      kind: "partial";
      data: Buffer;
      /** Place of its first byte in the attempt's output. */
      offset: number;
      /** Bytes before it that are no longer kept. */
      gap: number;
    };

export interface WaitOptions extends CallOptions {
  /** Called with progress and partial output as they come. */
  onProgress?: (news: Progress) => void;
  /** Send partial output too, from byte `offset` on. */
  partial?: boolean;
  offset?: number;
}

export interface RunOptions extends SubmitOptions, WaitOptions {
  /**
   * For many short jobs: the broker answers once, at the end, and of a success says id,
   * queue, key, state, attempt and result alone. A broker without a store that dies
   * before the acceptance was known to have arrived may leave it run a second time.
   */
  endOnly?: boolean;
}
export interface CancelOptions extends CallOptions {
  /** For the audit log. */
  reason?: string;
  /** Say what would happen, do nothing. */
  dryRun?: boolean;
}

export interface Cancelled {
  verdict: Verdict;
  /** The job's state now. */
  state: JobState | undefined;
  id: string;
  /** Who wait for it. */
  waiters: number;
}

/** Which jobs; what is left out is no condition. */
export interface JobFilter {
  realm?: string;
  /** Pattern with * and ?. */
  queue?: string;
  states?: readonly JobState[];
  tag?: string;
  key?: string | Uint8Array;
  /** Accepted at least this long ago. */
  olderMs?: number;
  /** Accepted at most this long ago. */
  youngerMs?: number;
  errorHas?: string;
}

/** What a wait for many says of one of them. */
export interface Completion<T extends Target = Target> {
  /** Its place among the targets. */
  index: number;
  target: T;
  /** The job in its end, whatever that is; undefined where there is an error. */
  job: Job | undefined;
  /** Why the end of the job cannot be told. */
  error: GangerError | undefined;
}

export interface EventFilter {
  realm?: string;
  /** Pattern with * and ?. */
  queue?: string;
  /** Only of this job. */
  id?: string;
  kinds?: readonly (typeof MOMENTS)[number][];
  signal?: AbortSignal;
}

export interface ScopeOptions extends CallOptions {
  realm?: string;
  reason?: string;
  dryRun?: boolean;
}

export interface Touched {
  /** How many queues, or jobs, were touched. */
  count: number;
  /** Assignments at silent agents that may yet start until their start-by time. */
  unsettled: number;
}

export function bit(names: readonly string[], name: string): number {
  const number = numberOf(names, name);
  if (number === 0) {
    throw usage(`"${name}" is none of: ${names.join(", ")}`);
  }
  return 2 ** number;
}

export function scopeRecord(options: ScopeOptions): RecordOf<"scope"> {
  return {
    realm: options.realm,
    reason: options.reason,
    dry_run: options.dryRun === true ? true : undefined,
  } as RecordOf<"scope">;
}

export function succeeded(job: Job): Job {
  if (!job.ok) {
    throw new JobError(job);
  }
  return job;
}

export function errorOf(
  answer: Answer & { kind: "error" },
  id?: Uint8Array,
): GangerError {
  const known = answer.accepted?.id ?? id;
  return new GangerError(answer.code, {
    text: answer.text,
    retryMs: answer.retryMs,
    object: answer.object,
    fate: answer.said ? "refused" : "unknown",
    id: known === undefined ? undefined : idText(known),
  });
}

export function progressOf(answer: Answer & { kind: "answer" }): Progress | undefined {
  if (answer.name === "progress") {
    const record = answer.record as RecordOf<"progress">;
    return {
      kind: "progress",
      progress: (record.progress_ppm ?? 0) / 1e6,
      text: record.progress_text ?? "",
      attempt: record.attempt ?? 0,
      state: STATES[(record.state ?? 0) - 1],
    };
  }
  if (answer.name === "partial") {
    const record = answer.record as RecordOf<"partial">;
    return {
      kind: "partial",
      data: (record.data ?? Buffer.alloc(0)) as Buffer,
      offset: record.offset ?? 0,
      gap: record.gap ?? 0,
    };
  }
  return undefined;
}
