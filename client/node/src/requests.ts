/* requests.ts - the client's half of a session: what is asked, what answers it, what is
 * sent again. Pure, like session.ts.
 *
 * A submission goes again under its own id, so that one job comes of it. One whose
 * acceptance was seen and that waits for the end goes again as a wait for that job,
 * with the epoch of the broker that accepted it: a volatile broker that was restarted
 * then says that the job is lost, where a second submission would run it again.
 */
import { randomFillSync } from "node:crypto";

import { Deadlines } from "./deadlines.js";
import type { Due } from "./deadlines.js";
import { errorCode } from "./errors.js";
import type { ErrorCode } from "./errors.js";
import { Roster } from "./roster.js";
import type { Member } from "./roster.js";
import { Batch, Session } from "./session.js";
import type { News, Now } from "./session.js";
import { COMMANDS } from "./tables.js";
import type { CommandName, RecordOf } from "./tables.js";
import { PREFIX_BYTES, encodeCommand } from "./wire.js";
import type { Command, Encoded } from "./wire.js";

const REQUESTS_MAX = 65536;
const ID_AGE_MS = 1000; /* An id that is sent may be so old, or so much ahead. */
const EXPIRED_MAX = 256; /* Ended for their lateness in one turn. */
const RANDOM_BYTES = 2560; /* For 256 ids: asking for ten at a time is slow. */
const EVICTED = 9;
const DURABILITY_NONE = 1;
const SUCCEEDED = 5;
const NOTHING = Object.freeze({});
const NONE: readonly Uint8Array[] = Object.freeze([]);

/** The job that came of a submission: ask for it with both. */
export interface Accepted {
  id: Uint8Array;
  epoch: bigint;
  /** 1 none, 2 fsync; undefined where it is not known. */
  durability: number | undefined;
}

/** What comes of a request; after one that is `final` it is forgotten. */
export type Answer =
  | { kind: "answer"; name: CommandName; record: unknown; final: boolean }
  /** The session was lost; what happened meanwhile is missing. */
  | { kind: "gap"; final: false }
  | {
      kind: "error";
      final: true;
      code: ErrorCode;
      text: string;
      retryMs: number;
      object: string;
      /** The broker said so; otherwise the answer did not come. */
      said: boolean;
      /** The request has been sent at least once: a broker may know of it. */
      sent: boolean;
      accepted: Accepted | undefined;
    };

export type Asker = (answer: Answer) => void;

/** The record of the final answer to each request that has one. */
export interface AnswerRecords {
  submit: RecordOf<"job">;
  submit_many: RecordOf<"jobs">;
  get: RecordOf<"job">;
  wait: RecordOf<"job">;
  cancel: RecordOf<"cancelled">;
  retry: RecordOf<"job">;
  list_jobs: RecordOf<"jobs">;
  history: RecordOf<"history">;
  why: RecordOf<"reasons">;
  list_queues: RecordOf<"queues">;
  pause: RecordOf<"done">;
  resume: RecordOf<"done">;
  purge: RecordOf<"done">;
  backup: RecordOf<"done">;
  list_workers: RecordOf<"workers">;
  get_stats: RecordOf<"stats">;
  get_broker: RecordOf<"broker">;
}

interface Request extends Due, Member<Request> {
  name: CommandName;
  record: Record<string, unknown>;
  encoded: Encoded;
  asker: Asker;
  sent: boolean;
  /** Of the message that carried it last; 0: it was never sent. */
  sequence: number;
  /** Until it is sent: the ids in it that are of our making, in their order. */
  unnamed: readonly Uint8Array[];
  untilEnd: boolean;
  payloadBytes: number;
  accepted: Accepted | undefined;
  /** Asked with end_only: the epoch of the broker that has it, as far as is known. */
  takenBy: bigint | undefined;
}

/** Who says hello. */
export interface Self {
  name?: string | undefined;
  host: string;
  pid: number;
  program: string;
}

/* What answers what, besides jobs and errors; the others are no answers. */
const ANSWERS: Partial<Record<CommandName, CommandName>> = {
  submit_many: "jobs",
  cancel: "cancelled",
  list_jobs: "jobs",
  history: "moments",
  why: "reasons",
  list_queues: "queues",
  pause: "done",
  resume: "done",
  purge: "done",
  backup: "done",
  list_workers: "workers",
  get_stats: "stats",
  get_broker: "broker",
};
const JOB_ANSWERS: readonly CommandName[] = ["submit", "get", "retry"];

