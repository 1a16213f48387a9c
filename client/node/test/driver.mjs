// driver.mjs - the conformance suite's driver for this package; its contract is in
// tests/conformance/README.md.
//
//   driver.mjs client                         lines of JSON in, one answer each out
//   driver.mjs worker ENDPOINT NAME PREFIX    an agent that serves PREFIX.*
import { createInterface } from "node:readline";

import { Client, GangerError, JobError } from "ganger";
import { Worker } from "ganger/worker";

const CALL_MS = 20000;
const BACKOFFS = [undefined, "fixed", "exponential", "list"];
const UNIQUE = ["evicted", "started", "finished"];
const DURABILITIES = [undefined, "none", "fsync"];
const LETTERS = "0123456789ABCDEFGHJKMNPQRSTVWXYZ";

// ---- ids and other values, between the contract's form and the package's ----

function idText(hex) {
  let left = BigInt(`0x${hex}`);
  let text = "";
  for (let at = 0; at < 26; at++) {
    text = LETTERS[Number(left & 31n)] + text;
    left >>= 5n;
  }
  return text;
}

function idHex(text) {
  let value = 0n;
  for (const letter of text) {
    value = (value << 5n) | BigInt(LETTERS.indexOf(letter));
  }
  return value.toString(16).padStart(32, "0");
}

const bytes = (hex) => (hex === undefined ? undefined : Buffer.from(hex, "hex"));
const exact = (number) => String(number);
const known = (object) =>
  Object.fromEntries(Object.entries(object).filter(([, value]) => value !== undefined));

function backoffOf(told) {
  if (!told.backoff) {
    return undefined;
  }
  const kind = BACKOFFS[told.backoff];
  return kind === "list"
    ? { kind, ms: told.backoff_list }
    : known({ kind, ms: told.backoff_ms, maxMs: told.backoff_max_ms });
}

function submission(told) {
  return known({
    queue: told.queue,
    payload: bytes(told.payload),
    id: told.id && idText(told.id),
    realm: told.realm,
    key: bytes(told.key),
    unique: told.unique,
    endOnly: told.end_only,
    priority: told.priority,
    delayMs: told.delay_ms,
    runAt: told.run_at,
    expiresMs: told.expires_ms,
    runTimeoutMs: told.run_timeout_ms,
    attempts: told.attempts,
    backoff: backoffOf(told),
    keepMs: told.keep_ms,
    keepFailedMs: told.keep_failed_ms,
    uniqueUntil:
      told.unique_until === undefined ? undefined : UNIQUE[told.unique_until],
    durability: DURABILITIES[told.durability],
    tags: told.tags,
  });
}

function target(told) {
  if (told.id !== undefined) {
    const epoch = told.epoch === undefined ? undefined : BigInt(told.epoch);
    return known({ id: idText(told.id), epoch });
  }
  return known({ realm: told.realm, queue: told.queue, key: bytes(told.key) });
}

function jobOf(job) {
  return known({
    id: idHex(job.id),
    realm: job.realm,
    queue: job.queue,
    key: job.keyBytes.toString("hex"),
    existing: job.existing,
    cancelling: job.cancelling,
    state: job.state,
    durability: DURABILITIES.indexOf(job.durability),
    attempt: job.attempt,
    attempts_max: job.maxAttempts,
    priority: job.priority,
    error: job.error,
    error_text: job.errorText,
    result: job.result?.toString("hex"),
    result_gone: job.resultGone,
    result_bytes: exact(job.resultBytes),
    run_at: job.runAt,
    fence: exact(job.fence),
    epoch: exact(job.epoch),
    tags: job.tags,
  });
}

function momentOf(moment) {
  return known({
    kind: moment.kind,
    at: moment.at,
    state: moment.state,
    attempt: moment.attempt,
    fence: exact(moment.fence),
    worker: moment.worker,
    error: moment.error,
    text: moment.text,
    id: moment.id && idHex(moment.id),
    realm: moment.realm,
    queue: moment.queue,
    count: moment.count,
  });
}

// ---- the client ----

let client;
let events;

async function endOf(promise) {
  try {
    return await promise;
  } catch (err) {
    if (err instanceof JobError) {
      return err.job;
    }
    throw err;
  }
}

