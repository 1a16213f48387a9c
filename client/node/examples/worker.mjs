// A worker with three handlers: counts words with progress, refuses what is no text,
// and stops when it is told to.
//
//   node worker.mjs                                       by itself, or
//   ganger-worker --queue 'words' --coprocess -- node worker.mjs
import { setTimeout as sleep } from "node:timers/promises";

import { Reject, Snooze, work } from "ganger/worker";

await work(
  {
    words: (job) => {
      const text = job.text();
      if (text.includes("\uFFFD")) {
        throw new Reject("the payload is not UTF-8");
      }
      const lines = text.split("\n");
      let count = 0;
      lines.forEach((line, at) => {
        count += line.split(/\s+/).filter(Boolean).length;
        job.progress((at + 1) / lines.length, `${at + 1} of ${lines.length} lines`);
      });
      return { count };
    },
    // Waits as many milliseconds as it is told; a cancel ends it at once.
    wait: async (job) => {
      await sleep(Number(job.text()), undefined, { signal: job.signal });
      return "waited";
    },
    // Not before the hour has come; until then no attempt is used up.
    later: (job) => {
      if (Date.now() < Number(job.text())) {
        throw new Snooze(100, "too early");
      }
      return "now";
    },
  },
  { slots: 2 },
);
