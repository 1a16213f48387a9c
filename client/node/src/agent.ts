/* agent.ts - the worker's half of a session: attempts in hand, leases, outcomes to be
 * confirmed. Pure, like session.ts: what is to be done comes out as calls of AgentUser.
 *
 *   assign ──▶ waiting ──started──▶ running ──its end──▶ done ──confirm──▶ forgotten
 *                 │                    │                  ▲
 *                 └── withdrawn, late ─┴── stop, lease ───┘
 */
import { Session } from "./session.js";
import type { Batch, News, Now } from "./session.js";
import { OUTCOMES, STOP_REASONS, numberOf } from "./tables.js";
import type { OutcomeKind, RecordOf, StopReason } from "./tables.js";
import { encodeCommand } from "./wire.js";
import type { Command, Encoded } from "./wire.js";

const POOL = 1;
const FENCES_KEPT = 65536; /* Jobs whose highest fence is remembered. */
const OUTPUT_WAITS_MAX = 4 << 20; /* Bytes of output that wait to be sent. */
const LOOK_MS = 500; /* Leases are looked at this often: the host may have slept. */
const MARGIN_MS_MAX = 2000; /* An attempt is killed this long before its lease ends. */

/** One attempt, as the broker gave it. */
export interface Assignment {
  id: Uint8Array;
  fence: bigint;
  realm: string;
  queue: string;
  key: Uint8Array;
  attempt: number;
  attemptsMax: number;
  payload: Uint8Array;
  checkpoint: Uint8Array | undefined;
  /** Longest run in ms; 0: none. */
  runTimeoutMs: number;
}

/** Does what the agent decides. */
export interface AgentUser {
  /** Give it to an executor; then call started(), or outcome(). */
  run(assignment: Assignment): void;
  /** Ask it to end, and kill it after `graceMs`. */
  stop(fence: bigint, reason: StopReason, graceMs: number): void;
  /** Its lease is over: kill it now. */
  kill(fence: bigint): void;
  /** It was not started, and never will be. */
  withdraw(fence: bigint): void;
  news(news: News): void;
}

/** How an attempt ended, as the executor saw it. */
export interface Ending {
  kind: OutcomeKind;
  result?: Uint8Array | undefined;
  text?: string | undefined;
  exitStatus?: number | undefined;
  signal?: number | undefined;
  /** End of what it said on its standard error and output. */
  output?: Uint8Array | undefined;
  snoozeMs?: number | undefined;
  runMs?: number | undefined;
  neverStarted?: boolean | undefined;
}

interface Attempt {
  assignment: Assignment;
  phase: "waiting" | "running" | "done";
  startBy: number;
  endBy: number;
  stopped: StopReason | "lease" | "drain" | undefined;
  outcome: RecordOf<"outcome"> | undefined;
  offset: number;
}

export interface AgentSelf {
  name: string;
  incarnation: bigint;
  host: string;
  pid: number;
  program: string;
  realm: string | undefined;
  queues: readonly string[];
}

const OF_STOP: Record<StopReason | "lease" | "drain", OutcomeKind> = {
  cancelled: "cancelled",
  timed_out: "timed_out",
  withdrawn: "handed_back",
  stale: "lost",
  lost_with_broker: "lost",
  lease: "lost",
  drain: "handed_back",
};

export class Agent extends Session {
  /** Attempts the pool will have in hand in all; say() after a change. */
  slots: number;
  draining = false;
  readonly #self: AgentSelf;
  readonly #user: AgentUser;
  readonly #attempts = new Map<bigint, Attempt>();
  readonly #highest = new Map<string, bigint>();
  #outbox: Encoded[] = [];
  #outputWaits = 0;
  #leaseFrom = 0;
  #beats: { sequence: number; at: number }[] = [];
  #beatAt = 0;
  #beatInMessage = false;
  #lookAt = Infinity;
  #lookedAt = 0;

  constructor(self: AgentSelf, slots: number, random: () => number, user: AgentUser) {
    super(random, (news) => {
      user.news(news);
    });
    this.#self = self;
    this.#user = user;
    this.slots = slots;
  }

  /** Attempts that have no outcome yet. */
  get busy(): number {
    let count = 0;
    for (const attempt of this.#attempts.values()) {
      count += attempt.phase === "done" ? 0 : 1;
    }
    return count;
  }

