// Does a script end by itself, with nothing left open, when its work is done and when
// it failed? No rejection goes unhandled on the way.
import assert from "node:assert/strict";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { after, before, test } from "node:test";

import { Client } from "ganger";
import { Broker, Process, lockedBroker } from "./stage.mjs";

const folder = mkdtempSync(new URL("./made-", import.meta.url).pathname);
let broker;
let count = 0;

before(async () => {
  broker = await Broker.start();
});

after(async () => {
  await broker?.stop();
  rmSync(folder, { recursive: true });
});

// Runs `text` as a module, with a `client`; how it ended, and what it said.
function script(text, options = {}) {
  const file = join(folder, `script-${++count}.mjs`);
  const told = JSON.stringify({ endpoint: broker.endpoint, idleMs: 100, ...options });
  const before = `import { Client } from "ganger"; const client = new Client(${told});`;
  writeFileSync(file, `${before}\n${text}\n`);
  const flags = ["--unhandled-rejections=strict", "--trace-warnings", file];
  const process_ = new Process(process.execPath, flags);
  return {
    process: process_,
    end: async (signal = 0) => {
      const status = await process_.end(signal);
      const said = process_.said.join("\n");
      assert.doesNotMatch(said, /Warning|UnhandledPromiseRejection|unsettled/);
      return { status, said };
    },
  };
}

const nowhere = { endpoint: "tcp://127.0.0.1:1", timeoutMs: 300 };

test("when its work is done, with and without a close", async () => {
  for (const close of ["", "await client.close();"]) {
    const text = `console.log((await client.submit("q")).state); ${close}`;
    const { status, said } = await script(text).end();
    assert.deepEqual([status, said], [0, "ready"]);
  }
});

test("when it does not wait for what it began", async () => {
  const text = `void client.submit("q").then((job) => console.log(job.state));`;
  const { status, said } = await script(text).end();
  assert.deepEqual([status, said], [0, "ready"]);
});

test("when there is no broker", async () => {
  const caught = `await client.submit("q").catch((err) => console.log(err.code));`;
  assert.deepEqual(await script(caught, nowhere).end(), {
    status: 0,
    said: "connection_refused",
  });
  const { status, said } = await script(`await client.submit("q");`, nowhere).end();
  assert.equal(status, 1);
  assert.match(said, /GangerError/);
});

test("when the broker refuses", async () => {
  const text = `await client.get({ queue: "q", key: "none" });`;
  const { status, said } = await script(text).end();
  assert.equal(status, 1);
  assert.match(said, /GangerError.*\n?.*not_found|not_found/);
});

test("when its key is wrong", async () => {
  const { locked, file, serverKey } = await lockedBroker(folder);
  const { endpoint } = locked;
  const text = `await client.connect().catch((err) => console.log(err.code));`;
  const one = script(text, { endpoint, keyFile: file("eve.key"), serverKey });
  const { status, said } = await one.end();
  assert.deepEqual([status, said], [0, "key_refused"]);
  await locked.stop();
});

test("when many calls fail at once, and events and watches are left open", async () => {
  const text = `
    const job = await client.submit("nobody");
    const events = client.events();
    const first = events.next();
    const watch = client.watch(job, { timeoutMs: 60000 });
    const next = watch.next();
    const calls = Array.from({ length: 50 }, () => client.run("nobody"));
    const ends = Promise.allSettled([...calls, next]);
    await client.stats();
    await client.close();
    const reasons = (await ends).map((one) => one.reason?.code ?? one.status);
    console.log([...new Set(reasons)].sort().join(" "));
    await events.return();
    await first;`;
  const { status, said } = await script(text).end();
  assert.deepEqual([status, said], [0, "fulfilled no_broker"]);
});

test("when it is interrupted in the midst of a call", async () => {
  const polite = `
    process.once("SIGINT", () => void client.close());
    await client.run("polite").catch((err) => console.log(err.code));`;
  const besides = new Client({ endpoint: broker.endpoint });
  for (const [queue, text, wanted] of [
    ["polite", polite, { status: 0, said: "no_broker" }],
    ["plain", `await client.run("plain");`, { status: "SIGINT", said: "" }],
  ]) {
    const one = script(text);
    while ((await besides.queues(queue)).every((line) => line.ready === 0)) {
      assert.ok(one.process.child.exitCode === null, one.process.said.join("\n"));
    }
    assert.deepEqual(await one.end("SIGINT"), wanted);
  }
  await besides.close();
});

test("a closed client holds nothing that keeps a process", async () => {
  const text = `
    await client.submit("q");
    await client.close();
    setTimeout(() => console.log(...process.getActiveResourcesInfo()), 1500);`;
  const { status, said } = await script(text).end();
  assert.deepEqual([status, said], [0, "Timeout"], "the script alone has one");
});
