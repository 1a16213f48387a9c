// The client against a real broker.
import assert from "node:assert/strict";
import { chmodSync, mkdtempSync, rmSync, statSync, writeFileSync } from "node:fs";
import { createServer } from "node:http";
import { once } from "node:events";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, test } from "node:test";

import { Client, GangerError, JobError } from "ganger";
import { Broker, Process, lockedBroker, agent, within } from "./stage.mjs";

let broker;
let upper;
let client;

before(async () => {
  broker = await Broker.start();
  upper = await agent(broker.endpoint, "upper", ["tr", "a-z", "A-Z"], "--slots", "4");
  client = new Client({ endpoint: broker.endpoint });
});

after(async () => {
  await client?.close();
  await upper?.end();
  await broker?.stop();
});

const code = (name) => (err) => err instanceof GangerError && err.code === name;

test("a job is run and its result comes back", async () => {
  const job = await client.run("upper", "hello");
  assert.equal(job.text(), "HELLO");
  assert.equal(job.state, "succeeded");
  assert.equal(typeof job.fence, "bigint");
});

test("a run may ask for its end only", async () => {
  const job = await client.run("upper", "brief", { endOnly: true });
  assert.deepEqual([job.text(), job.state, job.queue], ["BRIEF", "succeeded", "upper"]);
  const late = client.run("later", "", { endOnly: true, timeoutMs: 100 });
  const err = await late.catch((why) => why);
  assert.deepEqual([err.code, err.fate], ["timed_out", "unknown"]);
  assert.equal((await client.cancel(err.id)).verdict, "cancelled");
});

test("bytes go and come as they are, small and large", async () => {
  for (const size of [0, 1, 20000, 1000000]) {
    const payload = Buffer.alloc(size, 0xc3);
    const job = await client.run("upper", payload);
    assert.deepEqual(job.bytes(), payload);
  }
});

test("what is neither bytes nor text goes as JSON", async () => {
  const job = await client.run("upper", { n: [1, 2], word: "x" });
  assert.deepEqual(job.json(), { N: [1, 2], WORD: "X" });
});

test("one key makes one job; another payload is a conflict", async () => {
  const options = { key: "Schlüssel", keepMs: 60000 };
  const [one, two] = await Promise.all([
    client.submit("upper", "same", options),
    client.submit("upper", "same", options),
  ]);
  assert.equal(one.id, two.id);
  assert.deepEqual([one.existing, two.existing].sort(), [false, true]);
  await assert.rejects(client.submit("upper", "other", options), code("key_conflict"));
  assert.equal(
    (await client.wait({ queue: "upper", key: "Schlüssel" })).text(),
    "SAME",
  );
});

test("the same id again makes no second job", async () => {
  const job = await client.submit("nobody", "x");
  const again = await client.submit("nobody", "x", { id: job.id });
  assert.equal(again.id, job.id);
  const jobs = [];
  for await (const one of client.list({ queue: "nobody" })) {
    jobs.push(one.id);
  }
  assert.deepEqual(jobs, [job.id]);
  assert.equal((await client.cancel(job)).verdict, "cancelled");
  assert.equal((await client.get(job)).state, "cancelled");
  assert.equal((await client.retry(job)).state, "ready");
  assert.equal((await client.why(job))[0].code, "no_worker");
  await client.cancel(job);
});

test("many are accepted whole, and awaited as they complete", async () => {
  const words = Array.from({ length: 100 }, (_, n) => `word ${n}`);
  const jobs = await client.submitMany(
    words.map((payload) => ({ queue: "upper", payload, keepMs: 60000 })),
  );
  const seen = new Set();
  for await (const done of client.asCompleted(jobs)) {
    assert.equal(done.job?.text(), words[done.index].toUpperCase());
    seen.add(done.index);
  }
  assert.equal(seen.size, words.length);
  const ends = await client.waitMany(jobs.slice(0, 5));
  assert.ok(ends.every((job) => job.ok));
  assert.equal((await client.result(jobs[7])).toString(), "WORD 7");
});

test("a job that fails rejects with its error, its id and what to do", async () => {
  const failing = await agent(broker.endpoint, "no", [
    "sh",
    "-c",
    "echo why >&2; exit 9",
  ]);
  const err = await client.run("no", "", { attempts: 1 }).catch((why) => why);
  assert.ok(err instanceof JobError);
  assert.deepEqual([err.code, err.fate, err.exit], ["failed", "ended", 1]);
  assert.equal(err.job.exitStatus, 9);
  assert.ok(err.todo.length > 0);
  const moments = await client.history(err.job, { output: true });
  assert.equal(
    moments.find((one) => one.kind === "outcome").output.toString(),
    "why\n",
  );
  await failing.end();
});

