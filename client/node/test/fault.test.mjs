// What goes wrong under load: no call hangs, none reports a wrong state, nothing is run
// twice that was confirmed, and the event loop is not blocked.
import assert from "node:assert/strict";
import { once } from "node:events";
import {
  appendFileSync,
  closeSync,
  mkdtempSync,
  openSync,
  readFileSync,
  readSync,
  rmSync,
  writeFileSync,
} from "node:fs";
import { join } from "node:path";
import { after, test } from "node:test";
import { setImmediate as breathe } from "node:timers/promises";

import { Client, GangerError } from "ganger";
import { Broker, Process, Wire, within } from "./stage.mjs";

const LOAD = 300;
const PATIENCE_MS = 60000;
const BLOCK_MS_MAX = 10;

const folder = mkdtempSync(new URL("./made-", import.meta.url).pathname);
let count = 0;

// A worker that writes down when it began which job, by a clock that all processes
// share.
function worker(broker, slots = 4) {
  const file = join(folder, `worker-${++count}.mjs`);
  const list = join(folder, "ran");
  writeFileSync(
    file,
    `import { appendFileSync } from "node:fs";
     import { setTimeout as sleep } from "node:timers/promises";
     import { work } from "ganger/worker";
     await work({
       load: async (job) => {
         const line = job.id + " " + process.hrtime.bigint() + "\\n";
         appendFileSync(${JSON.stringify(list)}, line);
         await sleep(2);
         return job.payload;
       },
     }, { slots: ${slots}, name: "w${count}" });`,
  );
  appendFileSync(list, "");
  const env = { ...process.env, GANGER_BROKER: broker.endpoint };
  return new Process(process.execPath, [file], { env });
}

// When each job was begun; empties the list.
function begun() {
  const list = join(folder, "ran");
  const times = new Map();
  for (const line of readFileSync(list, "utf8").split("\n").filter(Boolean)) {
    const [id, at] = line.split(" ");
    times.set(id, [...(times.get(id) ?? []), BigInt(at)]);
  }
  writeFileSync(list, "");
  return times;
}

// Each job that succeeded was run, and not again once that had been told. Says how
// many were run more than once.
function check(ends) {
  const times = begun();
  let again = 0;
  for (const { id, at } of ends.filter((one) => one.code === "ok")) {
    const all = times.get(id) ?? [];
    assert.ok(all.length > 0, `${id} succeeded and was never run`);
    assert.ok(
      all.every((one) => one < at),
      `${id} was run again after its end`,
    );
    again += all.length > 1 ? 1 : 0;
  }
  return again;
}

// Runs LOAD jobs, a few at a time; calls `fault` when a third is done. Says how each
// ended, and checks what must hold whatever happens.
async function load(t, client, fault, options = {}) {
  const ends = [];
  let number = 0;
  let faulted;
  const one = async () => {
    while (number < LOAD) {
      const text = `job ${number++}`;
      try {
        const job = await client.run("load", text, { timeoutMs: 20000, ...options });
        assert.equal(job.text(), text, "a wrong result");
        ends.push({ id: job.id, code: "ok", at: process.hrtime.bigint() });
      } catch (err) {
        assert.ok(err instanceof GangerError, String(err));
        ends.push({ id: err.id, code: err.code });
      }
      if (ends.length >= LOAD / 3 && faulted === undefined) {
        faulted = fault();
      }
    }
  };
  const all = () => Promise.all(Array.from({ length: 30 }, one));
  await client.run("load", "first"); // Connected, and its code is loaded.
  const stop = watchTurns();
  await within(all(), "the load", PATIENCE_MS);
  const longest = stop();
  await faulted;
  t.diagnostic(`${JSON.stringify(tally(ends))}, longest turn: ${show(longest)}`);
  assert.equal(ends.length, LOAD);
  assert.ok(longest.worked < BLOCK_MS_MAX, `a turn worked for ${longest.worked} ms`);
  return ends;
}

