/* staff.ts - the executors of a worker: child processes that stay warm, one attempt at
 * a time each. One that dies is replaced; when that happens too often, the pool closes
 * for a while and says so.
 *
 * Each is the leader of a process group of its own, which is killed whole. Where there
 * is setpriv (any Linux), the kernel kills it when its agent dies, even if it hangs.
 */
import { spawn } from "node:child_process";
import type { ChildProcess } from "node:child_process";
import { existsSync } from "node:fs";
import { constants } from "node:os";
import { fileURLToPath } from "node:url";

import type { Ending } from "./agent.js";
import { EXECUTOR_MARK } from "./executor.js";
import type { FromExecutor, ToExecutor } from "./executor.js";
import type { JobFacts } from "./handler.js";

const OUTPUT_BYTES_MAX = 8192; /* Of the end of an attempt's output. */
/* More deaths than this within the time close the pool; the pause doubles. */
const DEATHS_MAX = 3;
const DEATHS_MS = 5000;
const PAUSE_MS = 1000;
const PAUSE_MS_MAX = 60000;
const START_MS_MAX = 30000; /* An executor that is not ready by then is killed. */
const SETPRIV = "/usr/bin/setpriv";
const MAIN = fileURLToPath(new URL("./executor-main.js", import.meta.url));

/** What an attempt does and comes to. */
export interface StaffUser {
  started(fence: bigint): void;
  progress(fence: bigint, fraction: number, text: string): void;
  partial(fence: bigint, data: Buffer): void;
  checkpoint(fence: bigint, data: Buffer): void;
  ended(fence: bigint, ending: Ending): void;
  /** The pool has closed for `pauseMs`, or opened again (0). */
  paused(pauseMs: number, why: string): void;
}

interface Executor {
  child: ChildProcess;
  ready: boolean;
  leaving: boolean;
  fence: bigint | undefined;
  since: number;
  tail: Buffer[];
  tailBytes: number;
  killTimer: NodeJS.Timeout | undefined;
}

interface Waiting {
  fence: bigint;
  facts: JobFacts;
}

export class Staff {
  readonly #module: string;
  readonly #slots: number;
  readonly #user: StaffUser;
  readonly #executors = new Set<Executor>();
  #waiting: Waiting[] = [];
  #deaths: number[] = [];
  #pauseMs = 0;
  #pauseTimer: NodeJS.Timeout | undefined;
  #closing = false;
  #onEmpty: (() => void) | undefined;

  /** `module` is the URL of what executors import. */
  constructor(module: string, slots: number, user: StaffUser) {
    this.#module = module;
    this.#slots = slots;
    this.#user = user;
  }

  /** Start the executors. */
  open(): void {
    while (this.#executors.size < this.#slots && this.#pauseTimer === undefined) {
      this.#hire();
    }
  }

  /** Give an attempt to the next executor that is free. */
  run(fence: bigint, facts: JobFacts): void {
    this.#waiting.push({ fence, facts });
    this.#assign();
  }

  /** Forget an attempt that has not been started. */
  withdraw(fence: bigint): void {
    this.#waiting = this.#waiting.filter((one) => one.fence !== fence);
  }

  /** Ask it to end, and kill it after `graceMs`. */
  stop(fence: bigint, reason: string, graceMs: number): void {
    const executor = this.#of(fence);
    if (executor !== undefined) {
      this.#tell(executor, { say: "stop", fence, reason });
      clearTimeout(executor.killTimer);
      executor.killTimer = setTimeout(() => {
        kill(executor);
      }, graceMs);
    }
  }

  kill(fence: bigint): void {
    const executor = this.#of(fence);
    if (executor !== undefined) {
      kill(executor);
    }
  }

  /** Let all executors go; those that are busy are killed. */
  close(): Promise<void> {
    this.#closing = true;
    this.#waiting = [];
    clearTimeout(this.#pauseTimer);
    for (const executor of this.#executors) {
      if (executor.fence !== undefined || !executor.ready) {
        kill(executor);
      } else {
        executor.leaving = true;
        this.#tell(executor, { say: "leave" });
        executor.killTimer = setTimeout(() => {
          kill(executor);
        }, PAUSE_MS);
      }
    }
    if (this.#executors.size === 0) {
      return Promise.resolve();
    }
    return new Promise((resolve) => {
      this.#onEmpty = resolve;
    });
  }

  #of(fence: bigint): Executor | undefined {
    for (const executor of this.#executors) {
      if (executor.fence === fence) {
        return executor;
      }
    }
    return undefined;
  }

