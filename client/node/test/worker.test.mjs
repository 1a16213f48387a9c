// The worker's side against a real broker: as an agent, and as a co-process.
import assert from "node:assert/strict";
import { writeFileSync, mkdtempSync, rmSync } from "node:fs";
import { join } from "node:path";
import { after, before, test } from "node:test";

import { Client, GangerError } from "ganger";
import { Worker } from "ganger/worker";
import { Broker, Process, agent, within } from "./stage.mjs";

const deeds = new URL("./deeds.mjs", import.meta.url);
// Beside this file, so that "ganger" is found.
const folder = mkdtempSync(new URL("./made-", import.meta.url).pathname);

let broker;
let client;

before(async () => {
  broker = await Broker.start();
  client = new Client({ endpoint: broker.endpoint });
});

after(async () => {
  await client?.close();
  await broker?.stop();
  rmSync(folder, { recursive: true });
});

function script(name, text) {
  const file = join(folder, name);
  writeFileSync(file, text);
  return file;
}

const start = (file, ...args) =>
  new Process(process.execPath, [file, ...args], {
    env: { ...process.env, GANGER_BROKER: broker.endpoint },
  });

test("work() in a small program serves its queue, and ends at TERM", async () => {
  const file = script(
    "upper.mjs",
    `import { work } from "ganger/worker";
     await work({ "up?er": (job) => job.text().toUpperCase() }, { slots: 2 });
     console.error("ended by itself");`,
  );
  const worker = start(file);
  await worker.line(/event=connected/);
  const jobs = ["a", "b", "c"].map((text) => client.run("upper", text));
  const texts = (await Promise.all(jobs)).map((job) => job.text());
  assert.deepEqual(texts, ["A", "B", "C"]);
  assert.equal(await worker.end(), 0);
  assert.ok(worker.said.includes("ended by itself"));
});

test("the same program is a co-process of ganger-worker", async () => {
  const seen = join(folder, "progress-was-seen");
  const file = script(
    "both.mjs",
    `import { existsSync } from "node:fs";
     import { setTimeout } from "node:timers/promises";
     import { Reject, work } from "ganger/worker";
     console.log("this goes to the log");
     await work({
       upper: async (job) => {
         job.progress(0.5, "half");
         job.partial("one\\ntwo\\n");
         while (!existsSync(${JSON.stringify(seen)})) { await setTimeout(5); }
         return job.text().toUpperCase();
       },
       no: () => { throw new Reject("not this\\none"); },
       boom: () => { throw new Error("boom"); },
       kept: (job) => {
         if (job.checkpoint) { return job.checkpoint; }
         job.saveCheckpoint("ü");
         throw new Error("again");
       },
       facts: (job) => [job.id, job.queue, job.key, job.attempt, String(job.fence)],
     });`,
  );
  const options = ["--slots", "2", "--coprocess", "--queue", "*"];
  const worker = await agent(
    broker.endpoint,
    "upper",
    [process.execPath, file],
    ...options,
  );
  const news = [];
  const job = await client.run("upper", "x\n\0y", {
    onProgress: (one) => {
      news.push(one);
      // A job that ends before anyone looks has no progress to show.
      const kinds = new Set(news.map((each) => each.kind));
      if (kinds.has("progress") && kinds.has("partial")) {
        writeFileSync(seen, "");
      }
    },
    partial: true,
  });
  assert.equal(job.text(), "X\n\0Y");
  assert.ok(news.some((one) => one.kind === "progress" && one.text === "half"));
  const pieces = news.filter((one) => one.kind === "partial").map((one) => one.data);
  assert.equal(Buffer.concat(pieces).toString(), "one\ntwo\n");
  const code = (name) => (err) => err.code === name;
  await assert.rejects(client.run("no", ""), code("rejected"));
  await assert.rejects(client.run("boom", "", { attempts: 1 }), code("failed"));
  const backoff = { kind: "fixed", ms: 1 };
  assert.equal((await client.run("kept", "", { backoff })).text(), "ü");
  const facts = await client.run("facts", "", { key: "a %=ß" });
  assert.deepEqual(facts.json().slice(0, 4), [facts.id, "facts", "a %=ß", 1]);
  assert.equal(await worker.end(), 0);
});

test("a handler that blocks keeps no heartbeat from being sent", async () => {
  const times = ["heartbeat_ms=200ms", "dead_after_ms=1s", "lease_ms=2s"];
  const short = await Broker.start(...times.flatMap((one) => ["--set", one]));
  const file = script(
    "block.mjs",
    `export default {
       block: () => {
         const until = performance.now() + 4000;
         while (performance.now() < until) { /* Blocks. */ }
         return "through";
       },
     };`,
  );
  const { endpoint } = short;
  const worker = new Worker(new URL(file, "file://"), ["block"], { endpoint });
  const near = new Client({ endpoint });
  const job = await near.run("block", "", { attempts: 1 });
  assert.deepEqual([job.text(), job.attempt], ["through", 1]);
  await Promise.all([worker.close(), near.close()]);
  await short.stop();
});

test("cancel and the run timeout stop a handler; at last it is killed", async () => {
  const file = script(
    "stop.mjs",
    `import { once } from "node:events";
     export default {
       soft: async (job) => {
         await once(job.signal, "abort");
         throw new Error("ok");
       },
       hard: (job) => { job.progress(0.1); for (;;) { /* Never looks. */ } },
     };`,
  );
  const { endpoint } = broker;
  const worker = new Worker(new URL(file, "file://"), ["soft", "hard"], {
    endpoint,
    slots: 2,
  });
  const soft = client.run("soft", "", { runTimeoutMs: 300, attempts: 1 });
  await assert.rejects(soft, (err) => err.code === "run_timeout");
  const job = await client.submit("hard", "");
  for await (const news of client.watch(job)) {
    if (news.kind === "progress" && news.progress > 0) {
      assert.equal((await client.cancel(job)).verdict, "cancelling");
    } else if (news.kind === "ended") {
      assert.equal(news.job.state, "cancelled");
    }
  }
  await worker.close();
});

test("a module that cannot be loaded closes the pool, and says why", async () => {
  const file = script("bad.mjs", `throw new Error("no such luck");`);
  const { endpoint } = broker;
  let told;
  const paused = new Promise((resolve) => {
    told = resolve;
  });
  const onEvent = (event) => event.event === "paused" && told(event);
  const worker = new Worker(new URL(file, "file://"), ["bad"], { endpoint, onEvent });
  const { text } = await within(paused, "the pool to close");
  assert.match(text, /no such luck/);
  await worker.close();
});

test("what runs when a worker closes may end; the rest is handed back", async () => {
  const { endpoint } = broker;
  const one = new Worker(deeds, ["d.*"], { endpoint, drainMs: 100, name: "one" });
  await one.ready();
  const job = await client.submit("d.stop", "");
  for await (const news of client.watch(job)) {
    if (news.kind === "progress" && news.progress > 0) {
      break;
    }
  }
  await one.close();
  const back = await client.get(job);
  assert.deepEqual([back.state, back.attempt], ["ready", 0]);
  await client.cancel(job);
});

test("options that cannot be are refused", () => {
  const fails = (options, queues = ["q"]) =>
    assert.throws(() => new Worker(deeds, queues, options), GangerError);
  fails({ slots: 0 });
  fails({ endpoint: "nowhere" });
  fails({}, []);
});
