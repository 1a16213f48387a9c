/* worker.ts - the worker's side of the package: an agent in this process, handlers in
 * child processes of it, so that no handler can keep a heartbeat from being sent. */
import { pathToFileURL } from "node:url";

import { Agent } from "./agent.js";
import type { Assignment } from "./agent.js";
import { bootClock } from "./bootclock.js";
import { isCoprocess, serveCoprocess } from "./coprocess.js";
import { Engine, HOST } from "./engine.js";
import { GangerError, usage } from "./errors.js";
import type { ErrorCode } from "./errors.js";
import { isExecutor, serveAgent } from "./executor.js";
import type { Handlers, JobFacts } from "./handler.js";
import { idText } from "./job.js";
import { readEndpoint, readKeys, resolveEndpoint } from "./keys.js";
import type { KeyOptions } from "./keys.js";
import type { News } from "./session.js";
import { Staff } from "./staff.js";
import { PROGRAM } from "./version.js";

export { JobContext, Reject, Snooze } from "./handler.js";
export type { Handler, Handlers, Result } from "./handler.js";
export { serveCoprocess as coprocess } from "./coprocess.js";
export { GangerError } from "./errors.js";

/** What happens to a worker; for logs. */
export type WorkerEvent =
  | { event: "connected"; endpoint: string; epoch: bigint }
  | { event: "disconnected"; code: ErrorCode; text: string }
  | { event: "paused"; pauseMs: number; text: string }
  | { event: "opened" };

export interface WorkerOptions extends KeyOptions {
  /** The broker; without it $GANGER_BROKER, else tcp://127.0.0.1:7440. */
  endpoint?: string;
  /** Name of the agent, unique among those connected; made from host and pid else. */
  name?: string;
  realm?: string;
  /** Attempts at a time: so many executors are started. 1 without it. */
  slots?: number;
  /** What runs when the worker closes may take this long; 30,000 ms without it. */
  drainMs?: number;
  /** Told what happens. */
  onEvent?: (event: WorkerEvent) => void;
}

const SLOTS_MAX = 1000;
const CONFIRM_MS = 5000; /* For outcomes to be confirmed when the worker closes. */

/**
 * A worker: takes jobs of the queues and runs them with the handlers that a module
 * exports as its default, in executors that are child processes.
 */
export class Worker {
  readonly #engine: Engine<Agent>;
  readonly #agent: Agent;
  readonly #staff: Staff;
  readonly #options: WorkerOptions;
  readonly #endpoint: string;
  readonly #slots: number;
  readonly #welcomed: Promise<void>;
  #welcome: () => void = () => undefined;
  #redirected = false;
  #connected = false;
  #closing: Promise<void> | undefined;
  #onChange: (() => void) | undefined;