  #tell(executor: Executor, message: ToExecutor): void {
    if (executor.child.connected) {
      executor.child.send(message, () => undefined); /* Its death is seen elsewhere. */
    }
  }

  #hire(): void {
    const wrap = existsSync(SETPRIV) ? [SETPRIV, "--pdeathsig", "KILL"] : [];
    const command = [...wrap, process.execPath, MAIN, this.#module];
    const program = command[0] ?? process.execPath;
    const args = command.slice(1);
    const child = spawn(program, args, {
      env: { ...process.env, [EXECUTOR_MARK]: "1" },
      stdio: ["ignore", "pipe", "pipe", "ipc"],
      serialization: "advanced",
      detached: true,
    });
    const executor: Executor = {
      child,
      ready: false,
      leaving: false,
      fence: undefined,
      since: 0,
      tail: [],
      tailBytes: 0,
      killTimer: setTimeout(() => {
        kill(executor);
      }, START_MS_MAX),
    };
    this.#executors.add(executor);
    child.stdout?.on("data", (data: Buffer) => {
      keep(executor, data);
      process.stdout.write(data);
    });
    child.stderr?.on("data", (data: Buffer) => {
      keep(executor, data);
      process.stderr.write(data);
    });
    child.on("message", (message) => {
      this.#onMessage(executor, message as FromExecutor);
    });
    child.on("error", (err) => {
      if (child.pid === undefined) {
        this.#onGone(executor, null, null, err.message);
      }
    });
    child.on("close", (code, signal) => {
      this.#onGone(executor, code, signal, "");
    });
  }

  #assign(): void {
    for (const executor of this.#executors) {
      const next = this.#waiting[0];
      if (next === undefined) {
        return;
      }
      if (executor.ready && !executor.leaving && executor.fence === undefined) {
        this.#waiting.shift();
        executor.fence = next.fence;
        executor.since = performance.now();
        executor.tail = [];
        executor.tailBytes = 0;
        this.#tell(executor, { say: "run", fence: next.fence, facts: next.facts });
        this.#user.started(next.fence);
      }
    }
  }

  #onMessage(executor: Executor, message: FromExecutor): void {
    if (message.say === "ready") {
      clearTimeout(executor.killTimer);
      executor.ready = true;
      this.#pauseMs = 0;
      this.#assign();
    } else if (message.fence === executor.fence) {
      if (message.say === "progress") {
        this.#user.progress(message.fence, message.fraction, message.text);
      } else if (message.say === "partial") {
        this.#user.partial(message.fence, message.data);
      } else if (message.say === "checkpoint") {
        this.#user.checkpoint(message.fence, message.data);
      } else {
        const { fence, verdict } = message;
        /* What it printed before may still be in the pipe: read that first. */
        setImmediate(() =>
          setImmediate(() => {
            if (executor.fence === fence) {
              this.#release(executor, verdict);
            }
          }),
        );
      }
    }
  }

  /* Its attempt has ended; it is free for the next. */
  #release(executor: Executor, ending: Ending): void {
    const { fence } = executor;
    if (fence === undefined) {
      return;
    }
    clearTimeout(executor.killTimer);
    executor.fence = undefined;
    const runMs = Math.round(performance.now() - executor.since);
    const output = Buffer.concat(executor.tail).subarray(-OUTPUT_BYTES_MAX);
    this.#user.ended(fence, { ...ending, runMs, output });
    this.#assign();
  }

  #onGone(
    executor: Executor,
    code: number | null,
    signal: NodeJS.Signals | null,
    why: string,
  ): void {
    if (!this.#executors.delete(executor)) {
      return;
    }
    clearTimeout(executor.killTimer);
    const wasBusy = executor.fence !== undefined;
    if (wasBusy && signal !== null) {
      const number = constants.signals[signal];
      const text = `the executor was ended by ${signal}`;
      this.#release(executor, { kind: "crashed", signal: number, text });
    } else if (wasBusy) {
      const text = `the executor ended with exit status ${code ?? 0}`;
      this.#release(executor, { kind: "failed", exitStatus: code ?? 0, text });
    }
    if (this.#closing) {
      if (this.#executors.size === 0) {
        this.#onEmpty?.();
      }
      return;
    }
    if (!executor.ready || (!wasBusy && !executor.leaving)) {
      this.#noteDeath(why || lastLine(executor) || `exit status ${code ?? 0}`);
    }
    this.open();
  }

  /* Executors that die without a job, or before they are ready, use up a budget. */
  #noteDeath(why: string): void {
    const now = performance.now();
    this.#deaths = this.#deaths.filter((at) => now - at < DEATHS_MS);
    this.#deaths.push(now);
    if (this.#deaths.length > DEATHS_MAX && this.#pauseTimer === undefined) {
      this.#deaths = [];
      this.#pauseMs = Math.min(2 * this.#pauseMs || PAUSE_MS, PAUSE_MS_MAX);
      this.#user.paused(this.#pauseMs, why);
      this.#pauseTimer = setTimeout(() => {
        this.#pauseTimer = undefined;
        this.#user.paused(0, "");
        this.open();
      }, this.#pauseMs);
    }
  }
}

function kill(executor: Executor): void {
  const { pid } = executor.child;
  if (pid !== undefined) {
    try {
      process.kill(-pid, "SIGKILL"); /* Its whole group. */
    } catch {
      executor.child.kill("SIGKILL"); /* It has no group yet, or is gone. */
    }
  }
}

function keep(executor: Executor, data: Buffer): void {
  executor.tail.push(data);
  executor.tailBytes += data.length;
  while (executor.tailBytes - (executor.tail[0]?.length ?? 0) >= OUTPUT_BYTES_MAX) {
    executor.tailBytes -= executor.tail.shift()?.length ?? 0;
  }
}

function lastLine(executor: Executor): string {
  const text = Buffer.concat(executor.tail).toString("utf8").trim();
  const errors = text.split("\n").filter((line) => /Error|error/.test(line));
  return errors[0] ?? text.slice(text.lastIndexOf("\n") + 1);
}