// The longest turn of the event loop, in ms: how long this thread worked in one, which
// the tests hold to a bound, and how long one took. That is the same while nothing else
// runs; otherwise others have had the processor meanwhile, the broker and the agent of
// the test among them. What the test does itself between its calls is counted, too.
//
// Asking for the usage has the kernel bring its account up to date, which it else does
// at ticks of 4 ms. It is read into the same few bytes each time: readFileSync() would
// take 64 KiB in each turn, and their collection be the longest of them.
function watchTurns() {
  const stat = openSync(`/proc/self/task/${process.pid}/schedstat`);
  const bytes = Buffer.alloc(64);
  const worked = () => {
    process.cpuUsage();
    readSync(stat, bytes, 0, bytes.length, 0);
    let ns = 0;
    for (let at = 0; bytes[at] !== 0x20; at++) {
      ns = ns * 10 + bytes[at] - 0x30;
    }
    return ns / 1e6;
  };
  const longest = { worked: 0, took: 0 };
  let began = worked();
  let beganAt = performance.now();
  let on = true;
  const look = () => {
    if (!on) {
      return;
    }
    longest.worked = Math.max(longest.worked, worked() - began);
    longest.took = Math.max(longest.took, performance.now() - beganAt);
    began = worked();
    beganAt = performance.now();
    setImmediate(look);
  };
  setImmediate(look);
  return () => {
    on = false;
    closeSync(stat);
    return longest;
  };
}

const show = ({ worked, took }) =>
  `worked ${worked.toFixed(1)}, took ${took.toFixed(1)} ms`;

after(() => rmSync(folder, { recursive: true, force: true }));

const tally = (ends) =>
  ends.reduce((sum, one) => ({ ...sum, [one.code]: (sum[one.code] ?? 0) + 1 }), {});

test("the broker is killed and restarted under load", async (t) => {
  const broker = await Broker.start();
  const agent = worker(broker);
  await agent.line(/event=connected/);
  const client = new Client({ endpoint: broker.endpoint });
  const ends = await load(t, client, async () => {
    await broker.kill();
    await broker.again();
  });
  const codes = ["ok", "lost_with_broker"];
  assert.ok(ends.every((one) => codes.includes(one.code)));
  assert.ok(tally(ends).ok > LOAD / 2, "it came back");
  check(ends);
  await client.close();
  assert.equal(await agent.end(), 0);
  await broker.stop();
});

test("a broker with a store is killed and restarted under load", async (t) => {
  const broker = await Broker.start("--data", mkdtempSync(join(folder, "data-")));
  const agent = worker(broker);
  await agent.line(/event=connected/);
  const client = new Client({ endpoint: broker.endpoint });
  const ends = await load(t, client, async () => {
    await broker.kill();
    await broker.again();
  });
  assert.deepEqual(tally(ends), { ok: LOAD }, "nothing that was accepted is lost");
  assert.equal(check(ends), 0, "run again");
  await client.close();
  assert.equal(await agent.end(), 0);
  await broker.stop();
});

test("the link is cut under load, again and again", async (t) => {
  const broker = await Broker.start();
  const agent = worker(broker);
  await agent.line(/event=connected/);
  const wire = await Wire.to(broker.endpoint);
  const client = new Client({ endpoint: wire.endpoint });
  const besides = new Client({ endpoint: broker.endpoint });
  const ends = await load(t, client, async () => {
    for (let n = 0; n < 5; n++) {
      wire.cut(); // Both ends see it.
      await client.stats({ timeoutMs: 10000 });
      wire.hold(true); // What is on its way is lost in silence: then it is cut, too.
      await besides.run("load", "besides");
      wire.hold(false);
      wire.cut();
    }
  });
  await besides.close();
  assert.deepEqual(tally(ends), { ok: LOAD });
  assert.equal(check(ends), 0, "run again");
  await client.close();
  await wire.close();
  assert.equal(await agent.end(), 0);
  await broker.stop();
});