/* When an id was made, in ms since 1970. */
function idTime(id: Uint8Array): number {
  let ms = 0;
  for (let at = 0; at < 6; at++) {
    ms = ms * 256 + (id[at] as number);
  }
  return ms;
}

type Fit = "none" | "more" | "last";

function fit(request: Request, command: Command): Fit {
  if (command.name === "job") {
    if (request.name === "wait" || request.untilEnd) {
      const { state } = command.record as RecordOf<"job">;
      return (state ?? 0) >= SUCCEEDED ? "last" : "more";
    }
    return JOB_ANSWERS.includes(request.name) ? "last" : "none";
  }
  if (request.name === "wait") {
    return command.name === "progress" || command.name === "partial" ? "more" : "none";
  }
  if (request.name === "subscribe") {
    return command.name === "event" ? "more" : "none";
  }
  return ANSWERS[request.name] === command.name ? "last" : "none";
}

/* Of a record that has been encoded, what may be asked for once more. */
function kept(
  name: CommandName,
  values: Record<string, unknown>,
): Record<string, unknown> {
  if (name === "submit") {
    return { id: values["id"], durability: values["durability"] };
  }
  return name === "wait" ? values : NOTHING;
}

export class Requests extends Session {
  readonly #self: Self;
  readonly #all = new Roster<Request>();
  #queued: Request[] = [];
  #queuedAt = 0;
  #sentCount = 0;
  #control: Encoded[] = []; /* Commands that nobody waits for. */
  readonly #deadlines = new Deadlines<Request>();
  #lastNumber = 0;
  readonly #randomBytes = Buffer.alloc(RANDOM_BYTES);
  #randomAt = RANDOM_BYTES;

  constructor(self: Self, random: () => number, news: (news: News) => void) {
    super(random, news);
    this.#self = self;
  }

  get inFlight(): number {
    return this.#all.size;
  }

