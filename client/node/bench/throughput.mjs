// How many jobs a second one process of this package gets through, one call at a time
// and many at once, against a real broker with a no-op worker in C.
//
//   GG_BIN_DIR=DIR node bench/throughput.mjs [--seconds N] [--quick] [--redis URL]
//
// With --redis the `redis` package (installed by whoever wants the comparison) pushes
// and pops a list on the same machine. --quick: a short run that only checks that 500
// runs at once are at least five times one at a time.
import { parseArgs } from "node:util";

import { Client } from "ganger";
import { Broker, agent } from "../test/stage.mjs";

const { values: told } = parseArgs({
  options: {
    seconds: { type: "string", default: "3" },
    quick: { type: "boolean", default: false },
    redis: { type: "string" },
  },
});
const seconds = told.quick ? 1 : Number(told.seconds);
const PAYLOAD = Buffer.alloc(100, 0x61);

// Calls a second that `width` loops get through, after a warm-up.
async function rate(width, call) {
  let count = 0;
  let until = performance.now() + 500;
  const loop = async () => {
    while (performance.now() < until) {
      await call();
      count++;
    }
  };
  const loops = () => Promise.all(Array.from({ length: width }, loop));
  await loops();
  count = 0;
  const began = performance.now();
  until = began + seconds * 1000;
  await loops();
  return Math.round((count / (performance.now() - began)) * 1000);
}

function show(what, one, many) {
  const times = (many / one).toFixed(1);
  console.log(
    `${what.padEnd(34)} ${String(one).padStart(8)} ${String(many).padStart(9)}` +
      ` ${times.padStart(6)} x`,
  );
  return many / one;
}

async function ganger(results) {
  const broker = await Broker.start();
  const options = ["--builtin", "noop", "--slots", "512"];
  const worker = await agent(broker.endpoint, "noop", [], ...options);
  const client = new Client({ endpoint: broker.endpoint });
  const run = () => client.run("noop", PAYLOAD);
  show("ganger: run to the end", await rate(1, run), await rate(500, run));
  const brief = () => client.run("noop", PAYLOAD, { endOnly: true });
  results.push(
    show("ganger: run, endOnly", await rate(1, brief), await rate(500, brief)),
  );
  const submit = () => client.submit("idle", PAYLOAD, { delayMs: 3600_000 });
  show("ganger: submit, accepted", await rate(1, submit), await rate(500, submit));
  await client.close();
  await worker.end();
  await broker.stop();
}

async function redis(url) {
  const { createClient } = await import("redis");
  const client = await createClient({ url }).connect();
  const push = () => client.lPush("ganger-bench", PAYLOAD);
  show("redis: list push", await rate(1, push), await rate(500, push));
  const both = async () => {
    await client.lPush("ganger-bench", PAYLOAD);
    await client.rPop("ganger-bench");
  };
  show("redis: list push, then pop", await rate(1, both), await rate(500, both));
  await client.del("ganger-bench");
  client.destroy();
}

console.log(`${"calls a second".padEnd(34)} one by 1    500 in   times`);
const results = [];
await ganger(results);
if (told.redis !== undefined) {
  await redis(told.redis);
}
if (told.quick && results.some((times) => times < 5)) {
  console.error("500 at once are less than five times one at a time");
  process.exitCode = 1;
}
