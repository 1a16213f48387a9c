/* job.ts - a job as users see it, and what it is asked for with. */
import { GangerError, errorCode } from "./errors.js";
import type { ErrorCode } from "./errors.js";
import { MOMENTS, REASONS, STATES } from "./tables.js";
import type { JobState, MomentKind, ReasonCode, RecordOf } from "./tables.js";
import { uniqueKey } from "./unique.js";

/* ---- ids: 26 letters of Crockford's base 32, as the command line prints them ---- */

const LETTERS = "0123456789ABCDEFGHJKMNPQRSTVWXYZ";
const LETTER_CODES = Buffer.from(LETTERS);
const ID_TEXT = /^[0-7][0-9A-HJKMNP-TV-Z]{25}$/;
const idScratch = Buffer.alloc(26);

/** The text form of 16 bytes. */
export function idText(id: Uint8Array): string {
  let at = 0;
  let carry = 0;
  let bits = 2; /* Two zero bits in front make 130, a multiple of five. */
  for (const byte of id) {
    carry = (carry << 8) | byte;
    bits += 8;
    while (bits >= 5) {
      bits -= 5;
      idScratch[at++] = LETTER_CODES[(carry >> bits) & 31] as number;
    }
    carry &= (1 << bits) - 1;
  }
  return idScratch.toString("latin1", 0, at);
}

/** The 16 bytes of a text form; throws `usage` where it is none. */
export function idBytes(text: string): Uint8Array {
  const upper = text.toUpperCase();
  if (!ID_TEXT.test(upper)) {
    throw new GangerError("usage", { text: `"${text}" is not the id of a job` });
  }
  let value = 0n;
  for (const letter of upper) {
    value = (value << 5n) | BigInt(LETTERS.indexOf(letter));
  }
  const id = Buffer.alloc(16);
  id.writeBigUInt64BE(value >> 64n, 0);
  id.writeBigUInt64BE(value & 0xffffffffffffffffn, 8);
  return id;
}

/* ---- jobs ---- */

const DURABILITIES = ["none", "fsync"] as const;
/* What most jobs have, once for all of them. */
const NO_BYTES = Buffer.alloc(0);
const NONE: readonly never[] = Object.freeze([]);

/** Why a job is not running. */
export interface Reason {
  code: ReasonCode;
  /** A sentence for people. */
  text: string;
  /** Since when, ms since 1970 UTC; undefined where it is not known. */
  since: number | undefined;
  /** What it waits for: a queue, an agent, a time. */
  object: string;
}

/** A job as the broker saw it when it answered. Times are ms since 1970 UTC. */
export class Job {
  /** 26 letters and digits, as the command line prints them. */
  readonly id: string;
  readonly realm: string;
  readonly queue: string;
  /** The idempotency key as UTF-8; empty: none. */
  readonly key: string;
  readonly keyBytes: Buffer;
  readonly state: JobState;
  /** It is the job of an earlier submission, met under the key. */
  readonly existing: boolean;
  /** It runs and has been told to stop. */
  readonly cancelling: boolean;
  /** What was reached; undefined where the answer does not say. */
  readonly durability: "none" | "fsync" | undefined;
  /** Attempts begun. */
  readonly attempt: number;
  readonly maxAttempts: number;
  readonly priority: number;
  /** 0 to 1, as it reported last. */
  readonly progress: number;
  readonly progressText: string;
  /** Agent of the newest attempt. */
  readonly worker: string;
  readonly submittedAt: number | undefined;
  /** The newest attempt was assigned. */
  readonly startedAt: number | undefined;
  readonly finishedAt: number | undefined;
  /** Not before this. */
  readonly runAt: number | undefined;
  /** Start deadline. */
  readonly expiresAt: number | undefined;
  /** Its retention ends. */
  readonly evictsAt: number | undefined;
  /** Why it did not succeed; undefined if it did, or has not ended. */
  readonly error: ErrorCode | undefined;
  readonly errorText: string;
  /** Of the newest attempt, where its program exited. */
  readonly exitStatus: number | undefined;
  /** That ended the newest attempt; 0: none. */
  readonly signal: number;
  /** The result, where it was sent along. */
  readonly result: Buffer | undefined;
  /** Length of the result, also where it was not sent along. */
  readonly resultBytes: bigint;
  /** It succeeded, and its result is no longer kept. */
  readonly resultGone: boolean;
  readonly tags: readonly string[];
  /** Who wait for it. */
  readonly waiters: number;
  readonly why: readonly Reason[];
  /** Newest fence: it only grows, over retries and restarts. */
  readonly fence: bigint;
  /** Of the broker that accepted it. */
  readonly epoch: bigint;