  /** A fresh id, by the broker's clock. */
  newId(now: Now): Uint8Array {
    if (this.#randomAt === RANDOM_BYTES) {
      randomFillSync(this.#randomBytes);
      this.#randomAt = 0;
    }
    const id = Buffer.allocUnsafe(16);
    id.writeUIntBE(Math.max(0, Math.floor(now.wall + this.clockAheadMs)), 0, 6);
    this.#randomBytes.copy(id, 6, this.#randomAt, this.#randomAt + 10);
    this.#randomAt += 10;
    return id;
  }

  /**
   * Put a request in line; it ends at `deadline` (ms of `mono`; Infinity: never).
   * Returns its number, or 0: 65,536 are in flight. `unnamed` are those ids in it that
   * newId() made, in their order: until they are sent they may be made anew, in place.
   */
  ask<C extends CommandName>(
    name: C,
    record: RecordOf<(typeof COMMANDS)[C][1]>,
    deadline: number,
    now: Now,
    asker: Asker,
    unnamed: readonly Uint8Array[] = NONE,
  ): number {
    if (this.#all.size >= REQUESTS_MAX) {
      return 0;
    }
    if (this.#all.size === 0) {
      this.quietSince = now.mono; /* Only now is the broker expected to speak. */
    }
    const values = record as Record<string, unknown>;
    const number = ++this.#lastNumber;
    const payload = values["payload"] as Uint8Array | undefined;
    const request: Request = {
      number,
      name,
      record: kept(name, values),
      encoded: encodeCommand(name, number, record, this.limits.inlineBytes),
      asker,
      sent: false,
      sequence: 0,
      unnamed,
      untilEnd: name === "submit" && values["wait"] === true,
      payloadBytes: payload?.length ?? 0,
      accepted: undefined,
      takenBy: undefined,
      deadline,
      over: false,
      before: undefined,
      after: undefined,
      below: undefined,
    };
    this.#all.add(request);
    this.#queued.push(request);
    if (deadline !== Infinity) {
      this.#deadlines.add(request);
    }
    return number;
  }

  /** Drop a request: its asker is not called any more. Unknown numbers are ignored. */
  forget(number: number): void {
    const request = this.#all.get(number);
    if (request !== undefined) {
      this.#unwait(request);
      this.#release(request);
    }
  }

  /** End everything in flight, as if its time were over. */
  endAll(code: ErrorCode, text: string): void {
    for (const request of this.#all.all()) {
      this.#end(request, code, text, false);
    }
  }

  /** End what is late: `timed_out` while a session is open, else `unreachable`. */
  expire(now: Now, unreachable: { code: ErrorCode; text: string }): void {
    /* The others in the next turn of the loop, which is due at once. */
    for (let left = EXPIRED_MAX; left > 0; left--) {
      const request = this.#deadlines.first();
      if (request === undefined || request.deadline > now.mono) {
        return;
      }
      if (this.state === "open") {
        const waits = request.accepted !== undefined || request.name === "wait";
        const text = waits ? "" : "the broker did not answer in time";
        this.#end(request, "timed_out", text, false);
      } else {
        this.#end(request, unreachable.code, unreachable.text, false);
      }
    }
  }

  override wake(): number {
    return Math.min(super.wake(), this.#deadlines.first()?.deadline ?? Infinity);
  }

  /** Would `next` give something that waits already? */
  hasOutput(): boolean {
    return (
      this.state === "greet" ||
      (this.state === "open" &&
        (this.#control.length > 0 ||
          (this.#queuedAt < this.#queued.length &&
            this.#sentCount < this.limits.requests)))
    );
  }

  /* ---- for Session ---- */

  protected override hello(): RecordOf<"hello"> {
    const record: RecordOf<"hello"> = {
      kind: 1,
      host: this.#self.host,
      pid: this.#self.pid,
      program: this.#self.program,
    };
    if (this.#self.name) {
      record.name = this.#self.name;
    }
    return record;
  }

  protected override heartbeat(): Encoded {
    return encodeCommand("heartbeat", 0, {});
  }

  protected override heartbeatAt(): number {
    return this.#all.size > 0 ? this.sentAt + this.limits.heartbeatMs : Infinity;
  }

  protected override expects(): boolean {
    return this.#all.size > 0;
  }

  protected override onOpen(): void {
    /* What is in line goes by itself. But what another broker took and kept in memory
       only would run a second time: it is waited for, and called lost. */
    for (const request of this.#all.all()) {
      const { takenBy } = request;
      const asked = request.record["durability"];
      const inMemory = !this.limits.durable || asked === DURABILITY_NONE;
      if (takenBy !== undefined && takenBy !== this.epoch && inMemory) {
        const id = request.record["id"] as Uint8Array;
        const durability = asked as number | undefined;
        this.#becomeWait(request, { id, epoch: takenBy, durability });
        request.encoded = encodeCommand("wait", request.number, request.record);
      }
    }
  }

  protected override onSent(): void {
    /* Each request has noted the message that carried it. */
  }

  protected override onAcked(): void {
    /* Looked at when the session is over. */
  }

  protected override fill(batch: Batch, now: Now): void {
    while (this.#control.length > 0) {
      const command = this.#control[0] as Encoded;
      if (!batch.takes(command)) {
        return;
      }
      batch.add(command);
      this.#control.shift();
    }
    while (this.#queuedAt < this.#queued.length) {
      const request = this.#queued[this.#queuedAt] as Request;
      if (request.over || this.#refuses(request)) {
        this.#queuedAt++;
        continue;
      }
      /* A list of submissions may hold nearly all the values that a message may. */
      const alone = request.name === "submit_many";
      if (
        this.#sentCount >= this.limits.requests ||
        (alone && batch.commands.length > 0) ||
        !batch.takes(request.encoded)
      ) {
        break;
      }
      this.#queuedAt++;
      this.#renewIds(request, now);
      batch.add(request.encoded);
      request.sent = true;
      request.sequence = this.sentSequence + 1;
      this.#sentCount++;
      if (alone) {
        break;
      }
    }
    if (this.#queuedAt === this.#queued.length) {
      this.#queued = [];
      this.#queuedAt = 0;
    }
  }

  protected override onCommand(command: Command): void {
    const request = this.#all.get(command.request);
    if (request === undefined || !request.sent) {
      return; /* Forgotten here, or answered before. */
    }
    if (command.fault !== undefined) {
      this.#end(request, command.fault, "the broker's answer cannot be read", true);
      return;
    }
    if (command.name === "error") {
      const said = command.record as RecordOf<"error">;
      this.#end(request, errorCode(said.error ?? 0), said.text ?? "", true, said);
      return;
    }
    const fits = fit(request, command);
    if (fits === "none" || command.name === undefined) {
      return;
    }
    this.#note(request, command);
    if (fits === "last") {
      this.#release(request);
    }
    const { name, record } = command;
    request.asker({ kind: "answer", name, record, final: fits === "last" });
  }

  protected override rewind(): void {
    const gaps: Request[] = [];
    for (const request of this.#all.all()) {
      if (request.sent) {
        this.#revise(request, gaps);
        request.sent = false;
      }
    }
    this.#sentCount = 0;
    this.#control = [];
    this.#queued = this.#all.all();
    this.#queuedAt = 0;
    for (const request of gaps) {
      request.asker({ kind: "gap", final: false });
    }
  }

  /* ---- inside ---- */

  /* Can the request never be sent to this broker? Then it has been ended. */
  #refuses(request: Request): boolean {
    const { payloadBytes, frameBytes } = this.limits;
    if (request.payloadBytes > payloadBytes) {
      const text =
        `the payload has ${request.payloadBytes} bytes; ` +
        `the broker takes at most ${payloadBytes}`;
      this.#end(request, "too_large", text, true);
      return true;
    }
    const { bytes, large } = request.encoded;
    const frame = Math.max(bytes.length + PREFIX_BYTES, large?.length ?? 0);
    if (frame > frameBytes) {
      const text =
        `the request has ${frame} bytes; ` + `the broker takes at most ${frameBytes}`;
      this.#end(request, "too_large", text, true);
      return true;
    }
    return false;
  }

  /* Ids that we made when there was no broker may be too old by now, or of a clock that
     is wrong. Once they have been sent they stay: they may be known. */
  #renewIds(request: Request, now: Now): void {
    const { unnamed, encoded } = request;
    const [first] = unnamed;
    if (first === undefined) {
      return;
    }
    const age = now.wall + this.clockAheadMs - idTime(first);
    if (Math.abs(age) > ID_AGE_MS) {
      let at = 0;
      for (const id of unnamed) {
        at = encoded.bytes.indexOf(id, at);
        id.set(this.newId(now)); /* All who hold it see it. */
        encoded.bytes.set(id, at);
      }
    }
    request.unnamed = NONE;
  }

  /* Keep what an answer says about the job, for a resend. */
  #note(request: Request, command: Command): void {
    if (command.name === "job" && request.name === "submit") {
      const job = command.record as RecordOf<"job">;
      if (job.id !== undefined && job.state !== EVICTED) {
        const { id, epoch, durability } = job;
        request.accepted = { id, epoch: epoch ?? this.epoch, durability };
      }
    } else if (command.name === "partial") {
      const piece = command.record as RecordOf<"partial">;
      request.record["offset"] = (piece.offset ?? 0) + (piece.data?.length ?? 0);
    }
  }

  /* What a request becomes when the session that carried it is over. */
  #revise(request: Request, gaps: Request[]): void {
    if (request.untilEnd && request.accepted !== undefined) {
      this.#becomeWait(request, request.accepted);
    } else if (request.name === "wait") {
      if (request.sequence <= this.peerAcked && request.record["epoch"] === undefined) {
        /* The broker took it and did not answer "not found": it knew the job. */
        request.record["epoch"] = this.epoch;
      }
    } else {
      if (request.name === "subscribe") {
        gaps.push(request);
      } else if (request.untilEnd && request.sequence <= this.peerAcked) {
        request.takenBy ??= this.epoch;
      }
      return; /* Its bytes stay as they are. */
    }
    request.encoded = encodeCommand("wait", request.number, request.record);
  }

  #becomeWait(request: Request, accepted: Accepted): void {
    request.name = "wait";
    request.record = { ...accepted, want_result: true };
    request.untilEnd = false;
    request.takenBy = undefined;
    request.payloadBytes = 0;
  }

  #release(request: Request): void {
    request.over = true;
    this.#all.remove(request);
    if (request.sent) {
      this.#sentCount--;
    }
    if (request.deadline !== Infinity) {
      this.#deadlines.noteOver();
    }
  }

  #unwait(request: Request): void {
    const waits = request.name === "wait" || request.untilEnd;
    if (!request.sent || this.state !== "open") {
      return;
    }
    if (waits || request.name === "subscribe") {
      const name = waits ? "unwait" : "unsubscribe";
      this.#control.push(encodeCommand(name, 0, { request: request.number }));
    }
  }

  #end(
    request: Request,
    code: ErrorCode,
    text: string,
    said: boolean,
    detail?: RecordOf<"error">,
  ): void {
    if (request.over) {
      return; /* An asker that was called before it has let go of it. */
    }
    if (!said) {
      this.#unwait(request);
    }
    this.#release(request);
    request.asker({
      kind: "error",
      final: true,
      code,
      text,
      retryMs: detail?.retry_ms ?? 0,
      object: detail?.object ?? "",
      said,
      sent: request.sequence !== 0,
      accepted: request.accepted,
    });
  }
}
