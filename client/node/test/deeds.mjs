// deeds.mjs - what the conformance suite's jobs do, by the last part of their queue.
import { once } from "node:events";

import { Reject, Snooze } from "ganger/worker";

const deeds = {
  echo: (job) => job.payload,
  reverse: (job) => Buffer.from(job.payload).reverse(),
  fail: (job) => {
    throw new Error(job.text());
  },
  reject: (job) => {
    throw new Reject(job.text());
  },
  crash: () => {
    process.kill(process.pid, "SIGKILL");
    return new Promise(() => {});
  },
  progress: (job) => {
    job.progress(0.25, "quarter");
    job.partial("one\n");
    job.partial("two\n");
    return "done";
  },
  stop: async (job) => {
    job.progress(0.5, "running");
    if (!job.signal.aborted) {
      await once(job.signal, "abort");
    }
    throw new Error("stopped");
  },
  checkpoint: (job) => {
    if (job.checkpoint !== undefined) {
      return job.checkpoint;
    }
    job.saveCheckpoint(job.payload);
    throw new Error("kept");
  },
  snooze: (job) => {
    if (job.checkpoint !== undefined) {
      return "awake";
    }
    job.saveCheckpoint("slept");
    throw new Snooze(50, "tired");
  },
  describe: (job) => `${job.realm} ${job.queue} ${job.key} ${job.attempt} ${job.id}`,
};

export default {
  "*": (job) => {
    const deed = deeds[job.queue.slice(job.queue.lastIndexOf(".") + 1)];
    if (deed === undefined) {
      throw new Reject("no such deed");
    }
    return deed(job);
  },
};