  constructor(record: RecordOf<"job">, epoch: bigint) {
    this.id = idText(record.id ?? new Uint8Array(16));
    this.realm = record.realm ?? "default";
    this.queue = record.queue ?? "";
    this.keyBytes = (record.key as Buffer | undefined) ?? NO_BYTES;
    this.key = this.keyBytes.toString("utf8");
    this.state = STATES[(record.state ?? 0) - 1] ?? "evicted";
    this.existing = record.existing ?? false;
    this.cancelling = record.cancelling ?? false;
    this.durability = DURABILITIES[(record.durability ?? 0) - 1];
    this.attempt = record.attempt ?? 0;
    this.maxAttempts = record.attempts_max ?? 0;
    this.priority = record.priority ?? 128;
    this.progress = (record.progress_ppm ?? 0) / 1e6;
    this.progressText = record.progress_text ?? "";
    this.worker = record.worker ?? "";
    this.submittedAt = record.submitted_at || undefined;
    this.startedAt = record.started_at || undefined;
    this.finishedAt = record.finished_at || undefined;
    this.runAt = record.run_at || undefined;
    this.expiresAt = record.expires_at || undefined;
    this.evictsAt = record.evicts_at || undefined;
    this.error = record.error ? errorCode(record.error) : undefined;
    this.errorText = record.error_text ?? "";
    this.exitStatus = record.exit_status;
    this.signal = record.signal ?? 0;
    this.resultGone = record.result_gone ?? false;
    this.resultBytes = record.result_bytes ?? BigInt(record.result?.length ?? 0);
    const empty = this.state === "succeeded" && this.resultBytes === 0n;
    this.result =
      record.result !== undefined
        ? (record.result as Buffer)
        : empty && !this.resultGone
          ? Buffer.alloc(0)
          : undefined;
    this.tags = record.tags ?? NONE;
    this.waiters = record.waiters ?? 0;
    this.why = record.why?.map(reasonOf) ?? NONE;
    this.fence = record.fence ?? 0n;
    this.epoch = record.epoch ?? epoch;
  }

  /** Has it ended, well or not? */
  get ended(): boolean {
    return STATES.indexOf(this.state) >= STATES.indexOf("succeeded");
  }

  /** Has it ended well? */
  get ok(): boolean {
    return this.state === "succeeded";
  }

  /** The result as UTF-8. Throws `result_gone` where it was not sent along. */
  text(): string {
    return this.bytes().toString("utf8");
  }

  /** The result read as JSON. Throws `result_gone`, or SyntaxError. */
  json(): unknown {
    return JSON.parse(this.text()) as unknown;
  }

  /** The result. Throws `result_gone` where it was not sent along or is not kept. */
  bytes(): Buffer {
    if (this.result === undefined) {
      throw new GangerError("result_gone", { id: this.id });
    }
    return this.result;
  }
}

/** A job that ended otherwise than well; `job` is the whole of it. */
export class JobError extends GangerError {
  readonly job: Job;

  constructor(job: Job) {
    const fallback = job.state === "evicted" ? "result_gone" : "failed";
    super(job.error ?? fallback, {
      text: job.errorText || undefined,
      fate: "ended",
      id: job.id,
    });
    this.name = "JobError";
    this.job = job;
  }
}

export function reasonOf(record: RecordOf<"reason">): Reason {
  const code = record.code ?? 0;
  return {
    code: REASONS[code - 1] ?? `reason_${code}`,
    text: record.text ?? "",
    since: record.since_at || undefined,
    object: record.object ?? "",
  };
}