  /**
   * `module`: URL of the module with the handlers; `queues`: names or patterns of the
   * queues to serve. Throws `usage` or `config`.
   */
  constructor(module: URL | string, queues: readonly string[], options: WorkerOptions) {
    const { slots = 1 } = options;
    if (!Number.isInteger(slots) || slots < 1 || slots > SLOTS_MAX) {
      throw usage(`slots is ${slots}; it should be 1 to ${SLOTS_MAX}`);
    }
    if (queues.length === 0) {
      throw usage("a worker needs a queue to serve");
    }
    this.#options = options;
    this.#slots = slots;
    this.#endpoint = readEndpoint(options.endpoint);
    this.#welcomed = new Promise((resolve) => {
      this.#welcome = resolve;
    });
    this.#agent = this.#makeAgent(queues, slots);
    const clock = bootClock();
    this.#staff = this.#makeStaff(String(module), slots, clock);
    this.#engine = new Engine(
      this.#agent,
      this.#endpoint,
      readKeys(options),
      {
        onTick: () => {
          this.#onChange?.();
        },
        onTrouble: (why) => {
          this.#onTrouble(why.code, why.text);
        },
        needed: () => true,
      },
      clock,
    );
    this.#staff.open();
    this.#engine.start();
  }

  /** Resolves when a broker has taken the worker for the first time. */
  ready(): Promise<void> {
    return this.#welcomed;
  }

  /** Attempts that run or wait for an executor. */
  get busy(): number {
    return this.#agent.busy;
  }

  /**
   * Take nothing more, let what runs end within `drainMs`, hand the rest back, say
   * goodbye. A second call waits for the first.
   */
  close(): Promise<void> {
    this.#closing ??= this.#drain();
    return this.#closing;
  }

  #makeAgent(queues: readonly string[], slots: number): Agent {
    const self = {
      name: this.#options.name ?? `node-${HOST}-${process.pid}`.slice(0, 64),
      incarnation: BigInt(Date.now()),
      host: HOST,
      pid: process.pid,
      program: PROGRAM,
      realm: this.#options.realm,
      queues,
    };
    return new Agent(self, slots, Math.random, {
      run: (assignment) => {
        this.#staff.run(assignment.fence, factsOf(assignment));
      },
      stop: (fence, reason, graceMs) => {
        this.#staff.stop(fence, reason, graceMs);
      },
      kill: (fence) => {
        this.#staff.kill(fence);
      },
      withdraw: (fence) => {
        this.#staff.withdraw(fence);
      },
      news: (news) => {
        this.#onNews(news);
      },
    });
  }

  #makeStaff(
    module: string,
    slots: number,
    clock: ReturnType<typeof bootClock>,
  ): Staff {
    const agent = this.#agent;
    const then = (): void => {
      this.#engine.poke();
      this.#onChange?.();
    };
    return new Staff(module, slots, {
      started: (fence) => {
        agent.started(fence, clock());
        then();
      },
      progress: (fence, fraction, text) => {
        agent.progress(fence, fraction, text);
        then();
      },
      partial: (fence, data) => {
        agent.partial(fence, data);
        then();
      },
      checkpoint: (fence, data) => {
        agent.checkpoint(fence, data);
        then();
      },
      ended: (fence, ending) => {
        agent.ended(fence, ending);
        then();
      },
      paused: (pauseMs, text) => {
        agent.slots = pauseMs > 0 ? 0 : this.#slots;
        agent.say();
        then();
        this.#options.onEvent?.(
          pauseMs > 0 ? { event: "paused", pauseMs, text } : { event: "opened" },
        );
      },
    });
  }

  #onNews(news: News): void {
    if (!news.opened) {
      this.#engine.refused(news.code, news.text);
      return;
    }
    /* A welcome of the clients' endpoint names that of the agents: no session. */
    const told = news.welcome.agent_endpoint ?? "";
    const { endpoint } = this.#engine.transport;
    const there = told === "" ? endpoint : resolveEndpoint(told, endpoint);
    if (!this.#redirected && there !== endpoint) {
      this.#redirected = true;
      this.#agent.linkDown();
      this.#engine.transport.redirect(there);
      return;
    }
    this.#connected = true;
    this.#welcome();
    const { epoch } = this.#agent;
    this.#options.onEvent?.({ event: "connected", endpoint, epoch });
  }

  #onTrouble(code: ErrorCode, text: string): void {
    if (this.#redirected && !this.#connected) {
      /* The broker may be elsewhere by now: ask where it was first. */
      this.#redirected = false;
      this.#engine.transport.redirect(this.#endpoint);
    }
    if (this.#connected) {
      this.#connected = false;
      this.#options.onEvent?.({ event: "disconnected", code, text });
    }
  }

  async #drain(): Promise<void> {
    const { drainMs = 30000 } = this.#options;
    this.#agent.draining = true;
    this.#agent.say();
    this.#engine.poke();
    await this.#until(() => this.#agent.busy === 0, drainMs);
    this.#agent.handBack();
    this.#engine.poke();
    await this.#until(() => this.#agent.inHand === 0, CONFIRM_MS);
    await this.#staff.close();
    this.#engine.stop();
  }

  /* Resolves when `holds` does, or the time is over. */
  #until(holds: () => boolean, ms: number): Promise<void> {
    return new Promise((resolve) => {
      const done = (): void => {
        clearTimeout(timer);
        this.#onChange = undefined;
        resolve();
      };
      const timer = setTimeout(done, ms);
      this.#onChange = (): void => {
        if (holds()) {
          done();
        }
      };
      this.#onChange();
    });
  }
}

function factsOf(assignment: Assignment): JobFacts {
  const { runTimeoutMs } = assignment;
  return {
    id: idText(assignment.id),
    realm: assignment.realm,
    queue: assignment.queue,
    key: Buffer.from(assignment.key),
    attempt: assignment.attempt,
    attempts: assignment.attemptsMax,
    fence: assignment.fence,
    deadline: runTimeoutMs > 0 ? Date.now() + runTimeoutMs : undefined,
    payload: assignment.payload as Buffer,
    checkpoint: assignment.checkpoint as Buffer | undefined,
  };
}

function log(event: WorkerEvent): void {
  const words = Object.entries(event).map(([name, value]) =>
    name === "text" ? `text="${String(value)}"` : `${name}=${String(value)}`,
  );
  process.stderr.write(`${words.join(" ")}\n`);
}

/**
 * Serve queues with handlers; the whole of a worker program. In the process that you
 * start it is the agent; executors run the same program again and come to the same
 * call, where it serves the agent instead. What stands before the call runs in both.
 * Under `ganger-worker --coprocess` it serves that.
 *
 * Resolves when TERM or INT has come and all is handed over. Rejects with a
 * `GangerError` where the options cannot be.
 */
export async function work(
  handlers: Handlers,
  options: WorkerOptions = {},
): Promise<void> {
  if (isExecutor()) {
    serveAgent(handlers);
    return;
  }
  if (isCoprocess()) {
    await serveCoprocess(handlers);
    return;
  }
  const main = process.argv[1];
  if (main === undefined) {
    throw new GangerError("usage", { text: "work() is to be called by a program" });
  }
  const worker = new Worker(pathToFileURL(main), Object.keys(handlers), {
    onEvent: log,
    ...options,
  });
  await new Promise<void>((resolve) => {
    process.once("SIGTERM", resolve);
    process.once("SIGINT", resolve);
  });
  await worker.close();
}