test("deadlines end calls, as unknown, and the job goes on", async () => {
  const began = performance.now();
  const err = await client.run("later", "", { timeoutMs: 200 }).catch((why) => why);
  assert.deepEqual([err.code, err.fate], ["timed_out", "unknown"]);
  assert.ok(performance.now() - began < 2000);
  assert.equal((await client.get(err.id)).state, "ready");
  await client.cancel(err.id);
});

test("a signal ends a call with its reason, and the job goes on", async () => {
  const job = await client.submit("later", "");
  const abort = new AbortController();
  const wait = client.wait(job, { signal: abort.signal });
  abort.abort(new Error("enough"));
  await assert.rejects(wait, /enough/);
  await assert.rejects(client.get(job, { signal: abort.signal }), /enough/);
  const { waiters } = await client.cancel(job);
  assert.equal(waiters, 0, "the broker was told that nobody waits");
});

test("one signal may end a hundred calls, without a warning", async () => {
  const warnings = [];
  const onWarning = (warning) => warnings.push(warning.message);
  process.on("warning", onWarning);
  const abort = new AbortController();
  const { signal } = abort;
  const calls = Array.from({ length: 100 }, () => client.run("later", "", { signal }));
  abort.abort(new Error("all of them"));
  const ends = await Promise.allSettled(calls);
  assert.ok(ends.every((end) => end.reason.message === "all of them"));
  assert.equal(client.inFlight, 0);
  await client.stats();
  process.off("warning", onWarning);
  assert.deepEqual(warnings, []);
});

test("events come in order until the loop is left", async () => {
  const kinds = [];
  const events = client.events({ queue: "upper" });
  await client.stats(); // After it the subscription stands.
  const job = await client.run("upper", "seen");
  for await (const moment of events) {
    if (moment.id === job.id) {
      kinds.push(moment.kind);
    }
    if (moment.kind === "ended") {
      break;
    }
  }
  assert.equal(kinds[0], "accepted");
  assert.equal(kinds.at(-1), "ended");
});

test("queues, workers, counters and limits can be looked at", async () => {
  assert.ok((await client.queues()).some((one) => one.queue === "upper"));
  const [worker] = await client.workers("*", { runs: true });
  assert.equal(worker.slots, 4, upper.said.join("\n"));
  assert.ok((await client.stats()).every((stat) => typeof stat.value === "bigint"));
  assert.ok((await client.broker()).limits.length > 0);
  assert.equal((await client.pause("held")).unsettled, 0);
  const job = await client.submit("held", "");
  assert.equal((await client.get(job, { why: true })).why[0].code, "paused");
  assert.equal((await client.purge("held")).count, 1);
  await client.resume("held");
});

test("a backup is a new file on the host of the broker", async () => {
  const folder = mkdtempSync(join(tmpdir(), "ganger-node-"));
  const durable = await Broker.start("--data", join(folder, "data"));
  const keeper = new Client({ endpoint: durable.endpoint });
  await keeper.submit("q", "kept", { unique: true });
  await keeper.backup(join(folder, "copy"), { reason: "a test" });
  assert.ok(statSync(join(folder, "copy")).size > 0);
  await assert.rejects(keeper.backup("relative"), code("bad_field"));
  await assert.rejects(client.backup(join(folder, "none")), code("not_durable"));
  await keeper.close();
  await durable.stop();
  rmSync(folder, { recursive: true });
});

test("what cannot be is refused before it is sent", async () => {
  await assert.rejects(client.submit("", "x"), code("usage"));
  await assert.rejects(client.submit("q", "x", { priority: -1 }), code("usage"));
  await assert.rejects(client.get("no id"), code("usage"));
  await assert.rejects(client.submit("q", Buffer.alloc(2 << 20)), code("too_large"));
  await assert.rejects(client.submit("a b", "x"), code("bad_name"));
  assert.throws(() => new Client({ endpoint: "nowhere" }), code("usage"));
});

// The wall clock of this process, as the client reads it, is `off.ms` off.
function clock(t, ms) {
  const off = { ms };
  const real = Date.now;
  t.mock.method(Date, "now", () => real() + off.ms);
  return off;
}

const TEN_MINUTES_MS = 600000;

// Submissions of every kind; ends when all are accepted, with an id of the time it is.
async function submitAll(client) {
  const two = ["1", "2"].map((payload) => ({ queue: "q", payload }));
  const watched = client.run("upper", "3", { onProgress: () => undefined });
  const all = [client.submit("q", "0"), client.submitMany(two), watched];
  all.push(client.run("upper", "4", { endOnly: true }));
  return (await Promise.all(all)).flat();
}