  /** Attempts whose outcome is not confirmed, those without one included. */
  get inHand(): number {
    return this.#attempts.size;
  }

  /* ---- what executors say ---- */

  /** An executor has begun with it. */
  started(fence: bigint, now: Now): void {
    const attempt = this.#attempts.get(fence);
    if (attempt?.phase !== "waiting") {
      return;
    }
    attempt.phase = "running";
    const { runTimeoutMs } = attempt.assignment;
    attempt.endBy = runTimeoutMs > 0 ? now.mono + runTimeoutMs : Infinity;
    this.#say("started", attempt, {});
  }

  progress(fence: bigint, fraction: number, text: string): void {
    const attempt = this.#attempts.get(fence);
    if (attempt?.phase === "running") {
      const record: RecordOf<"progress"> = {
        progress_ppm: Math.round(Math.min(Math.max(fraction, 0), 1) * 1e6),
      };
      if (text !== "") {
        record.progress_text = text;
      }
      this.#say("progress", attempt, record);
    }
  }

  /** A piece of output, at most 16 KiB; dropped while too much of it waits. */
  partial(fence: bigint, data: Uint8Array): void {
    const attempt = this.#attempts.get(fence);
    if (attempt?.phase !== "running") {
      return;
    }
    if (this.state === "open" && this.#outputWaits < OUTPUT_WAITS_MAX) {
      this.#outputWaits += data.length;
      this.#say("partial", attempt, { offset: attempt.offset, data });
    }
    attempt.offset += data.length;
  }

  checkpoint(fence: bigint, data: Uint8Array): void {
    const attempt = this.#attempts.get(fence);
    if (attempt?.phase === "running") {
      this.#say("checkpoint", attempt, { data });
    }
  }

  /** It has ended; kept and sent again until the broker confirms it. */
  ended(fence: bigint, ending: Ending): void {
    const attempt = this.#attempts.get(fence);
    if (attempt === undefined || attempt.phase === "done") {
      return;
    }
    const bytes = ending.result?.length ?? 0;
    if (attempt.stopped !== undefined && ending.kind !== "succeeded") {
      this.#end(attempt, { ...ending, kind: OF_STOP[attempt.stopped] });
    } else if (ending.kind === "succeeded" && bytes > this.limits.resultBytes) {
      const most = this.limits.resultBytes;
      const text = `the result has ${bytes} bytes; the broker takes at most ${most}`;
      this.#end(attempt, { ...ending, kind: "failed", text });
    } else {
      this.#end(attempt, ending);
    }
  }

  /** Give back what has not ended, as after a drain; what runs is killed. */
  handBack(): void {
    for (const attempt of this.#attempts.values()) {
      if (attempt.phase === "waiting") {
        this.#end(attempt, { kind: "handed_back", neverStarted: true });
      } else if (attempt.phase === "running") {
        attempt.stopped ??= "drain";
        this.#user.kill(attempt.assignment.fence);
      }
    }
  }

  /** Say slots and draining with a heartbeat at once. */
  say(): void {
    this.#beatAt = 0;
  }

  /* ---- time ---- */

  override tick(now: Now): void {
    super.tick(now);
    this.#lookedAt = now.mono;
    this.#lookAt = this.busy > 0 ? now.mono + LOOK_MS : Infinity;
    const leaseEnd = this.#leaseEnd();
    for (const attempt of this.#attempts.values()) {
      if (attempt.phase === "done") {
        continue;
      }
      if (now.mono >= leaseEnd) {
        this.#loseLease(attempt);
      } else if (attempt.phase === "waiting" && now.mono >= attempt.startBy) {
        this.#end(attempt, { kind: "handed_back", neverStarted: true });
      } else if (attempt.phase === "running" && now.mono >= attempt.endBy) {
        this.#stop(attempt, "timed_out", this.limits.graceMs);
      }
    }
  }

