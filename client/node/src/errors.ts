/* errors.ts - every way to hear no: code, sentence, and what to do about it.
 *
 * Numbers, names, exit codes and sentences are those of common/err.h; a test reads that
 * file and compares. What to do is this package's own.
 */

// prettier-ignore
export const ERRORS = [
  [0, "ok", 0, "done",
    "nothing"],
  [1, "not_found", 2, "nothing is known by that name",
    "check id, realm, queue and key; after its retention (keepMs) a job is forgotten"],
  [2, "key_conflict", 3, "the key is in use for a job with another payload",
    "take another key, or submit the same payload"],
  [3, "key_taken", 3, "another job holds the key by now",
    "look at the job that holds the key; submit anew when it has gone"],
  [4, "busy", 7, "the broker is at a limit; try again later",
    "try again after retryMs"],
  [5, "queue_full", 7, "the queue is full; try again later",
    "try again after retryMs; more workers, or fewer jobs"],
  [6, "realm_full", 7, "the realm is full; try again later",
    "try again after retryMs"],
  [7, "no_memory", 7, "the memory bound is reached; try again later",
    "try again after retryMs; keep results for a shorter time (keepMs)"],
  [8, "too_large", 65, "it is larger than the limit",
    "send less: pass a reference to large data instead of the data"],
  [9, "too_many", 7, "there are too many of them",
    "ask for fewer at a time, or try again after retryMs"],
  [10, "bad_message", 65, "the message does not follow the protocol",
    "report this as a fault of the package"],
  [11, "bad_name", 65, "the name is not allowed",
    "names have letters, digits and . _ -, begin with a letter or digit, 64 at most"],
  [12, "bad_field", 65, "a field has a value that is not allowed",
    "see the error's object for the field, and its bounds in the documentation"],
  [13, "unknown_command", 64, "the command is not known here",
    "the broker is older than this package: bring it up to date"],
  [14, "not_understood", 64, "an option that must be understood is not known here",
    "one side is older than the other: bring it up to date"],
  [15, "version", 70, "there is no common protocol version",
    "bring the older side up to date"],
  [16, "bad_state", 3, "that cannot be done in this state",
    "look at the job's state first"],
  [17, "no_session", 70, "the session is not known; say hello again",
    "nothing: the package says hello again by itself"],
  [18, "stale", 3, "a newer attempt exists, or the job has ended",
    "nothing: another attempt counts"],
  [19, "not_allowed", 6, "this key's roles do not cover that",
    "ask the operator for a key with that role, realm and queue (ganger key allow)"],
  [20, "timed_out", 4, "the time to wait is over; the job goes on",
    "ask again with the same id, or wait longer (timeoutMs)"],
  [21, "no_broker", 5, "no broker is in reach",
    "start gangerd, or name it in the endpoint or $GANGER_BROKER; then ask again"],
  [22, "lost_with_broker", 1, "the job was volatile and died with its broker",
    "submit it anew"],
  [23, "id_too_old", 3, "the id is not known and older than the resend window",
    "find out by key whether it ran; then submit it under a new id"],
  [24, "not_durable", 3, "the durability asked for cannot be reached here",
    "submit with durability \"none\", or start the broker with a store"],
  [25, "store", 70, "the store cannot read or write",
    "tell the operator: the broker's disk needs care"],
  [26, "closing", 7, "the broker is shutting down",
    "try again after retryMs"],
  [27, "name_taken", 3, "an agent of that name is connected",
    "give each worker a name of its own"],
  [28, "failed", 1, "the job failed",
    "see the error's text and the job's history; then retry it"],
  [29, "rejected", 1, "the job rejected its input",
    "mend the payload and submit anew"],
  [30, "crashed", 1, "the job was ended by a signal",
    "see the job's history for the signal and the end of its output"],
  [31, "run_timeout", 1, "the job ran longer than its limit",
    "give it more time (runTimeoutMs), or less work"],
  [32, "lease_lost", 1, "the agent that ran the job was lost",
    "look after the worker's host; then retry the job"],
  [33, "poison", 1, "the job crashed too often",
    "mend what crashes before it is retried"],
  [34, "expired", 1, "the job was not started in time",
    "more workers, or a later start deadline (expiresMs)"],
  [35, "cancelled", 1, "the job was cancelled",
    "retry it if it is wanted after all"],
  [36, "not_started", 1, "the program could not be started",
    "mend the worker: its program cannot be run"],
  [37, "withdrawn", 1, "the assignment was given back before it started",
    "nothing: it is given to another worker"],
  [38, "snoozed", 1, "the job asked to be run again later",
    "nothing: it runs again by itself"],
  [39, "system", 70, "the system refused a call",
    "see the text for what was refused"],
  [40, "config", 78, "the configuration is not usable",
    "mend what the environment says; the text names it"],
  [41, "connection_refused", 5, "nothing listens there",
    "start gangerd there, or mend the endpoint; then ask again"],
  [42, "not_ganger", 5, "what answers there is not a Ganger broker, or it hangs",
    "mend the endpoint; if the broker has keys, give this client one (keyFile)"],
  [43, "key_refused", 6, "the broker does not accept this key",
    "have the key allowed (ganger key allow), and check the server key"],
  [44, "no_host", 5, "the host name cannot be resolved",
    "mend the host name in the endpoint"],
  [45, "result_gone", 2, "the job has ended and its result is no longer kept",
    "keep results longer (keepMs), or submit it anew"],
  [46, "usage", 64, "the call is not valid",
    "mend the call; the text says what is wrong"],
  [47, "store_full", 7, "the store's disk is full; try again when there is room",
    "tell the operator: the broker's disk needs room; try again after retryMs"],
] as const;

