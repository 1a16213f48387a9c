/* session.ts - one session with a broker, and no I/O: bytes and time in, bytes and
 * events out. What clients and agents share: hello, sequence numbers, acknowledgements,
 * heartbeats, resets, and when the broker is given up.
 *
 *            link up           hello made           welcome
 *   down ─────────────▶ greet ────────────▶ greeted ────────▶ open
 *    ▲ ▲                  ▲  ▲                  │               │
 *    │ │                  │  └── reset, bye ────┼───────────────┤
 *    │ │                  └──── its time ── paused ◀── reset: hello would not help
 *    │ └─ link lost, or silence: the driver makes a new socket (from every state)
 *
 * Nothing is done because it was sent. What a session had sent and nobody answered goes
 * back in line when the session ends; that is `rewind` of the two users of this class.
 */
import { errorCode } from "./errors.js";
import type { ErrorCode } from "./errors.js";
import type { RecordOf } from "./tables.js";
import {
  PREFIX_BYTES,
  MESSAGE,
  VERSION,
  encodeCommand,
  encodeMessage,
  readCommands,
  readHeader,
} from "./wire.js";
import type { Command, Encoded } from "./wire.js";

/** A moment: `mono` never jumps (ms since some start), `wall` is ms since 1970. */
export interface Now {
  mono: number;
  wall: number;
}

export type SessionState = "down" | "greet" | "greeted" | "open" | "paused";

/** What the session's user is told: opened, or why not. */
export type News =
  | { opened: true; welcome: RecordOf<"welcome"> }
  | { opened: false; code: ErrorCode; text: string };

/** What the broker allows; before its first welcome, what any broker would. */
export interface Limits {
  frameBytes: number;
  payloadBytes: number;
  resultBytes: number;
  requests: number;
  heartbeatMs: number;
  deadAfterMs: number;
  leaseMs: number;
  graceMs: number;
  inlineBytes: number;
  /** What the broker takes survives it. */
  durable: boolean;
}

const ACK_MS = 50; /* Longest wait for a message that acknowledges by the way. */
const HELLO_MS = 2500; /* Longest wait for welcome of a broker never met, … */
const HELLO_AGAIN_MS = 10000; /* … and of one that many may be coming back to. */
const PAUSE_MS = 1000; /* Before hello again after a refusal, at least … */
const RESET_MS_MIN = 50; /* … and after a hello that did not help, doubling … */
const RESET_MS_MAX = 2000; /* … up to here. */
const BATCH_COMMANDS = 256; /* In one message: more saves nothing, and would lump. */
const BATCH_BYTES = 131072; /* In one message of more than one command. */

/* Hello again does not help at once after these. */
const LASTING: readonly ErrorCode[] = [
  "version",
  "not_allowed",
  "bad_field",
  "too_many",
  "name_taken",
  "closing",
  "busy",
];

/** Gathers the commands of one message up to its bounds. */
export class Batch {
  readonly commands: Buffer[] = [];
  large: Uint8Array | undefined;
  #bytes = PREFIX_BYTES;
  readonly #frameBytes: number;

  constructor(frameBytes: number) {
    this.#frameBytes = frameBytes;
  }

  /** Does `command` still fit? The first one always does. */
  takes(command: Encoded): boolean {
    const bytes = this.#bytes + command.bytes.length;
    return (
      this.commands.length === 0 ||
      (this.commands.length < BATCH_COMMANDS &&
        this.large === undefined &&
        bytes <= BATCH_BYTES &&
        bytes <= this.#frameBytes)
    );
  }

  add(command: Encoded): void {
    this.commands.push(command.bytes);
    this.#bytes += command.bytes.length;
    this.large = command.large;
  }
}

export abstract class Session {
  state: SessionState = "down";
  /** Has any broker ever said welcome? */
  met = false;
  /** Of the broker of this session, or of the last one; 0n before the first. */
  epoch = 0n;
  limits: Limits = {
    frameBytes: 0xffffffff,
    payloadBytes: 0xffffffff,
    resultBytes: 0xffffffff,
    requests: 1,
    heartbeatMs: 10000,
    deadAfterMs: 30000,
    leaseMs: 0,
    graceMs: 0,
    inlineBytes: 16384,
    durable: false,
  };
  /** The broker's wall clock less ours, in ms. */
  clockAheadMs = 0;
  /** Of our messages, what the broker has dealt with. */
  protected peerAcked = 0;
  protected sentSequence = 0;
  protected sentAt = 0;
  /** When the broker was heard last, or first missed. */
  protected quietSince = 0;

  #number = 0n;
  #seenSequence = 0;
  #ackAt = Infinity;
  #greetAt = 0;
  #resets = 0;
  readonly #random: () => number;
  readonly #news: (news: News) => void;

