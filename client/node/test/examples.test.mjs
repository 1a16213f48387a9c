// Do the examples do what they say, as they stand?
import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { after, before, test } from "node:test";

import { Client } from "ganger";
import { Broker, Process, agent } from "./stage.mjs";

const example = (name) => new URL(`../examples/${name}`, import.meta.url).pathname;

let broker;
let client;
let env;

before(async () => {
  broker = await Broker.start();
  client = new Client({ endpoint: broker.endpoint });
  env = { ...process.env, GANGER_BROKER: broker.endpoint };
});

after(async () => {
  await client?.close();
  await broker?.stop();
});

const run = (name, ...args) =>
  new Process(process.execPath, [example(name), ...args], { env });

test("web.mjs has less than 60 lines", () => {
  const lines = readFileSync(example("web.mjs"), "utf8").trimEnd().split("\n");
  assert.ok(lines.length < 60, `${lines.length} lines`);
});

test("web.mjs answers 202 with progress, then the file, made once", async () => {
  const source = process.env.GG_SOURCE_DIR;
  const program = join(source, "worker/examples/package-report");
  const command = [program, "--seconds", "2"];
  const maker = await agent(broker.endpoint, "reports", command);
  const web = run("web.mjs", "0");
  const [, url] = await web.line(/listening on (\S+)/);
  const seen = [];
  let last;
  do {
    last = await fetch(`${url}/reports/today`);
    if (last.status === 202) {
      const news = await last.json();
      if (news.progress > (seen.at(-1)?.progress ?? 0)) {
        seen.push(news);
      }
    }
  } while (last.status === 202);
  const file = await last.text();
  assert.equal(last.status, 200, file);
  assert.match(last.headers.get("content-type"), /csv/);
  assert.match(file, /^section,packages,/);
  assert.ok(seen.length > 0, "progress was seen");
  const again = await fetch(`${url}/reports/today`);
  assert.equal(await again.text(), file);
  const jobs = [];
  for await (const job of client.list({ queue: "reports" })) {
    jobs.push(job.attempt);
  }
  assert.deepEqual(jobs, [1]);
  assert.equal((await fetch(`${url}/other`)).status, 404);
  assert.equal(await web.end(), 0);
  await maker.end();
});

test("worker.mjs counts, refuses, stops and snoozes; fanout.mjs asks it", async () => {
  const worker = run("worker.mjs");
  await worker.line(/event=connected/);
  assert.deepEqual((await client.run("words", "one two\nthree")).json(), { count: 3 });
  const code = (name) => (err) => err.code === name;
  await assert.rejects(client.run("words", Buffer.from([0xff])), code("rejected"));
  const soon = String(Date.now() + 300);
  assert.equal((await client.run("later", soon)).text(), "now");
  const job = await client.submit("wait", "60000");
  for await (const news of client.watch(job)) {
    if (news.kind === "progress") {
      await client.cancel(job);
    } else if (news.kind === "ended") {
      assert.equal(news.job.state, "cancelled");
    }
  }
  const all = run("fanout.mjs");
  assert.equal(await all.end(0), 0, all.said.join("\n"));
  assert.deepEqual(all.said, ["100 of 100 in time, 5050 words, 0 late"]);
  assert.equal(await worker.end(), 0);
  // Without a worker the deadline ends it.
  const none = run("fanout.mjs", "100", "300");
  assert.equal(await none.end(0), 0, none.said.join("\n"));
  assert.deepEqual(none.said, ["0 of 100 in time, 0 words, 100 late"]);
});

test("the README's start is ten lines, and does what it says", async () => {
  const page = readFileSync(new URL("../README.md", import.meta.url), "utf8");
  const programs = [...page.matchAll(/```js\n\/\/ (\w+\.mjs)\n([\s\S]*?)```/g)];
  const [worker, asker] = programs.slice(0, 2);
  const lines = [worker, asker].flatMap((one) => one[2].trim().split("\n"));
  assert.ok(lines.length <= 10, `${lines.length} lines`);
  assert.deepEqual([worker[1], asker[1]], ["worker.mjs", "hello.mjs"]);
  // work() needs a file: its executors run it again.
  const { writeFileSync, mkdtempSync, rmSync } = await import("node:fs");
  const folder = mkdtempSync(new URL("./made-", import.meta.url).pathname);
  for (const [, name, text] of [worker, asker]) {
    writeFileSync(join(folder, name), text);
  }
  const start = (name) => new Process(process.execPath, [join(folder, name)], { env });
  const handled = start("worker.mjs");
  await handled.line(/event=connected/);
  const asked = start("hello.mjs");
  assert.equal(await asked.end(0), 0, asked.said.join("\n"));
  assert.deepEqual(asked.said, ["HELLO"]);
  assert.equal(await handled.end(), 0);
  rmSync(folder, { recursive: true });
});