test("a link that falls silent ends calls in their time, and heals", async () => {
  const times = ["client_heartbeat_ms=200ms", "client_dead_after_ms=1s"];
  const broker = await Broker.start(...times.flatMap((one) => ["--set", one]));
  const wire = await Wire.to(broker.endpoint);
  const client = new Client({ endpoint: wire.endpoint });
  await client.stats();
  const anew = once(wire.server, "connection");
  wire.hold(true);
  const began = performance.now();
  const err = await client.submit("q", "x", { timeoutMs: 400 }).catch((why) => why);
  assert.equal(err.fate, "unknown");
  assert.ok(performance.now() - began < 1000);
  const again = client.submit("q", "x", { id: err.id, timeoutMs: 20000 });
  // The broker is given up and looked for anew; then the wire lets through.
  await anew;
  wire.hold(false);
  assert.equal((await again).id, err.id);
  await client.close();
  await wire.close();
  await broker.stop();
});

test("the agent is killed under load: its jobs are run by another", async (t) => {
  const times = ["heartbeat_ms=200ms", "dead_after_ms=1s", "lease_ms=2s"];
  const sets = [...times, "gone_grace_ms=200ms"].flatMap((one) => ["--set", one]);
  const broker = await Broker.start(...sets);
  const first = worker(broker);
  await first.line(/event=connected/);
  const client = new Client({ endpoint: broker.endpoint });
  let second;
  const ends = await load(
    t,
    client,
    async () => {
      second = worker(broker);
      await first.end("SIGKILL");
    },
    { attempts: 5, backoff: { kind: "fixed", ms: 10 } },
  );
  assert.deepEqual(tally(ends), { ok: LOAD });
  const again = check(ends);
  t.diagnostic(`${again} attempts of the killed agent were run again`);
  assert.ok(again <= 4, "only what it had in hand");
  await client.close();
  assert.equal(await second.end(), 0);
  await broker.stop();
});

test("an executor is killed under load: its attempt alone is run again", async (t) => {
  const broker = await Broker.start();
  const agent = worker(broker, 2);
  await agent.line(/event=connected/);
  const client = new Client({ endpoint: broker.endpoint });
  const ends = await load(
    t,
    client,
    async () => {
      const run = new Process("pkill", ["-KILL", "-P", String(agent.child.pid), "-o"]);
      await run.end(0);
    },
    { attempts: 5, backoff: { kind: "fixed", ms: 10 } },
  );
  assert.deepEqual(tally(ends), { ok: LOAD });
  assert.ok(check(ends) <= 1);
  await client.close();
  assert.equal(await agent.end(), 0);
  await broker.stop();
});

test("the event loop is not blocked by a storm of calls", async (t) => {
  const broker = await Broker.start();
  const client = new Client({ endpoint: broker.endpoint });
  const caller = async (calls) => {
    for (let n = 0; n < calls; n++) {
      await client.submit("storm", `payload ${n}`);
    }
  };
  // 5,000 calls, `width` at a time; what begins in one turn is the user's, so few do.
  const storm = async (width) => {
    const callers = [];
    while (callers.length < width) {
      callers.push(caller(5000 / width));
      if (callers.length % 100 === 0) {
        await breathe();
      }
    }
    await Promise.all(callers);
  };
  await storm(100); // Once to have it compiled.
  for (const width of [100, 100, 100, 1000, 1000]) {
    const stop = watchTurns();
    // A stall would last for a heartbeat, which is ten seconds.
    await within(storm(width), "answers that have come to be read", 8000);
    const longest = stop();
    t.diagnostic(`${width} in flight, longest turn: ${show(longest)}`);
    assert.ok(longest.worked < BLOCK_MS_MAX, `a turn worked for ${longest.worked} ms`);
  }
  await client.close();
  await broker.stop();
});