  /** `random` gives numbers from 0 to below 1. */
  constructor(random: () => number, news: (news: News) => void) {
    this.#random = random;
    this.#news = news;
  }

  /* ---- what the two kinds of peer do their own way ---- */

  protected abstract hello(now: Now): RecordOf<"hello">;
  protected abstract heartbeat(): Encoded;
  /** When a heartbeat is due, besides those that acknowledge; Infinity: not. */
  protected abstract heartbeatAt(): number;
  /** Commands that wait to be sent. */
  protected abstract fill(batch: Batch, now: Now): void;
  protected abstract onOpen(now: Now): void;
  protected abstract onCommand(command: Command, now: Now): void;
  /** Is the broker expected to speak? */
  protected abstract expects(): boolean;
  /** A message was made, as number `sequence`. */
  protected abstract onSent(sequence: number, now: Now): void;
  /** The broker has dealt with our messages up to number `sequence`. */
  protected abstract onAcked(sequence: number): void;
  /** The session is over: what is unanswered goes back in line. */
  protected abstract rewind(): void;

  /* ---- what happens ---- */

  /** A connection has been made. */
  linkUp(now: Now): void {
    this.rewind();
    this.state = "greet";
    this.quietSince = now.mono;
  }

  /** The connection is lost, or thrown away. */
  linkDown(): void {
    this.rewind();
    this.state = "down";
  }

  /** A message of one or two frames. False: whoever sent it is no Ganger broker. */
  receive(frames: readonly Buffer[], now: Now): boolean {
    const frame = frames[0];
    const header = frame === undefined ? undefined : readHeader(frame);
    if (frame === undefined || header === undefined) {
      return false;
    }
    if (header.session !== this.#number || this.#number === 0n) {
      return true; /* Late, from a session that is over. */
    }
    const commands = readCommands(frame, frames[1]);
    if (commands === undefined) {
      return false;
    }
    const first = commands[0];
    if (header.type === MESSAGE.welcome) {
      if (this.state === "greeted" && first?.name === "welcome") {
        this.quietSince = now.mono;
        this.#seenSequence = header.sequence;
        this.peerAcked = header.acked;
        this.#onWelcome(first.record as RecordOf<"welcome">, now);
      }
    } else if (header.type === MESSAGE.reset) {
      if ((this.state === "greeted" || this.state === "open") && first !== undefined) {
        this.#onReset(first.record as RecordOf<"reset">, now);
      }
    } else if (this.state === "open") {
      this.#onCommands(header.sequence, header.acked, commands, now);
    }
    return true;
  }

  /** Time has passed. Call it after what has come was received. */
  tick(now: Now): void {
    if (this.state === "paused" && now.mono >= this.#greetAt) {
      this.state = "greet";
    }
  }

  /** The broker has been silent for too long: make a new connection. */
  isDead(now: Now): boolean {
    return now.mono >= this.#deadAt();
  }