/** An entry of a history, or an event. Times are ms since 1970 UTC. */
export interface Moment {
  at: number;
  kind: MomentKind;
  /** The job's state after it. */
  state: JobState | undefined;
  attempt: number;
  fence: bigint;
  /** Agent it is about. */
  worker: string;
  error: ErrorCode | undefined;
  text: string;
  exitStatus: number | undefined;
  signal: number;
  /** End of the attempt's standard error, where it was asked for. */
  output: Buffer | undefined;
  /** When it goes on. */
  until: number | undefined;
  /** How many, of a gap or a purge; 0 where that is not known. */
  count: number;
  /** The job; empty where it is about none. */
  id: string;
  realm: string;
  queue: string;
  /** Number of the event in its subscription. */
  seq: bigint;
}

export function momentOf(record: RecordOf<"moment">): Moment {
  const kind = record.kind ?? 0;
  return {
    at: record.at ?? 0,
    kind: MOMENTS[kind - 1] ?? `moment_${kind}`,
    state: STATES[(record.state ?? 0) - 1],
    attempt: record.attempt ?? 0,
    fence: record.fence ?? 0n,
    worker: record.worker ?? "",
    error: record.error ? errorCode(record.error) : undefined,
    text: record.text ?? "",
    exitStatus: record.exit_status,
    signal: record.signal ?? 0,
    output: record.output as Buffer | undefined,
    until: record.until_at || undefined,
    count: record.count ?? 0,
    id: record.id === undefined ? "" : idText(record.id),
    realm: record.realm ?? "default",
    queue: record.queue ?? "",
    seq: record.seq ?? 0n,
  };
}

/* ---- what is asked for ---- */

/** A payload: bytes and text go as they are, anything else as JSON. */
export type Payload =
  | Uint8Array
  | string
  | number
  | boolean
  | null
  | readonly unknown[]
  | { readonly [name: string]: unknown };

/** The bytes of a payload. */
export function payloadBytes(payload: Payload | undefined): Uint8Array | undefined {
  if (payload === undefined || payload instanceof Uint8Array) {
    return payload;
  }
  return Buffer.from(typeof payload === "string" ? payload : JSON.stringify(payload));
}

/** Delay before the next attempt. All times in ms. */
export type Backoff =
  | { kind: "fixed"; ms: number }
  | { kind: "exponential"; ms: number; maxMs?: number }
  | { kind: "list"; ms: readonly number[] };

/** How a job is to be treated. What is left out is the broker's default. */
export interface SubmitOptions {
  /**
   * The id of an earlier try whose answer is unknown: no second job comes of it.
   * Without it the client makes one, by the broker's clock, when it is sent first.
   */
  id?: string;
  realm?: string;
  /** Idempotency key, unique in realm and queue; at most 255 bytes. */
  key?: string | Uint8Array;
  /** Make the key from the payload: one job for equal payloads. */
  unique?: boolean;
  /** 0 goes first, 255 last; 128 without it. */
  priority?: number;
  /** Not before this many ms have passed. */
  delayMs?: number;
  /** Not before this time (ms since 1970 UTC, or a Date). */
  runAt?: number | Date;
  /** Start deadline, ms from acceptance. */
  expiresMs?: number;
  /** Longest run of an attempt, in ms. */
  runTimeoutMs?: number;
  /** Attempts at most; 1: at most once. */
  attempts?: number;
  backoff?: Backoff;
  /** Retention of a success, in ms. */
  keepMs?: number;
  /** Retention of a failure, in ms. */
  keepFailedMs?: number;
  /** Until when the key is held. */
  uniqueUntil?: "evicted" | "started" | "finished";
  durability?: "none" | "fsync";
  /** Labels to find it by, at most 16. */
  tags?: readonly string[];
}

/** One of many submissions. */
export interface Submission extends SubmitOptions {
  queue: string;
  payload?: Payload;
}

const UNIQUE_UNTIL = ["evicted", "started", "finished"] as const;
const BACKOFFS = ["fixed", "exponential", "list"] as const;

export function keyBytes(key: string | Uint8Array | undefined): Uint8Array | undefined {
  return typeof key === "string" ? Buffer.from(key) : key;
}

