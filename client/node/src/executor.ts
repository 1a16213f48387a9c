/* executor.ts - the executor's side: takes one job after another from an agent, as
 * messages of Node's own channel to a child process. */
import { JobContext, runHandler } from "./handler.js";
import type { Handlers, JobFacts, Mouth, Verdict } from "./handler.js";

/** What the agent says. */
export type ToExecutor =
  | { say: "run"; fence: bigint; facts: JobFacts }
  | { say: "stop"; fence: bigint; reason: string }
  | { say: "leave" };

/** What the executor says. */
export type FromExecutor =
  | { say: "ready" }
  | { say: "progress"; fence: bigint; fraction: number; text: string }
  | { say: "partial"; fence: bigint; data: Buffer }
  | { say: "checkpoint"; fence: bigint; data: Buffer }
  | { say: "ended"; fence: bigint; verdict: Verdict };

/** Environment of executors: what tells them from an agent. */
export const EXECUTOR_MARK = "GANGER_NODE_EXECUTOR";

export function isExecutor(): boolean {
  return process.env[EXECUTOR_MARK] === "1" && process.send !== undefined;
}

/* Structured clone gives Uint8Array where a Buffer was sent. */
function buffer(bytes: Uint8Array): Buffer {
  return Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length);
}

/** Serve the agent until it lets go of this process. */
export function serveAgent(handlers: Handlers): void {
  let current: { fence: bigint; abort: AbortController } | undefined;
  const tell = (message: FromExecutor): void => {
    process.send?.(message);
  };
  const run = async (fence: bigint, facts: JobFacts): Promise<void> => {
    const abort = new AbortController();
    current = { fence, abort };
    const mouth: Mouth = {
      progress: (fraction, text) => {
        tell({ say: "progress", fence, fraction, text });
      },
      partial: (data) => {
        tell({ say: "partial", fence, data });
      },
      checkpoint: (data) => {
        tell({ say: "checkpoint", fence, data });
      },
    };
    const whole: JobFacts = {
      ...facts,
      key: buffer(facts.key),
      payload: buffer(facts.payload),
      checkpoint: facts.checkpoint && buffer(facts.checkpoint),
    };
    const verdict = await runHandler(
      handlers,
      new JobContext(whole, mouth, abort.signal),
    );
    current = undefined;
    tell({ say: "ended", fence, verdict });
  };
  process.on("message", (message: ToExecutor) => {
    if (message.say === "run") {
      void run(message.fence, message.facts);
    } else if (message.say === "stop") {
      if (current?.fence === message.fence) {
        current.abort.abort(new Error(`the attempt is to stop: ${message.reason}`));
      }
    } else {
      process.exit(0);
    }
  });
  /* Without its agent nobody may know what it does. */
  process.on("disconnect", () => {
    process.exit(1);
  });
  tell({ say: "ready" });
}
