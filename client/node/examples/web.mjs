// A web server that makes the demo's report of installed packages: 202 with how far it
// is, until it is there; then the file. However many ask for a day's report, it is made
// once.
//
//   gangerd --volatile &
//   ganger-worker --queue reports -- package-report --seconds 10 &
//   node web.mjs 8080        then: curl -i http://127.0.0.1:8080/reports/today
import { createServer } from "node:http";

import { Client, GangerError } from "ganger";

const [port = "8080", database = "/var/lib/dpkg/status"] = process.argv.slice(2);
const client = new Client({ name: "web", timeoutMs: 5000, idleMs: Infinity });

function send(response, status, body, headers = {}) {
  response.writeHead(status, { "content-type": "application/json", ...headers });
  response.end(
    typeof body === "object" && !Buffer.isBuffer(body)
      ? `${JSON.stringify(body)}\n`
      : body,
  );
}

// Submitting under the same key again meets the same job, with its result at last.
async function report(day, response) {
  const options = { key: day, keepMs: 3600_000 };
  const job = await client.submit("reports", database, options);
  if (job.state !== "succeeded") {
    const { state, progress, progressText: text } = job;
    send(response, 202, { state, progress, text }, { "retry-after": "1" });
    return;
  }
  const file = await client.result(job);
  const name = `attachment; filename="report-${day}.csv"`;
  send(response, 200, file, {
    "content-type": "text/csv",
    "content-disposition": name,
  });
}

const server = createServer((request, response) => {
  const day = /^\/reports\/([\w-]+)$/.exec(request.url)?.[1];
  if (day === undefined) {
    send(response, 404, { error: "not_found", text: "try /reports/today" });
    return;
  }
  report(day, response).catch((err) => {
    const { code, text, todo } = err instanceof GangerError ? err : {};
    send(response, code === undefined ? 500 : 503, { error: code, text, todo });
  });
});

server.listen(Number(port), "127.0.0.1", () => {
  console.log(`listening on http://127.0.0.1:${server.address().port}`);
});
process.once("SIGTERM", () => {
  server.close(() => client.close());
});