/* The key of a submission, as it was given or made of the payload. */
function keyOf(
  options: SubmitOptions,
  payload: Uint8Array | undefined,
): Uint8Array | undefined {
  if (options.unique !== true) {
    return keyBytes(options.key);
  }
  if (options.key !== undefined) {
    const text = "unique makes the key itself: give it or a key";
    throw new GangerError("usage", { text, object: "unique" });
  }
  return Buffer.from(uniqueKey(payload ?? new Uint8Array()));
}

function count(value: number | undefined, name: string): number | undefined {
  if (value !== undefined && !(Number.isSafeInteger(value) && value >= 0)) {
    const text = `${name} is ${value}; it should be a whole number, not below 0`;
    throw new GangerError("usage", { text, object: name });
  }
  return value;
}

function putBackoff(record: RecordOf<"submit">, backoff: Backoff): void {
  record.backoff = BACKOFFS.indexOf(backoff.kind) + 1;
  if (backoff.kind === "list") {
    record.backoff_list = backoff.ms.map((ms) => count(ms, "backoff.ms") ?? 0);
    return;
  }
  record.backoff_ms = count(backoff.ms, "backoff.ms") ?? 0;
  if (backoff.kind === "exponential" && backoff.maxMs !== undefined) {
    record.backoff_max_ms = count(backoff.maxMs, "backoff.maxMs") ?? 0;
  }
}

/** The record of a submission. Throws `usage` for what can never be right. */
export function submitRecord(
  queue: string,
  payload: Payload | undefined,
  options: SubmitOptions,
  id: Uint8Array,
): RecordOf<"submit"> {
  if (typeof queue !== "string" || queue === "") {
    throw new GangerError("usage", { text: "a submission needs a queue" });
  }
  const { runAt, uniqueUntil, durability } = options;
  const bytes = payloadBytes(payload);
  const record = {
    id,
    queue,
    payload: bytes,
    realm: options.realm,
    key: keyOf(options, bytes),
    priority: count(options.priority, "priority"),
    delay_ms: count(options.delayMs, "delayMs"),
    run_at: count(runAt instanceof Date ? runAt.getTime() : runAt, "runAt"),
    expires_ms: count(options.expiresMs, "expiresMs"),
    run_timeout_ms: count(options.runTimeoutMs, "runTimeoutMs"),
    attempts: count(options.attempts, "attempts"),
    keep_ms: count(options.keepMs, "keepMs"),
    keep_failed_ms: count(options.keepFailedMs, "keepFailedMs"),
    unique_until: uniqueUntil && UNIQUE_UNTIL.indexOf(uniqueUntil),
    durability: durability && DURABILITIES.indexOf(durability) + 1,
    tags: options.tags,
  } as RecordOf<"submit">;
  if (options.backoff !== undefined) {
    putBackoff(record, options.backoff);
  }
  return record;
}

/** Which job: its id, the job itself, or its queue and key. */
export type Target =
  | string
  | {
      readonly id: string;
      readonly epoch?: bigint;
      readonly durability?: "none" | "fsync" | undefined;
    }
  | {
      readonly realm?: string;
      readonly queue: string;
      readonly key: string | Uint8Array;
    };

/** As which a job was accepted, for what is asked of it later. */
export interface Acceptance {
  epoch: bigint;
  durability: "none" | "fsync" | undefined;
}

/** The fields of a target; `known` tells how jobs submitted lately were accepted. */
export function targetRecord(
  target: Target,
  known: (id: string) => Acceptance | undefined,
): RecordOf<"target"> {
  if (typeof target === "string" || "id" in target) {
    const id = typeof target === "string" ? target : target.id;
    const said = typeof target === "string" ? undefined : target;
    const accepted = known(id);
    const epoch = said?.epoch ?? accepted?.epoch;
    const durability = said?.durability ?? accepted?.durability;
    const record: RecordOf<"target"> = { id: idBytes(id) };
    if (epoch !== undefined && epoch !== 0n) {
      record.epoch = epoch;
    }
    if (durability !== undefined) {
      record.durability = DURABILITIES.indexOf(durability) + 1;
    }
    return record;
  }
  const record: RecordOf<"target"> = {
    queue: target.queue,
    key: keyBytes(target.key) ?? new Uint8Array(),
  };
  if (target.realm !== undefined) {
    record.realm = target.realm;
  }
  return record;
}