  override wake(): number {
    let at = Math.min(super.wake(), this.#lookAt);
    const leaseEnd = this.#leaseEnd();
    for (const attempt of this.#attempts.values()) {
      if (attempt.phase === "waiting") {
        at = Math.min(at, attempt.startBy);
      } else if (attempt.phase === "running") {
        at = Math.min(at, attempt.endBy);
      }
      if (attempt.phase !== "done" && leaseEnd > this.#lookedAt) {
        at = Math.min(at, leaseEnd);
      }
    }
    return at;
  }

  /* ---- for Session ---- */

  protected override hello(now: Now): RecordOf<"hello"> {
    const { realm, name, incarnation, host, pid, program } = this.#self;
    const held = [...this.#attempts.values()].map((attempt) => ({
      id: attempt.assignment.id,
      fence: attempt.assignment.fence,
      pool: POOL,
      started: attempt.phase !== "waiting" ? true : undefined,
    }));
    this.#beatAt = now.mono + this.limits.heartbeatMs;
    this.#beatInMessage = true;
    return {
      kind: 2,
      name,
      host,
      pid,
      program,
      incarnation,
      pools: [this.#pool(realm)],
      held: held.length > 0 ? held : undefined,
      outcomes: this.inHand - this.busy || undefined,
      draining: this.draining || undefined,
    } as RecordOf<"hello">;
  }

  protected override heartbeat(): Encoded {
    const fences = [...this.#attempts.keys()].sort((a, b) => (a < b ? -1 : 1));
    this.#beatInMessage = true;
    return encodeCommand("heartbeat", 0, {
      pools: [this.#pool(this.#self.realm)],
      held: fences.length > 0 ? fences : undefined,
      draining: this.draining || undefined,
    } as RecordOf<"heartbeat">);
  }

  protected override heartbeatAt(): number {
    return this.#beatAt;
  }

  protected override expects(): boolean {
    return true;
  }

  protected override onOpen(now: Now): void {
    this.#beatAt = now.mono + this.limits.heartbeatMs;
    for (const attempt of this.#attempts.values()) {
      if (attempt.outcome !== undefined) {
        this.#post(attempt.outcome);
      }
    }
  }

  protected override onSent(sequence: number, now: Now): void {
    if (this.#beatInMessage) {
      this.#beatInMessage = false;
      this.#beatAt = now.mono + this.limits.heartbeatMs;
      this.#beats.push({ sequence, at: now.mono });
    }
  }

  protected override onAcked(sequence: number): void {
    while (this.#beats[0] !== undefined && this.#beats[0].sequence <= sequence) {
      this.#leaseFrom = this.#beats[0].at;
      this.#beats.shift();
    }
  }

  protected override fill(batch: Batch, now: Now): void {
    if (now.mono >= this.#beatAt) {
      batch.add(this.heartbeat());
    }
    let at = 0;
    for (const command of this.#outbox) {
      if (!batch.takes(command)) {
        break;
      }
      batch.add(command);
      at++;
    }
    if (at > 0) {
      this.#outbox.splice(0, at);
    }
    if (this.#outbox.length === 0) {
      this.#outputWaits = 0;
    }
  }

  protected override onCommand(command: Command, now: Now): void {
    if (command.fault !== undefined) {
      return; /* What is given and cannot be read is given to another in time. */
    }
    if (command.name === "assign") {
      this.#onAssign(command.record as RecordOf<"assign">, now);
    } else if (command.name === "stop") {
      this.#onStop(command.record as RecordOf<"stop">);
    } else if (command.name === "confirm") {
      const { fence } = command.record as RecordOf<"confirm">;
      this.#attempts.delete(fence ?? 0n);
    }
  }

  protected override rewind(): void {
    this.#outbox = [];
    this.#outputWaits = 0;
    this.#beats = [];
  }

  /* ---- inside ---- */

  #pool(realm: string | undefined): RecordOf<"pool"> {
    const { queues } = this.#self;
    const pool: RecordOf<"pool"> = { pool: POOL, slots: this.slots, queues };
    if (realm !== undefined) {
      pool.realm = realm;
    }
    return pool;
  }

  #leaseEnd(): number {
    const { leaseMs } = this.limits;
    if (leaseMs === 0) {
      return Infinity;
    }
    return this.#leaseFrom + leaseMs - Math.min(MARGIN_MS_MAX, leaseMs / 4);
  }

