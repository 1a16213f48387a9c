// Is the package whole? What `npm pack` puts into it, and what a stranger's types say.
import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";

const root = new URL("..", import.meta.url).pathname;

test("npm pack takes what is built, its types, the examples and the README", () => {
  const options = { cwd: root, encoding: "utf8", stdio: ["ignore", "pipe", "ignore"] };
  const args = ["pack", "--dry-run", "--json", "--ignore-scripts"];
  const [{ files }] = JSON.parse(execFileSync("npm", args, options));
  const names = files.map((file) => file.path);
  const { exports } = JSON.parse(readFileSync(join(root, "package.json")));
  for (const { types, default: code } of Object.values(exports)) {
    assert.ok(names.includes(types.slice(2)), types);
    assert.ok(names.includes(code.slice(2)), code);
  }
  assert.ok(names.includes("README.md") && names.includes("examples/web.mjs"));
  assert.ok(!names.some((name) => /^(src|test|node_modules)\//.test(name)));
});

test("the lock names no host but the public registry", () => {
  const lock = readFileSync(join(root, "package-lock.json"), "utf8");
  const { packages } = JSON.parse(lock);
  for (const [name, one] of Object.entries(packages).filter(([key]) => key !== "")) {
    const from = one.resolved ?? "https://registry.npmjs.org/";
    assert.match(from, /^https:\/\/registry\.npmjs\.org\//, name);
    assert.match(one.integrity, /^sha512-/, name);
  }
});

// What the compiler says of a program of a user, in strict mode.
function compile(text) {
  const folder = mkdtempSync(join(root, "made-"));
  writeFileSync(join(folder, "user.mts"), text);
  const flags = "--noEmit --strict --module NodeNext --target ES2022 --skipLibCheck";
  const args = ["--types", "node", ...flags.split(" "), join(folder, "user.mts")];
  try {
    const tsc = join(root, "node_modules/.bin/tsc");
    execFileSync(tsc, args, { cwd: root, encoding: "utf8" });
    return "";
  } catch (err) {
    return err.stdout;
  } finally {
    rmSync(folder, { recursive: true });
  }
}

test("every snippet of the README is a program, with what it takes for granted", () => {
  const page = readFileSync(join(root, "README.md"), "utf8");
  const snippets = [...page.matchAll(/```js\n([\s\S]*?)```/g)].map((one) => one[1]);
  assert.equal(snippets.length, 6);
  const names = (...lines) => lines.map((line) => `declare ${line};`).join("\n");
  const granted = [
    "",
    "",
    `import { Client, type Job } from "ganger"; const client = new Client();
     ${names("const jobs: Job[]", "function show(one: unknown): void")}`,
    `import { Client } from "ganger"; const client = new Client();
     ${names("const input: string", "let err: import('ganger').JobError")}`,
    names(
      "const busy: boolean",
      "function resize(data: Buffer, how: { signal: AbortSignal }): Promise<Buffer>",
      "function send(mail: unknown): Promise<void>",
    ),
    `import type { ClientLike } from "ganger";
     import type { Handlers } from "ganger/worker";
     ${names(
       "const handlers: Handlers",
       "function placeOrder(client: ClientLike): Promise<void>",
     )}`,
  ];
  snippets.forEach((snippet, n) => {
    const text = `${granted[n]}\n${snippet.replace("catch (err)", "catch (error)")}`;
    assert.equal(compile(`${text}\nexport {};`), "", snippet);
  });
});

test("strict types: right programs compile, wrong ones do not", () => {
  const right = `
    import { Client, GangerError, JobError, type ClientLike, type Job } from "ganger";
    import { TestClient } from "ganger/testing";
    import { Reject, work, type Handlers } from "ganger/worker";
    const handlers: Handlers = { q: async (job) => ({ n: job.attempt, f: 1 }) };
    export async function main(client: ClientLike): Promise<bigint> {
      const job: Job = await client.run("q", { a: [1] }, { keepMs: 1000, tags: ["t"] });
      for await (const end of client.asCompleted([job])) {
        const same: Job = end.target;
        void same;
      }
      const wrong = (err: unknown) => err instanceof JobError && err.job.state;
      const code = (err: GangerError) => err.code === "key_conflict";
      void [wrong, code, Reject];
      return job.fence;
    }
    void main(new Client());
    void main(new TestClient({ handlers }));
    void work(handlers, { slots: 2 });
  `;
  const wrong = [
    `import { Client } from "ganger"; void new Client().submit(5);`,
    `import { Client } from "ganger"; void new Client().run("q", "", { keep: 5 });`,
    `import { GangerError } from "ganger";
     export const x = (err: GangerError): boolean => err.code === "no_such_code";`,
    `import { work } from "ganger/worker";
     void work({ q: (job) => job.payload.nope });`,
  ];
  assert.equal(compile(right), "");
  for (const text of wrong) {
    assert.match(compile(text), /error TS/, text);
  }
});
