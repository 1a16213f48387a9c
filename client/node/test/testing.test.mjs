// The test mode: a client without a broker.
import assert from "node:assert/strict";
import { test } from "node:test";

import { GangerError, JobError } from "ganger";
import { TestClient } from "ganger/testing";
import { Reject, Snooze } from "ganger/worker";

const code = (name) => (err) => err instanceof GangerError && err.code === name;

const handlers = {
  upper: (job) => job.text().toUpperCase(),
  no: () => {
    throw new Reject("never");
  },
  flaky: (job) => {
    if (job.attempt < 3) {
      throw new Error(`attempt ${job.attempt}`);
    }
    return String(job.attempt);
  },
  nap: (job) => {
    if (job.checkpoint === undefined) {
      job.saveCheckpoint("x");
      throw new Snooze(1000);
    }
    return "awake";
  },
  slow: (job) => {
    job.progress(0.5, "half");
    job.partial("piece");
    return "done";
  },
};

test("inline: a job has run when it was submitted", async () => {
  const client = new TestClient({ handlers });
  const job = await client.submit("upper", "hello");
  assert.equal(job.text(), "HELLO");
  assert.equal((await client.run("upper", { a: 1 })).text(), '{"A":1}');
  assert.equal((await client.run("flaky", "", { attempts: 3 })).text(), "3");
  const err = await client.run("no", "").catch((why) => why);
  assert.ok(err instanceof JobError);
  assert.deepEqual([err.code, err.text], ["rejected", "never"]);
  await assert.rejects(client.run("nobody", ""), code("failed"));
});

test("manual: jobs wait until the test runs them", async () => {
  const client = new TestClient({ handlers, mode: "manual" });
  const late = await client.submit("upper", "late", { priority: 200 });
  const first = await client.submit("upper", "first", { priority: 1 });
  assert.equal((await client.get(late)).state, "ready");
  assert.equal((await client.runNext()).id, first.id);
  assert.equal((await client.runAll()).length, 1);
  assert.equal((await client.result(late)).toString(), "LATE");
  assert.equal(await client.runNext(), undefined);
});

test("keys, ids, cancel and retry are as with a broker", async () => {
  const client = new TestClient({ handlers, mode: "manual" });
  const one = await client.submit("upper", "x", { key: "k" });
  const two = await client.submit("upper", "x", { key: "k" });
  assert.deepEqual([two.id, two.existing], [one.id, true]);
  await assert.rejects(client.submit("upper", "y", { key: "k" }), code("key_conflict"));
  assert.equal((await client.submit("upper", "x", { id: one.id })).id, one.id);
  assert.equal(
    (await client.cancel({ queue: "upper", key: "k" })).verdict,
    "cancelled",
  );
  assert.equal((await client.cancel(one)).verdict, "too_late");
  await assert.rejects(client.wait("0".repeat(26)), code("not_found"));
  assert.equal((await client.retry(one)).state, "ready");
  await client.runAll();
  assert.equal((await client.wait(one)).text(), "X");
  await assert.rejects(client.retry(one), code("bad_state"));
});

test("time goes by when the test says so", async () => {
  const client = new TestClient({ handlers });
  const job = await client.submit("upper", "x", { delayMs: 1000 });
  const gone = await client.submit("nobody", "", { delayMs: 5000, expiresMs: 100 });
  assert.equal(job.state, "scheduled");
  await client.advance(999);
  assert.equal((await client.get(job)).state, "scheduled");
  await client.advance(1);
  assert.equal((await client.get(job)).text(), "X");
  assert.equal((await client.get(gone)).state, "expired");
  const nap = await client.submit("nap", "");
  assert.equal(nap.state, "scheduled");
  await client.advance(1000);
  assert.equal((await client.get(nap)).text(), "awake");
});

test("waiting, watching and many at once", async () => {
  const client = new TestClient({ handlers, mode: "manual" });
  const jobs = await client.submitMany([
    { queue: "slow", payload: "" },
    { queue: "upper", payload: "b" },
  ]);
  const seen = [];
  const watched = (async () => {
    for await (const news of client.watch(jobs[0])) {
      seen.push(news.kind);
    }
  })();
  const all = (async () => {
    const texts = [];
    for await (const done of client.asCompleted(jobs)) {
      texts.push(done.job.text());
    }
    return texts;
  })();
  await client.runAll();
  assert.deepEqual(await all, ["done", "B"]);
  await watched;
  assert.deepEqual(seen, ["progress", "partial", "ended"]);
});

test("what was submitted can be asserted", async () => {
  const client = new TestClient({ mode: "manual" });
  client.assertNothingSubmitted();
  await client.submit("mail", { to: "alice" }, { key: "m1" });
  const found = client.assertSubmitted("mail", { payload: { to: "alice" }, key: "m1" });
  assert.equal(found.queue, "mail");
  assert.throws(
    () => client.assertSubmitted("mail", { payload: { to: "bob" } }),
    /no such submission to mail[^]*alice/,
  );
  assert.throws(() => client.assertNothingSubmitted("ma*"), /1 submissions/);
  assert.equal(client.submitted("other").length, 0);
});