function areOfNow(jobs) {
  assert.equal(jobs.length, 5);
  for (const { id } of jobs) {
    const age = performance.timeOrigin + performance.now() - madeAt(id);
    assert.ok(Math.abs(age) < 60000, `${id} is ${age} ms old`);
  }
}

// The first ten characters of an id are its time, in Crockford's base 32.
function madeAt(id) {
  const letters = "0123456789ABCDEFGHJKMNPQRSTVWXYZ";
  const bits = [...id].reduce((n, one) => n * 32n + BigInt(letters.indexOf(one)), 0n);
  return Number(bits >> 80n);
}

for (const ms of [-TEN_MINUTES_MS, TEN_MINUTES_MS]) {
  test(`a client whose clock is ${ms} ms off submits`, async (t) => {
    clock(t, ms);
    const wrong = new Client({ endpoint: broker.endpoint });
    areOfNow(await submitAll(wrong));
    await wrong.close();
  });
}

test("what waited for the broker for longer than the window is taken", async (t) => {
  const away = await Broker.start();
  await away.kill();
  const waiting = new Client({ endpoint: away.endpoint });
  const off = clock(t, -TEN_MINUTES_MS);
  const asked = submitAll(waiting); // Ten minutes before the broker comes back.
  assert.equal(waiting.inFlight, 4);
  off.ms = 0;
  await away.again();
  const worker = await agent(away.endpoint, "upper", ["tr", "a-z", "A-Z"]);
  areOfNow(await asked);
  await waiting.close();
  await worker.end();
  await away.stop();
});

test("a fault of the connection is named", async () => {
  const faulty = async (endpoint) => {
    const lost = new Client({ endpoint });
    const err = await lost.connect({ timeoutMs: 4000 }).catch((why) => why);
    const said = await lost.submit("q", "", { timeoutMs: 100 }).catch((why) => why);
    assert.deepEqual([said.fate, said.id], ["unknown", undefined], "nothing was sent");
    const own = { id: "0".repeat(25) + "1", timeoutMs: 100 };
    assert.equal((await lost.submit("q", "", own).catch((why) => why)).id, own.id);
    await lost.close();
    return err.code;
  };
  const web = createServer().listen(0, "127.0.0.1");
  await once(web, "listening");
  assert.equal(await faulty("tcp://127.0.0.1:1"), "connection_refused");
  assert.equal(await faulty("tcp://no.such.host.invalid:7440"), "no_host");
  assert.equal(await faulty(`tcp://127.0.0.1:${web.address().port}`), "not_ganger");
  web.closeAllConnections();
  web.close();
});

test("a closed client refuses, and ends what is in flight", async () => {
  const closing = new Client({ endpoint: broker.endpoint });
  const wait = closing.run("nobody", "");
  await Promise.all([assert.rejects(wait, code("no_broker")), closing.close()]);
  await assert.rejects(closing.get("0".repeat(26)), code("usage"));
  await closing.close();
});

test("CURVE keys let in, and keep out", async () => {
  const folder = mkdtempSync(join(tmpdir(), "ganger-node-"));
  const { locked, file, serverKey } = await lockedBroker(folder);
  const { endpoint } = locked;
  const alice = new Client({ endpoint, keyFile: file("alice.key"), serverKey });
  assert.equal((await alice.submit("upper", "x")).state, "ready");
  await assert.rejects(alice.submit("other", "x"), code("not_allowed"));
  const eve = new Client({ endpoint, keyFile: file("eve.key"), serverKey });
  await assert.rejects(eve.connect(), code("key_refused"));
  const keyless = new Client({ endpoint });
  await assert.rejects(keyless.connect(), code("not_ganger"));
  writeFileSync(file("open.key"), "");
  chmodSync(file("open.key"), 0o644);
  assert.throws(
    () => new Client({ keyFile: file("open.key"), serverKey }),
    code("usage"),
  );
  await Promise.all([alice.close(), eve.close(), keyless.close()]);
  await locked.stop();
  rmSync(folder, { recursive: true });
});

test("a script ends by itself when its work is done, closed or not", async () => {
  const script = `
    import { Client } from "ganger";
    const client = new Client({ endpoint: "${broker.endpoint}", idleMs: 100 });
    const job = await client.run("upper", "done");
    console.log(job.text());
    const events = client.events();
    await client.stats();
    await client.submit("nobody", "an event");
    for await (const one of events) { console.log(one.kind); break; }
  `;
  const run = new Process(process.execPath, ["--input-type=module", "-e", script]);
  await run.line(/^DONE$/);
  await run.line(/^accepted$/);
  const { code: status } = await within(run.ended, "the end of the script");
  assert.equal(status, 0, run.said.join("\n"));
});