  /* Is the fence above all that were taken for that job? Then it is taken now. */
  #take(id: Uint8Array, fence: bigint): boolean {
    const job = Buffer.from(id).toString("latin1");
    if (fence <= (this.#highest.get(job) ?? 0n)) {
      return false;
    }
    this.#highest.delete(job);
    this.#highest.set(job, fence);
    if (this.#highest.size > FENCES_KEPT) {
      for (const oldest of this.#highest.keys()) {
        this.#highest.delete(oldest);
        break;
      }
    }
    return true;
  }

  #onAssign(record: RecordOf<"assign">, now: Now): void {
    const { id, fence } = record;
    if (id === undefined || fence === undefined || !this.#take(id, fence)) {
      return; /* Taken already, or older than one that was. */
    }
    const assignment: Assignment = {
      id,
      fence,
      realm: record.realm ?? "default",
      queue: record.queue ?? "",
      key: record.key ?? new Uint8Array(),
      attempt: record.attempt ?? 1,
      attemptsMax: record.attempts_max ?? 0,
      payload: record.payload ?? new Uint8Array(),
      checkpoint: record.checkpoint,
      runTimeoutMs: record.run_timeout_ms ?? 0,
    };
    const attempt: Attempt = {
      assignment,
      phase: "waiting",
      startBy: record.start_within_ms ? now.mono + record.start_within_ms : Infinity,
      endBy: Infinity,
      stopped: undefined,
      outcome: undefined,
      offset: 0,
    };
    this.#attempts.set(fence, attempt);
    this.#lookAt = Math.min(this.#lookAt, now.mono + LOOK_MS);
    this.#user.run(assignment);
  }

  #onStop(record: RecordOf<"stop">): void {
    const { id, fence } = record;
    if (id === undefined || fence === undefined) {
      return;
    }
    const attempt = this.#attempts.get(fence);
    if (attempt === undefined) {
      if (this.#take(id, fence)) {
        /* It never came: say so, and never run it. */
        const kind = numberOf(OUTCOMES, "handed_back");
        this.#post({ id, fence, kind, never_started: true });
      }
      return;
    }
    const reason = STOP_REASONS[(record.reason ?? 1) - 1] ?? "cancelled";
    if (attempt.phase === "waiting") {
      this.#end(attempt, { kind: "handed_back", neverStarted: true });
    } else if (attempt.phase === "running") {
      if (reason === "withdrawn") {
        this.#say("started", attempt, {});
      } else {
        this.#stop(attempt, reason, record.grace_ms ?? this.limits.graceMs);
      }
    }
  }

  #stop(attempt: Attempt, reason: StopReason, graceMs: number): void {
    attempt.endBy = Infinity;
    if (attempt.stopped === undefined) {
      attempt.stopped = reason;
      this.#user.stop(attempt.assignment.fence, reason, graceMs);
    }
  }

  #loseLease(attempt: Attempt): void {
    if (attempt.phase === "waiting") {
      this.#end(attempt, { kind: "handed_back", neverStarted: true });
    } else if (attempt.stopped !== "lease") {
      attempt.stopped = "lease";
      this.#user.kill(attempt.assignment.fence);
    }
  }

  #end(attempt: Attempt, ending: Ending): void {
    const { id, fence } = attempt.assignment;
    const record = {
      id,
      fence,
      kind: numberOf(OUTCOMES, ending.kind),
      result: ending.kind === "succeeded" ? ending.result : undefined,
      exit_status: ending.exitStatus,
      signal: ending.signal || undefined,
      text: ending.text || undefined,
      output: ending.output?.length ? ending.output : undefined,
      snooze_ms: ending.kind === "snoozed" ? ending.snoozeMs : undefined,
      never_started: ending.neverStarted || undefined,
      run_ms: ending.runMs,
    } as RecordOf<"outcome">;
    if (attempt.phase === "waiting") {
      this.#user.withdraw(fence);
    }
    attempt.phase = "done";
    attempt.outcome = record;
    this.#post(record);
  }

  #post(record: RecordOf<"outcome">): void {
    if (this.state === "open") {
      this.#outbox.push(encodeCommand("outcome", 0, record, this.limits.inlineBytes));
    }
  }

  #say(
    name: "started" | "progress" | "partial" | "checkpoint",
    attempt: Attempt,
    record: object,
  ): void {
    if (this.state === "open") {
      const { id, fence } = attempt.assignment;
      this.#outbox.push(encodeCommand(name, 0, { id, fence, ...record }));
    }
  }
}
