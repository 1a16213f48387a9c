/* handler.ts - what a handler is given and may say: the same in an executor of this
 * package's own worker, as a co-process, and in the test mode. */
import type { Payload } from "./job.js";
import { payloadBytes } from "./job.js";

/** What a handler may give back: bytes and text as they are, anything else as JSON. */
export type Result = Payload | undefined;

/**
 * Runs one attempt. Throwing fails it; `Reject` and `Snooze` say otherwise. One that
 * gives back nothing has an empty result.
 */
export type Handler = (job: JobContext) => Promise<Result> | Promise<void> | Result;

/** Handlers by their queues, or patterns of queues with * and ?. */
export type Handlers = Readonly<Record<string, Handler>>;

/** Thrown by a handler: the job refuses its payload; it is not tried again. */
export class Reject extends Error {
  override readonly name = "Reject";
}

/** Thrown by a handler: run it again after `ms`; the attempt does not count. */
export class Snooze extends Error {
  override readonly name = "Snooze";
  readonly ms: number;

  constructor(ms: number, text = "") {
    super(text);
    this.ms = ms;
  }
}

/** The limits of what a handler may say, in bytes. */
export const CHECKPOINT_BYTES_MAX = 4096;
export const PARTIAL_BYTES_MAX = 16384;
export const TEXT_BYTES_MAX = 4096;

/** What an attempt is, as plain data. */
export interface JobFacts {
  id: string;
  realm: string;
  queue: string;
  key: Buffer;
  attempt: number;
  attempts: number;
  fence: bigint;
  /** When the run timeout ends, ms since 1970 UTC; undefined: there is none. */
  deadline: number | undefined;
  payload: Buffer;
  checkpoint: Buffer | undefined;
}

/** Where what a handler says goes. */
export interface Mouth {
  progress(fraction: number, text: string): void;
  partial(data: Buffer): void;
  checkpoint(data: Buffer): void;
}

/** How a handler ended. */
export type Verdict =
  | { kind: "succeeded"; result: Buffer }
  | { kind: "failed"; text: string }
  | { kind: "rejected"; text: string }
  | { kind: "snoozed"; snoozeMs: number; text: string };

/** One attempt of a job, as its handler sees it. */
export class JobContext {
  /** 26 letters and digits. */
  readonly id: string;
  readonly realm: string;
  readonly queue: string;
  /** The idempotency key as UTF-8; empty: none. */
  readonly key: string;
  readonly keyBytes: Buffer;
  /** This attempt, from 1. */
  readonly attempt: number;
  /** How many there may be. */
  readonly attempts: number;
  /** Grows with every attempt; compare it before lasting effects. */
  readonly fence: bigint;
  /** When the run timeout ends, ms since 1970 UTC; undefined: there is none. */
  readonly deadline: number | undefined;
  readonly payload: Buffer;
  /** What an earlier attempt stored. */
  readonly checkpoint: Buffer | undefined;
  /** Aborts when the attempt is to stop; after the grace period it is killed. */
  readonly signal: AbortSignal;
  readonly #mouth: Mouth;

  constructor(facts: JobFacts, mouth: Mouth, signal: AbortSignal) {
    this.id = facts.id;
    this.realm = facts.realm;
    this.queue = facts.queue;
    this.key = facts.key.toString("utf8");
    this.keyBytes = facts.key;
    this.attempt = facts.attempt;
    this.attempts = facts.attempts;
    this.fence = facts.fence;
    this.deadline = facts.deadline;
    this.payload = facts.payload;
    this.checkpoint = facts.checkpoint;
    this.signal = signal;
    this.#mouth = mouth;
  }

  /** The payload as UTF-8. */
  text(): string {
    return this.payload.toString("utf8");
  }

  /** The payload read as JSON. Throws `Reject` where it is none. */
  json(): unknown {
    try {
      return JSON.parse(this.text()) as unknown;
    } catch (err) {
      throw new Reject(`the payload is no JSON: ${(err as Error).message}`);
    }
  }

  /** How far it is: 0 to 1, and a line of text, 4 KiB at most. The last one counts. */
  progress(fraction: number, text = ""): void {
    this.#mouth.progress(fraction, cutText(text));
  }

  /** A piece of output for those who watch. */
  partial(data: string | Uint8Array): void {
    const bytes = Buffer.from(data as Uint8Array);
    for (let at = 0; at < bytes.length; at += PARTIAL_BYTES_MAX) {
      this.#mouth.partial(bytes.subarray(at, at + PARTIAL_BYTES_MAX));
    }
  }

  /** Store up to 4 KiB for the next attempt. Throws RangeError for more. */
  saveCheckpoint(data: string | Uint8Array): void {
    const bytes = Buffer.from(data as Uint8Array);
    if (bytes.length > CHECKPOINT_BYTES_MAX) {
      throw new RangeError(
        `the checkpoint has ${bytes.length} bytes; at most ${CHECKPOINT_BYTES_MAX}`,
      );
    }
    this.#mouth.checkpoint(bytes);
  }
}

/** `text` cut to what a TEXT may have, at the end of a character. */
export function cutText(text: string): string {
  if (Buffer.byteLength(text) <= TEXT_BYTES_MAX) {
    return text;
  }
  let cut = TEXT_BYTES_MAX;
  const bytes = Buffer.from(text);
  while (((bytes[cut] ?? 0) & 0xc0) === 0x80) {
    cut--;
  }
  return bytes.toString("utf8", 0, cut);
}

/** Does `name` fit `pattern`, with * for any run and ? for any one character? */
export function fits(pattern: string, name: string): boolean {
  const source = pattern
    .replace(/[.+^${}()|[\]\\]/g, "\\$&")
    .replace(/\*/g, ".*")
    .replace(/\?/g, ".");
  return new RegExp(`^${source}$`, "s").test(name);
}

/** The handler of a queue: by its name, else the first pattern that fits. */
export function handlerOf(handlers: Handlers, queue: string): Handler | undefined {
  if (Object.hasOwn(handlers, queue)) {
    return handlers[queue];
  }
  const pattern = Object.keys(handlers).find((one) => fits(one, queue));
  return pattern === undefined ? undefined : handlers[pattern];
}

function sentence(err: unknown): string {
  const text = err instanceof Error ? err.message || err.name : String(err);
  return cutText(text || "it failed and did not say why");
}

/** Run the handler that fits and say how it ended. Never throws. */
export async function runHandler(
  handlers: Handlers,
  job: JobContext,
): Promise<Verdict> {
  const handler = handlerOf(handlers, job.queue);
  if (handler === undefined) {
    return { kind: "failed", text: `no handler fits the queue ${job.queue}` };
  }
  try {
    const given = (await handler(job)) as Result;
    const result = payloadBytes(given) ?? new Uint8Array();
    const { buffer, byteOffset, length } = result;
    return { kind: "succeeded", result: Buffer.from(buffer, byteOffset, length) };
  } catch (err) {
    if (err instanceof Reject) {
      return { kind: "rejected", text: sentence(err) };
    }
    if (err instanceof Snooze) {
      const snoozeMs = Math.max(0, Math.round(err.ms));
      return { kind: "snoozed", snoozeMs, text: cutText(err.message) };
    }
    return { kind: "failed", text: sentence(err) };
  }
}