  /** When something is to be done at the latest, in ms of `mono`; Infinity: never. */
  wake(): number {
    let at = this.#deadAt();
    if (this.state === "paused") {
      at = Math.min(at, this.#greetAt);
    }
    if (this.state === "open") {
      at = Math.min(at, this.#ackAt, this.heartbeatAt());
    }
    return at;
  }

  /** The next message to be sent, as one or two frames; undefined: not now. */
  next(now: Now): Uint8Array[] | undefined {
    if (this.state === "greet") {
      return [this.#makeHello(now)];
    }
    if (this.state !== "open") {
      return undefined;
    }
    const batch = new Batch(this.limits.frameBytes);
    this.fill(batch, now);
    if (
      batch.commands.length === 0 &&
      now.mono >= Math.min(this.#ackAt, this.heartbeatAt())
    ) {
      batch.add(this.heartbeat());
    }
    if (batch.commands.length === 0) {
      return undefined;
    }
    const frame = this.#message(MESSAGE.commands, batch.commands, now);
    this.onSent(this.sentSequence, now);
    return batch.large === undefined ? [frame] : [frame, batch.large];
  }

  /** A polite end, to be sent last; undefined where there is no session. */
  bye(now: Now): Uint8Array[] | undefined {
    if (this.state !== "open") {
      return undefined;
    }
    const bye = encodeCommand("bye", 0, {});
    return [this.#message(MESSAGE.commands, [bye.bytes], now)];
  }

  /* ---- inside ---- */

  #message(type: number, commands: readonly Buffer[], now: Now): Buffer {
    this.sentSequence++;
    this.sentAt = now.mono;
    this.#ackAt = Infinity;
    const header = {
      type,
      session: this.#number,
      sequence: this.sentSequence,
      acked: this.#seenSequence,
    };
    return encodeMessage(header, commands);
  }

  #makeHello(now: Now): Buffer {
    do {
      const high = BigInt(Math.floor(this.#random() * 0x100000000));
      const low = BigInt(Math.floor(this.#random() * 0x100000000));
      this.#number = (high << 32n) | low;
    } while (this.#number === 0n);
    this.sentSequence = 0;
    this.#seenSequence = 0;
    this.peerAcked = 0;
    this.state = "greeted";
    const record = {
      version_min: VERSION,
      version_max: VERSION,
      epoch: this.epoch === 0n ? undefined : this.epoch,
      now_at: now.wall,
      ...this.hello(now),
    };
    const hello = encodeCommand("hello", 0, record as RecordOf<"hello">);
    const frame = this.#message(MESSAGE.hello, [hello.bytes], now);
    this.onSent(this.sentSequence, now);
    return frame;
  }

  #onWelcome(welcome: RecordOf<"welcome">, now: Now): void {
    const frameBytes = welcome.frame_bytes_max ?? this.limits.frameBytes;
    this.limits = {
      frameBytes,
      payloadBytes: welcome.payload_bytes_max || frameBytes,
      resultBytes: welcome.result_bytes_max || frameBytes,
      requests: welcome.requests_max ?? 1,
      heartbeatMs: welcome.heartbeat_ms ?? this.limits.heartbeatMs,
      deadAfterMs: welcome.dead_after_ms ?? this.limits.deadAfterMs,
      leaseMs: welcome.lease_ms ?? 0,
      graceMs: welcome.grace_ms ?? 0,
      inlineBytes: welcome.inline_bytes_max || 16384,
      durable: welcome.durability === 2,
    };
    if (welcome.now_at) {
      this.clockAheadMs = welcome.now_at - now.wall;
    }
    this.epoch = welcome.epoch ?? 0n;
    this.state = "open";
    this.met = true;
    this.#news({ opened: true, welcome });
    if (this.isOpen()) {
      this.onAcked(this.peerAcked);
      this.onOpen(now);
    }
  }

  /** Unless whoever heard the news has left: it was another endpoint's welcome. */
  isOpen(): boolean {
    return this.state === "open";
  }

  #pause(now: Now, waitMs: number, code: ErrorCode, text: string): void {
    this.rewind();
    this.state = "paused";
    this.#greetAt = now.mono + Math.max(waitMs, PAUSE_MS);
    this.#news({ opened: false, code, text });
  }

  #onReset(reset: RecordOf<"reset">, now: Now): void {
    const code = errorCode(reset.error ?? 0);
    if (LASTING.includes(code)) {
      this.#pause(now, reset.retry_ms ?? 0, code, reset.text ?? "");
      return;
    }
    this.#greetAgain(now);
  }

  /* Hello again: at once for the first time, later and later where it does not help. */
  #greetAgain(now: Now): void {
    this.rewind();
    this.#resets++;
    if (this.#resets === 1) {
      this.state = "greet";
      return;
    }
    const doublings = Math.min(this.#resets - 2, 6);
    const wait = Math.min(RESET_MS_MIN * 2 ** doublings, RESET_MS_MAX);
    this.state = "paused";
    this.#greetAt = now.mono + wait * (1 + this.#random() / 4);
  }

  #onCommands(
    sequence: number,
    acked: number,
    commands: readonly Command[],
    now: Now,
  ): void {
    if (sequence <= this.#seenSequence) {
      return;
    }
    this.quietSince = now.mono;
    if (sequence !== this.#seenSequence + 1) {
      this.#greetAgain(now); /* Something was lost: begin anew. */
      return;
    }
    this.#seenSequence = sequence;
    this.#resets = 0;
    if (acked > this.peerAcked) {
      this.peerAcked = acked;
      this.onAcked(acked);
    }
    let answers = false;
    for (const command of commands) {
      if (this.state !== "open") {
        return;
      }
      if (command.name === "bye") {
        const { text } = command.record as RecordOf<"bye">;
        this.#pause(now, 0, "closing", text ?? "");
        return;
      }
      answers ||= command.name !== "heartbeat";
      this.onCommand(command, now);
    }
    /* A heartbeat is not acknowledged: two that did so would never stop. */
    if (answers) {
      this.#ackAt = Math.min(this.#ackAt, now.mono + ACK_MS);
    }
  }

  #deadAt(): number {
    if (this.state === "greeted") {
      const wait = this.met
        ? Math.min(Math.max(this.limits.deadAfterMs, HELLO_MS), HELLO_AGAIN_MS)
        : HELLO_MS;
      return this.sentAt + wait;
    }
    if (this.state === "open" && this.expects()) {
      return this.quietSince + this.limits.deadAfterMs;
    }
    return Infinity;
  }
}