async function waitMany(told, options) {
  const jobs = [];
  const order = [];
  for await (const done of client.asCompleted(told.targets.map(target), options)) {
    if (done.error !== undefined) {
      throw done.error;
    }
    jobs[done.index] = jobOf(done.job);
    order.push(done.index);
  }
  return { jobs, order };
}

async function watch(told, options) {
  const progress = [];
  const pieces = [];
  for await (const news of client.watch(target(told), { ...options, partial: true })) {
    if (news.kind === "progress" && news.progress === 0) {
      continue; // It has started, and says nothing of itself yet.
    }
    if (news.kind === "progress") {
      const progress_ppm = Math.round(news.progress * 1e6);
      progress.push({ progress_ppm, progress_text: news.text });
    } else if (news.kind === "partial") {
      pieces.push(news.data);
    } else {
      const partial = Buffer.concat(pieces).toString("hex");
      return { job: jobOf(news.job), progress, partial };
    }
  }
  throw new Error("the watch ended without an end");
}

async function list(told, options) {
  const { realm, queue, states, tag, error_has: errorHas } = told;
  const filter = known({ realm, queue, states, tag, errorHas, key: bytes(told.key) });
  const jobs = [];
  for await (const job of client.list(filter, options)) {
    jobs.push(jobOf(job));
  }
  return { jobs };
}

const calls = {
  open: (told) => {
    client = new Client(
      known({
        endpoint: told.endpoint,
        keyFile: told.key_file,
        serverKey: told.server_key,
        name: told.name,
      }),
    );
    void client.connect().catch(() => {}); // Goes on behind it.
    return {};
  },
  close: async () => {
    await client.close();
    return {};
  },
  submit: async (told, options) => {
    const { queue, payload, ...rest } = submission(told);
    return { job: jobOf(await client.submit(queue, payload, { ...rest, ...options })) };
  },
  submit_many: async (told, options) => {
    const jobs = await client.submitMany(told.jobs.map(submission), options);
    return { jobs: jobs.map(jobOf) };
  },
  run: async (told, options) => {
    const { queue, payload, ...rest } = submission(told);
    const job = await endOf(client.run(queue, payload, { ...rest, ...options }));
    return { job: jobOf(job) };
  },
  get: async (told, options) => {
    const job = await client.get(target(told), {
      ...options,
      result: told.want_result,
    });
    return { job: jobOf(job) };
  },
  wait: async (told, options) => ({
    job: jobOf(await client.wait(target(told), options)),
  }),
  wait_many: waitMany,
  watch,
  cancel: async (told, options) => {
    const { reason } = told;
    const { verdict } = await client.cancel(
      target(told),
      known({ ...options, reason }),
    );
    return { verdict };
  },
  retry: async (told, options) => {
    const { reason } = told;
    const job = await client.retry(target(told), known({ ...options, reason }));
    return { job: jobOf(job) };
  },
  list,
  history: async (told, options) => ({
    moments: (await client.history(target(told), options)).map(momentOf),
  }),
  events: ({ realm, queue }) => {
    events = client.events(known({ realm, queue }));
    return {};
  },
  next_event: async () => ({ moment: momentOf((await events.next()).value) }),
};

async function answer(line) {
  const told = JSON.parse(line);
  try {
    return await calls[told.op](told, { timeoutMs: told.timeout_ms ?? CALL_MS });
  } catch (err) {
    if (!(err instanceof GangerError)) {
      throw err;
    }
    const { code, number, text, retryMs } = err;
    return { error: code, number, text, retry_ms: retryMs };
  }
}

async function beClient() {
  for await (const line of createInterface({ input: process.stdin })) {
    process.stdout.write(`${JSON.stringify(await answer(line))}\n`);
  }
  await events?.return();
  await client?.close();
}

// ---- the worker ----

async function beWorker(endpoint, name, prefix) {
  const deeds = new URL("./deeds.mjs", import.meta.url);
  const worker = new Worker(deeds, [`${prefix}.*`], { endpoint, name, slots: 4 });
  const told = new Promise((resolve) => process.once("SIGTERM", resolve));
  await worker.ready();
  process.stdout.write("ready\n");
  await told;
  await worker.close();
}

const [kind, ...rest] = process.argv.slice(2);
await (kind === "client" ? beClient() : beWorker(...rest));