/** The stable name of an error, the same in every program of Ganger. */
export type ErrorCode = (typeof ERRORS)[number][1] | `error_${number}`;

/**
 * How a call that failed stands.
 *
 * - `refused`: the broker said no; nothing of the request was kept.
 * - `unknown`: no answer in time. Ask again; a submission with the same id is safe to
 *   repeat and makes no second job.
 * - `ended`: the job itself ended otherwise than well.
 */
export type Fate = "refused" | "unknown" | "ended";

const UNKNOWN: readonly ErrorCode[] = [
  "timed_out",
  "no_broker",
  "connection_refused",
  "not_ganger",
  "key_refused",
  "no_host",
];

const NUMBERS = new Map<ErrorCode, number>(ERRORS.map((row) => [row[1], row[0]]));

/** The name of an error number; `error_N` for one of a newer broker. */
export function errorCode(number: number): ErrorCode {
  return ERRORS[number]?.[1] ?? `error_${number}`;
}

/** The number on the wire of an error's name. */
export function errorNumber(code: ErrorCode): number {
  return NUMBERS.get(code) ?? Number(code.slice("error_".length));
}

export interface ErrorDetail {
  /** The sentence; without one, that of the table. */
  text?: string | undefined;
  fate?: Fate | undefined;
  /** Try again after this many milliseconds; 0 where that does not help. */
  retryMs?: number | undefined;
  /** The field or thing it is about. */
  object?: string | undefined;
  /** The id of the job, where the call knows one: ask again with it. */
  id?: string | undefined;
  cause?: unknown;
}

/** Every error of this package that a caller can act on. */
export class GangerError extends Error {
  /** Stable name, for programs: `key_conflict`, `timed_out` and so on. */
  readonly code: ErrorCode;
  /** Its number on the wire. */
  readonly number: number;
  /** What the exit status of a command line tool should be for it. */
  readonly exit: number;
  /** What was said, with the values. */
  readonly text: string;
  /** What to do about it, in a sentence. */
  readonly todo: string;
  /** Whether it was refused, is unknown, or the job ended badly. */
  readonly fate: Fate;
  /** Trying again helps after this many milliseconds; 0: no such time is known. */
  readonly retryMs: number;
  /** The field or thing it is about; empty where there is none. */
  readonly object: string;
  /**
   * The id of the job it is about, where one is known. A submission that was never sent
   * and whose id was left to the client has none: no job can come of it.
   */
  readonly id: string | undefined;

  constructor(code: ErrorCode, detail: ErrorDetail = {}) {
    const number = errorNumber(code);
    const row = ERRORS[number];
    const text = detail.text || row?.[3] || `the broker says error ${number}`;
    super(
      `${code}: ${text}`,
      detail.cause === undefined ? {} : { cause: detail.cause },
    );
    this.name = "GangerError";
    this.code = code;
    this.number = number;
    this.exit = row?.[2] ?? 70;
    this.text = text;
    this.todo = row?.[4] ?? "bring this package up to date";
    this.fate = detail.fate ?? (UNKNOWN.includes(code) ? "unknown" : "refused");
    this.retryMs = detail.retryMs ?? 0;
    this.object = detail.object ?? "";
    this.id = detail.id;
  }
}

/** A call that is wrong in itself; nothing was sent. */
export function usage(text: string): GangerError {
  return new GangerError("usage", { text, fate: "refused" });
}
