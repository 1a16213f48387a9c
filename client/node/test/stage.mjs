// stage.mjs - what the tests with real programs share: a broker on a port that the
// kernel chooses, agents, a wire that can be cut. GG_BIN_DIR names the programs.
import { spawn } from "node:child_process";
import { once } from "node:events";
import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { connect, createServer } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createInterface } from "node:readline";

const BIN = process.env.GG_BIN_DIR;
const PATIENCE_MS = 30000;

export const program = (name) => join(BIN, name);

// A promise that fails with `what` when it takes too long.
export function within(promise, what, ms = PATIENCE_MS) {
  let timer;
  const late = new Promise((_, reject) => {
    timer = setTimeout(() => reject(new Error(`too long: ${what}`)), ms);
  });
  return Promise.race([promise, late]).finally(() => clearTimeout(timer));
}

// What a test that failed leaves running ends with this process, and keeps it from
// ending no longer than somebody waits for it.
const running = new Set();
process.on("exit", () => running.forEach((child) => child.kill("SIGKILL")));

// A process whose lines on one stream are looked for; what it said is kept.
export class Process {
  constructor(command, args, options = {}) {
    this.child = spawn(command, args, {
      stdio: ["ignore", "pipe", "pipe"],
      ...options,
    });
    running.add(this.child);
    this.child.unref();
    this.child.stdout.unref();
    this.child.stderr.unref();
    this.said = [];
    this.watchers = [];
    this.ended = once(this.child, "close").then(([code, signal]) => {
      running.delete(this.child);
      return { code, signal };
    });
    for (const stream of [this.child.stdout, this.child.stderr]) {
      createInterface({ input: stream }).on("line", (line) => {
        this.said.push(line);
        this.watchers = this.watchers.filter((watch) => !watch(line));
      });
    }
  }

  // The match of the first line that fits, said before or later.
  line(pattern) {
    const found = new Promise((resolve, reject) => {
      const watch = (line) => {
        const match = pattern.exec(line);
        if (match !== null) {
          resolve(match);
        }
        return match !== null;
      };
      if (!this.said.some(watch)) {
        this.watchers.push(watch);
        void this.ended.then(() => {
          reject(new Error(`no line ${pattern} in:\n${this.said.join("\n")}`));
        });
      }
    });
    return within(found, `a line ${pattern}`);
  }

  // End it; its exit status, or the name of a signal.
  async end(signal = "SIGTERM") {
    if (this.child.exitCode === null && this.child.signalCode === null) {
      this.child.kill(signal);
    }
    const { code, signal: by } = await within(
      this.ended,
      `the end of ${this.child.pid}`,
    );
    return by ?? code;
  }
}

// A broker, volatile where nothing else is said; `again()` starts another one in its
// place.
export class Broker {
  static async start(...args) {
    const broker = new Broker();
    broker.args = args;
    await broker.run("tcp://127.0.0.1:0", []);
    return broker;
  }

  async run(listen, more) {
    const store = this.args.includes("--data") ? [] : ["--volatile"];
    const args = [...store, "--listen", listen, ...more, ...this.args];
    this.process = new Process(program("gangerd"), args);
    const ready = await this.process.line(/event=ready .*client=(\S+) agent=(\S+)/);
    [, this.endpoint, this.agents] = ready;
  }

  kill() {
    return this.process.end("SIGKILL");
  }

  again() {
    return this.run(this.endpoint, ["--agent-listen", this.agents]);
  }

  async stop() {
    await this.process.end();
  }
}

// A broker that wants keys: alice may submit to up*, nobody knows eve. `file` names the
// files in the folder.
export async function lockedBroker(folder) {
  const file = (name) => join(folder, name);
  const ganger = async (...args) => {
    const one = new Process(program("ganger"), args);
    if ((await one.end(0)) !== 0) {
      throw new Error(`ganger ${args.join(" ")}: ${one.said.join("\n")}`);
    }
  };
  for (const name of ["broker.key", "alice.key", "eve.key"]) {
    await ganger("key", "new", file(name));
  }
  const allow = ["--keys", file("keys"), "--name", "alice", "--role", "submit"];
  await ganger("key", "allow", file("alice.key.pub"), ...allow, "--queue", "up*");
  const settings = { server_key_file: file("broker.key"), keys_file: file("keys") };
  const sets = Object.entries(settings).flatMap(([name, value]) => [
    "--set",
    `${name}=${value}`,
  ]);
  const page = readFileSync(file("broker.key.pub"), "utf8");
  const [, serverKey] = /public-key\s*=\s*"([^"]+)"/.exec(page);
  return { locked: await Broker.start(...sets), file, serverKey };
}

// Where agents keep their locks: not among those of other tests.
const runtime = mkdtempSync(join(tmpdir(), "ganger-node-run-"));
process.on("exit", () => rmSync(runtime, { recursive: true, force: true }));

// A ganger-worker; resolves once the broker has taken it.
export async function agent(endpoint, queue, command, ...options) {
  const args = ["--broker", endpoint, "--queue", queue, ...options];
  if (command.length > 0) {
    args.push("--", ...command);
  }
  const env = { ...process.env, XDG_RUNTIME_DIR: runtime };
  const worker = new Process(program("ganger-worker"), args, { env });
  await worker.line(/event=connected/);
  return worker;
}

// A wire between a client and a broker: cut() breaks its connections, hold() lets
// nothing through, in silence.
export class Wire {
  static async to(endpoint) {
    const wire = new Wire();
    const port = Number(/:(\d+)$/.exec(endpoint)[1]);
    wire.sockets = new Set();
    wire.held = false;
    wire.server = createServer((near) => {
      const far = connect(port, "127.0.0.1");
      for (const [from, to] of [
        [near, far],
        [far, near],
      ]) {
        wire.sockets.add(from);
        from.on("data", (data) => wire.held || to.write(data));
        from.on("error", () => {});
        from.on("close", () => {
          wire.sockets.delete(from);
          to.destroy();
        });
      }
    });
    wire.server.listen(0, "127.0.0.1");
    await once(wire.server, "listening");
    wire.endpoint = `tcp://127.0.0.1:${wire.server.address().port}`;
    return wire;
  }

  cut() {
    this.sockets.forEach((socket) => socket.destroy());
  }

  hold(held) {
    this.held = held;
  }

  async close() {
    this.server.close();
    this.cut();
    await once(this.server, "close");
  }
}
