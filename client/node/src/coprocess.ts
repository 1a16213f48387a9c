/* coprocess.ts - handlers as a co-process of ganger-worker: job after job as framed
 * lines on standard input and output (worker/COPROCESS.md).
 *
 *     ganger-worker --queue upper --coprocess -- node upper.mjs
 */
import { writeSync } from "node:fs";

import { isExecutor } from "./executor.js";
import { JobContext, runHandler } from "./handler.js";
import type { Handlers, JobFacts, Mouth, Verdict } from "./handler.js";

const NEWLINE = 0x0a;

/** Takes bytes as they come and gives lines and pieces of a known length. */
class Input {
  #held: Buffer = Buffer.alloc(0);
  readonly #chunks: AsyncIterator<Buffer>;

  constructor(stream: AsyncIterable<Buffer>) {
    this.#chunks = stream[Symbol.asyncIterator]();
  }

  async #more(): Promise<boolean> {
    const next = await this.#chunks.next();
    if (next.done === true) {
      return false;
    }
    const rest = next.value;
    this.#held = this.#held.length === 0 ? rest : Buffer.concat([this.#held, rest]);
    return true;
  }

  /** The next line without its end; undefined at the end of input. */
  async line(): Promise<Buffer | undefined> {
    let looked = 0;
    for (;;) {
      const at = this.#held.indexOf(NEWLINE, looked);
      if (at >= 0) {
        const line = this.#held.subarray(0, at);
        this.#held = this.#held.subarray(at + 1);
        return line;
      }
      looked = this.#held.length;
      if (!(await this.#more())) {
        return undefined;
      }
    }
  }

  /** Exactly `count` bytes; undefined when the input ends before. */
  async bytes(count: number): Promise<Buffer | undefined> {
    const parts: Buffer[] = [];
    let missing = count;
    for (;;) {
      const part = this.#held.subarray(0, missing);
      this.#held = this.#held.subarray(part.length);
      parts.push(part);
      missing -= part.length;
      if (missing === 0) {
        return Buffer.concat(parts);
      }
      if (!(await this.#more())) {
        return undefined;
      }
    }
  }
}

/* A value of the header: %XX stands for a byte. */
function decode(value: Buffer): Buffer {
  const text = value.toString("latin1");
  return Buffer.from(
    text.replace(/%([0-9A-Fa-f]{2})/g, (_, hex: string) =>
      String.fromCharCode(parseInt(hex, 16)),
    ),
    "latin1",
  );
}

/* Bytes for a line: it may hold none that end it. */
function oneLine(data: Uint8Array | string): Uint8Array {
  return Buffer.from(data as Uint8Array).map((byte) =>
    byte === NEWLINE ? 0x20 : byte,
  );
}

function factsOf(fields: ReadonlyMap<string, Buffer>, payload: Buffer): JobFacts {
  const text = (name: string): string => fields.get(name)?.toString("utf8") ?? "";
  const deadline = text("deadline");
  return {
    id: text("id"),
    realm: text("realm") || "default",
    queue: text("queue"),
    key: fields.get("key") ?? Buffer.alloc(0),
    attempt: Number(text("attempt") || 1),
    attempts: Number(text("attempts") || 0),
    fence: BigInt(text("fence") || 0),
    deadline: deadline === "" ? undefined : Date.parse(deadline),
    payload,
    checkpoint: fields.get("checkpoint"),
  };
}

async function readJob(input: Input): Promise<JobFacts | undefined> {
  const first = await input.line();
  if (first === undefined) {
    return undefined;
  }
  const size = Number(/^job (\d+)$/.exec(first.toString("latin1"))?.[1] ?? NaN);
  const fields = new Map<string, Buffer>();
  for (;;) {
    const line = await input.line();
    if (line === undefined || line.length === 0) {
      break;
    }
    const at = line.indexOf("=");
    fields.set(line.toString("latin1", 0, at), decode(line.subarray(at + 1)));
  }
  const payload = Number.isNaN(size) ? undefined : await input.bytes(size);
  const end = await input.bytes(1);
  if (payload === undefined || end === undefined) {
    return undefined;
  }
  return factsOf(fields, payload);
}

/* Whole, although standard output may be a pipe that is full. */
function writeAll(bytes: Buffer): void {
  let at = 0;
  while (at < bytes.length) {
    try {
      at += writeSync(1, bytes, at);
    } catch (err) {
      if ((err as NodeJS.ErrnoException).code !== "EAGAIN") {
        throw err;
      }
      Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, 1);
    }
  }
}

function say(word: string, rest?: Uint8Array | string): void {
  const parts: Uint8Array[] = [Buffer.from(word)];
  if (rest !== undefined && rest.length > 0) {
    parts.push(Buffer.from(" "), oneLine(rest));
  }
  writeAll(Buffer.concat([...parts, Buffer.from("\n")]));
}

function sayVerdict(verdict: Verdict): void {
  if (verdict.kind === "succeeded") {
    const { result } = verdict;
    const head = Buffer.from(`ok ${result.length}\n`);
    writeAll(Buffer.concat([head, result, Buffer.from("\n")]));
  } else if (verdict.kind === "snoozed") {
    say(`snooze ${verdict.snoozeMs}ms`);
  } else {
    say(verdict.kind === "rejected" ? "reject" : "fail", verdict.text);
  }
}

/** Was this process started by `ganger-worker --coprocess`? */
export function isCoprocess(): boolean {
  /* A program per attempt has the job in its environment. */
  const { GANGER_CHILD: child, GANGER_JOB_ID: job } = process.env;
  return child !== undefined && job === undefined;
}

/* Standard output is the protocol's: what is printed goes to standard error. At once,
 * before the program that imports this has printed anything. */
function divert(): void {
  process.stdout.write = process.stderr.write.bind(process.stderr);
}

if (isCoprocess() && !isExecutor()) {
  divert();
}

/**
 * Serve `ganger-worker --coprocess` until it closes the input. What handlers print goes
 * to standard error: standard output is the protocol's.
 */
export async function serveCoprocess(handlers: Handlers): Promise<void> {
  divert();
  let abort: AbortController | undefined;
  process.on("SIGTERM", () => {
    abort?.abort(new Error("the attempt is to stop"));
  });
  const mouth: Mouth = {
    progress: (fraction, text) => {
      const part = Math.min(Math.max(fraction, 0), 1).toFixed(6);
      say(`progress ${part}`, text);
    },
    partial: (data) => {
      const text = data.toString("latin1").replace(/\n$/, "");
      text.split("\n").forEach((line) => {
        say("partial", Buffer.from(line, "latin1"));
      });
    },
    checkpoint: (data) => {
      say("checkpoint", data);
    },
  };
  const input = new Input(process.stdin);
  say("ready 1");
  for (;;) {
    const facts = await readJob(input);
    if (facts === undefined) {
      return;
    }
    abort = new AbortController();
    const job = new JobContext(facts, mouth, abort.signal);
    sayVerdict(await runHandler(handlers, job));
    abort = undefined;
  }
}
