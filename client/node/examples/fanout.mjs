// One hundred jobs, one deadline, and what is there by then.
//
//   node fanout.mjs [COUNT] [DEADLINE_MS]      with worker.mjs running beside it
import { Client } from "ganger";

const [count = "100", deadline = "2000"] = process.argv.slice(2);
const client = new Client();

const texts = Array.from({ length: Number(count) }, (_, n) => "word ".repeat(n + 1));
const jobs = await client.submitMany(
  texts.map((payload) => ({ queue: "words", payload, keepMs: 60_000 })),
);

let words = 0;
let done = 0;
const late = [];
for await (const end of client.asCompleted(jobs, { timeoutMs: Number(deadline) })) {
  if (end.job?.ok) {
    words += end.job.json().count;
    done++;
  } else {
    late.push(end.target.id);
  }
}
// What is late has not to be made any more.
await Promise.all(late.map((id) => client.cancel(id, { reason: "too late" })));
console.log(`${done} of ${jobs.length} in time, ${words} words, ${late.length} late`);
await client.close();
