// The session core, message by message: no socket, no clock.
import assert from "node:assert/strict";
import { test } from "node:test";

import { Agent } from "../dist/agent.js";
import { Requests } from "../dist/requests.js";
import { MESSAGE, encodeCommand, encodeMessage } from "../dist/wire.js";
import { readCommands, readHeader } from "../dist/wire.js";

const WELCOME = {
  version: 1,
  epoch: 7n,
  heartbeat_ms: 1000,
  dead_after_ms: 3000,
  lease_ms: 8000,
  frame_bytes_max: 100000,
  payload_bytes_max: 1000,
  result_bytes_max: 1000,
  requests_max: 100,
  durability: 1,
};
const ID = Buffer.alloc(16, 1);

// A broker for one session: it reads what comes, and says what it is told.
class Peer {
  constructor(session) {
    this.session = session;
    this.now = { mono: 1000, wall: 1000 };
    this.number = 0n;
    this.heard = 0;
    this.said = 0;
  }

  // All messages that are due, as [type, names, commands].
  take() {
    const messages = [];
    for (;;) {
      const frames = this.session.next(this.now);
      if (frames === undefined) {
        return messages;
      }
      const frame = Buffer.from(frames[0]);
      const header = readHeader(frame);
      const large = frames[1] && Buffer.from(frames[1]);
      const commands = readCommands(frame, large);
      assert.equal(header.sequence, header.type === MESSAGE.hello ? 1 : this.heard + 1);
      this.heard = header.sequence;
      this.number = header.session;
      this.acked = header.acked;
      messages.push({ header, commands, names: commands.map((one) => one.name) });
    }
  }

  say(type, ...commands) {
    const header = {
      type,
      session: this.number,
      sequence: ++this.said,
      acked: this.heard,
    };
    const bytes = commands.map(
      ([name, request, record]) => encodeCommand(name, request, record).bytes,
    );
    return this.session.receive([encodeMessage(header, bytes)], this.now);
  }

  answer(...commands) {
    return this.say(MESSAGE.commands, ...commands);
  }

  open(welcome = {}) {
    this.session.linkUp(this.now);
    const [hello] = this.take();
    assert.equal(hello.header.type, MESSAGE.hello);
    this.said = 0;
    this.say(MESSAGE.welcome, ["welcome", 0, { ...WELCOME, ...welcome }]);
    assert.equal(this.session.state, "open");
    return hello.commands[0].record;
  }

  reset(error) {
    this.say(MESSAGE.reset, ["reset", 0, { error }]);
  }

  after(ms) {
    this.now = { mono: this.now.mono + ms, wall: this.now.wall + ms };
    this.session.tick(this.now);
  }
}

function client() {
  const self = { host: "h", pid: 1, program: "p" };
  const session = new Requests(self, Math.random, () => {});
  const peer = new Peer(session);
  const ask = (name, record, deadline = Infinity, unnamed = undefined) => {
    const answers = [];
    const asker = (answer) => answers.push(answer);
    session.ask(name, record, deadline, peer.now, asker, unnamed);
    return answers;
  };
  return { session, peer, ask };
}

test("requests of one turn leave in one message, each is answered once", () => {
  const { peer, ask } = client();
  peer.open();
  const all = Array.from({ length: 10 }, () => ask("submit", { id: ID, queue: "q" }));
  const [message, ...more] = peer.take();
  assert.equal(message.commands.length, 10);
  assert.deepEqual(more, []);
  for (const { request } of message.commands) {
    const job = ["job", request, { id: ID, state: 3 }];
    peer.answer(job, job);
  }
  assert.ok(all.every((answers) => answers.length === 1 && answers[0].final));
});

test("an answer is acknowledged within its time, a heartbeat is not", () => {
  const { peer, ask } = client();
  peer.open();
  ask("submit", { id: ID, queue: "q" });
  const [{ commands }] = peer.take();
  peer.answer(["job", commands[0].request, { id: ID, state: 3 }]);
  assert.deepEqual(peer.take(), []);
  peer.after(50);
  const [ack] = peer.take();
  assert.deepEqual(ack.names, ["heartbeat"]);
  assert.equal(ack.header.acked, 2);
  peer.answer(["heartbeat", 0, {}]);
  peer.after(60000);
  assert.deepEqual(peer.take(), [], "with nothing in flight it is silent");
});

test("after a reset the same submission goes again, under a new session", () => {
  const { peer, ask } = client();
  peer.open();
  const first = peer.number;
  const answers = ask("submit", { id: ID, queue: "q" });
  const [sent] = peer.take();
  peer.reset(17);
  const [hello] = peer.take();
  assert.equal(hello.header.type, MESSAGE.hello);
  assert.notEqual(peer.number, first);
  peer.said = 0;
  peer.say(MESSAGE.welcome, ["welcome", 0, WELCOME]);
  const [again] = peer.take();
  assert.deepEqual(again.commands[0].record, sent.commands[0].record);
  assert.deepEqual(answers, []);
});

// A client an hour into 1970 that has met no broker; its broker is ten minutes ahead.
const HOUR_MS = 3600000;
const AHEAD_MS = 600000;

function apart() {
  const stage = client();
  const { session, peer } = stage;
  peer.now = { mono: 1000, wall: HOUR_MS };
  const open = () => peer.open({ now_at: peer.now.wall + AHEAD_MS });
  return { ...stage, open, newId: () => session.newId(peer.now) };
}

const madeAt = (id) => Buffer.from(id).readUIntBE(0, 6);

test("an own id is of the broker's time, and stays once it was sent", () => {
  for (const payload of [Buffer.from("small"), Buffer.alloc(900, 1)]) {
    const { session, peer, ask, open, newId } = apart();
    session.limits.inlineBytes = 500; // The second one goes in a frame of its own.
    const id = newId();
    const made = Buffer.from(id);
    const answers = ask("submit", { id, queue: "q", payload }, Infinity, [id]);
    peer.after(HOUR_MS);
    open();
    const [first] = peer.take();
    const sent = first.commands[0].record;
    assert.equal(madeAt(sent.id), peer.now.wall + AHEAD_MS);
    assert.notDeepEqual(sent.id.subarray(6), made.subarray(6));
    assert.deepEqual(sent.id, id, "who made it sees what became of it");
    assert.deepEqual(Buffer.from(sent.payload), payload);
    session.linkDown(); // The broker may have it.
    peer.after(HOUR_MS);
    open();
    const [again] = peer.take();
    assert.deepEqual(again.commands[0].record, sent);
    peer.answer(["error", again.commands[0].request, { error: 7 }]);
    assert.equal(answers[0].sent, true);
  }
});

test("an own id that is young is not made anew", () => {
  const { peer, ask, open, newId } = apart();
  open();
  const id = newId();
  const made = Buffer.from(id);
  ask("submit", { id, queue: "q" }, Infinity, [id]);
  peer.after(500);
  const [{ commands }] = peer.take();
  assert.deepEqual(commands[0].record.id, made);
});

test("an own id that waits in line is made anew when it leaves", () => {
  const { session, peer, ask, open, newId } = apart();
  open();
  session.limits.requests = 1;
  for (const id of [newId(), newId()]) {
    ask("submit", { id, queue: "q" }, Infinity, [id]);
  }
  const [{ commands }, ...more] = peer.take();
  assert.deepEqual([commands.length, more], [1, []]);
  peer.after(HOUR_MS);
  peer.answer(["job", commands[0].request, { id: ID, state: 3 }]);
  const [late] = peer.take();
  assert.equal(madeAt(late.commands[0].record.id), peer.now.wall + AHEAD_MS);
});

test("an id of the caller's is never changed", () => {
  const { peer, ask, open } = apart();
  ask("submit", { id: ID, queue: "q" });
  peer.after(HOUR_MS);
  open();
  assert.deepEqual(peer.take()[0].commands[0].record.id, ID);
});

test("own ids of a list are made anew, the others stay", () => {
  const { session, peer, ask, open, newId } = apart();
  const own = [newId(), newId()];
  const jobs = [own[0], ID, own[1]].map((id) => ({ id, queue: "q" }));
  ask("submit_many", { jobs }, Infinity, own);
  peer.after(HOUR_MS);
  open();
  const first = peer.take()[0].commands[0].record;
  const [one, given, two] = first.jobs.map((job) => job.id);
  assert.deepEqual([madeAt(one), madeAt(two)], Array(2).fill(peer.now.wall + AHEAD_MS));
  assert.notDeepEqual(one, two);
  assert.deepEqual(given, ID);
  session.linkDown();
  peer.after(HOUR_MS);
  open();
  assert.deepEqual(peer.take()[0].commands[0].record, first);
});

test("what was never sent says so at its end", () => {
  const { session, peer, ask, newId } = apart();
  const id = newId();
  const answers = ask("submit", { id, queue: "q" }, peer.now.mono + 100, [id]);
  peer.after(100);
  session.expire(peer.now, { code: "no_broker", text: "" });
  assert.deepEqual([answers[0].code, answers[0].sent], ["no_broker", false]);
});

test("a run that was accepted goes again as a wait, as it was accepted", () => {
  const { peer, ask, session } = client();
  peer.open();
  const answers = ask("submit", { id: ID, queue: "q", wait: true });
  const { request } = peer.take()[0].commands[0];
  peer.answer(["job", request, { id: ID, state: 3, epoch: 7n, durability: 1 }]);
  assert.equal(answers[0].final, false);
  session.linkDown();
  peer.open({ epoch: 8n });
  const [{ commands }] = peer.take();
  assert.equal(commands[0].name, "wait");
  assert.equal(commands[0].record.epoch, 7n);
  assert.equal(commands[0].record.durability, 1);
  peer.answer(["error", request, { error: 22, text: "gone" }]);
  assert.deepEqual([answers[1].code, answers[1].final], ["lost_with_broker", true]);
});

test("a run for its end only goes again; to a broker that lost it as a wait", () => {
  const end = { id: ID, queue: "q", wait: true, end_only: true };
  const inMemory = { ...end, durability: 1 };
  for (const [asked, acked, epoch, durability, name] of [
    [end, true, 7n, 1, "submit"], // The same broker.
    [end, false, 8n, 1, "submit"], // Another; the old one had not seen it.
    [end, true, 8n, 2, "submit"], // Another, which has what the old one took.
    [end, true, 8n, 1, "wait"], // Another, and what the old one took is gone.
    [inMemory, true, 7n, 2, "submit"], // The same, which can remember, …
    [inMemory, true, 8n, 2, "wait"], // … another: this job it cannot know.
  ]) {
    const { peer, ask, session } = client();
    peer.open();
    const answers = ask("submit", asked);
    const { request } = peer.take()[0].commands[0];
    peer.heard = acked ? peer.heard : 1;
    peer.answer(["heartbeat", 0, {}]);
    session.linkDown();
    peer.open({ epoch, durability });
    const [{ commands }] = peer.take();
    assert.equal(commands[0].name, name);
    assert.equal(commands[0].record.epoch, name === "wait" ? 7n : undefined);
    assert.equal(commands[0].record.durability, asked.durability);
    peer.answer(["job", request, { id: ID, state: 5 }]);
    assert.equal(answers.at(-1).final, true);
  }
});

test("a gap in the sequence begins anew; what is late is ignored", () => {
  const { peer, ask, session } = client();
  peer.open();
  const answers = ask("get", { id: ID });
  const { request } = peer.take()[0].commands[0];
  const old = peer.number;
  peer.said++; // One was lost.
  peer.answer(["job", request, { id: ID, state: 5 }]);
  assert.deepEqual(answers, []);
  assert.equal(session.state, "greet");
  peer.take();
  const header = { type: MESSAGE.commands, session: old, sequence: 4, acked: 2 };
  const late = encodeCommand("job", request, { id: ID, state: 5 }).bytes;
  assert.ok(session.receive([encodeMessage(header, [late])], peer.now));
  assert.deepEqual(answers, []);
});

test("a reset that lasts is waited out, others are not", () => {
  const { peer, session } = client();
  session.linkUp(peer.now);
  peer.take();
  peer.reset(19);
  assert.equal(session.state, "paused");
  peer.after(999);
  assert.deepEqual(peer.take(), []);
  peer.after(1);
  assert.equal(peer.take().length, 1);
});

test("silence is death while something is in flight, and not before", () => {
  const { peer, ask, session } = client();
  peer.open();
  peer.after(100000);
  assert.ok(!session.isDead(peer.now));
  ask("get", { id: ID });
  peer.take();
  peer.after(2999);
  assert.ok(!session.isDead(peer.now));
  peer.after(1);
  assert.ok(session.isDead(peer.now));
});

test("a deadline ends a request: late in a session, else unreachable", () => {
  const { peer, ask, session } = client();
  const why = { code: "connection_refused", text: "nothing there" };
  const lost = ask("get", { id: ID }, peer.now.mono + 10);
  peer.after(10);
  session.expire(peer.now, why);
  assert.deepEqual([lost[0].code, lost[0].said], ["connection_refused", false]);
  peer.open();
  const late = ask("wait", { id: ID }, peer.now.mono + 10);
  const { request } = peer.take()[0].commands[0];
  peer.after(10);
  session.expire(peer.now, why);
  assert.equal(late[0].code, "timed_out");
  const [gone] = peer.take();
  assert.deepEqual(gone.commands[0].record, { request });
  assert.equal(gone.names[0], "unwait");
});

test("too large is refused before it is sent", () => {
  const { peer, ask } = client();
  peer.open();
  const large = ask("submit", { id: ID, queue: "q", payload: Buffer.alloc(1001) });
  assert.deepEqual(peer.take(), []);
  assert.deepEqual([large[0].code, large[0].said], ["too_large", true]);
});

test("no more requests are in flight than the broker allows", () => {
  const { peer, ask } = client();
  peer.open({ requests_max: 3 });
  for (let n = 0; n < 5; n++) {
    ask("get", { id: ID });
  }
  const [{ commands }] = peer.take();
  assert.equal(commands.length, 3);
  peer.answer(["job", commands[0].request, { id: ID, state: 5 }]);
  assert.equal(peer.take()[0].commands.length, 1);
});

test("what is no Ganger peer is told apart", () => {
  const { session, peer } = client();
  session.linkUp(peer.now);
  peer.take();
  assert.equal(session.receive([Buffer.from("HTTP/1.1 200 OK")], peer.now), false);
});

// ---- the agent's half ----

function agent() {
  const calls = [];
  const note = (name) => (one) => calls.push([name, one.fence ?? one]);
  const self = { name: "a", incarnation: 1n, host: "h", pid: 1, program: "p" };
  const session = new Agent({ ...self, queues: ["q"] }, 2, Math.random, {
    run: note("run"),
    stop: note("stop"),
    kill: note("kill"),
    withdraw: note("withdraw"),
    news: () => {},
  });
  const peer = new Peer(session);
  const assign = (fence, more = {}) =>
    peer.answer([
      "assign",
      0,
      { id: ID, fence, pool: 1, attempt: 1, queue: "q", ...more },
    ]);
  return { session, peer, calls, assign };
}

test("an outcome goes in every session until it is confirmed", () => {
  const { session, peer, calls, assign } = agent();
  const hello = peer.open();
  assert.equal(hello.pools[0].slots, 2);
  assign(5n);
  assert.deepEqual(calls, [["run", 5n]]);
  session.started(5n, peer.now);
  session.ended(5n, { kind: "succeeded", result: Buffer.from("r") });
  assert.deepEqual(peer.take()[0].names, ["started", "outcome"]);
  session.linkDown();
  const again = peer.open();
  assert.deepEqual(again.held, [{ id: ID, fence: 5n, pool: 1, started: true }]);
  assert.equal(again.outcomes, 1);
  assert.deepEqual(peer.take()[0].names, ["outcome"]);
  peer.answer(["confirm", 0, { id: ID, fence: 5n }]);
  assert.equal(session.inHand, 0);
});

test("the same assignment twice, or an older one, is run once", () => {
  const { peer, calls, assign } = agent();
  peer.open();
  assign(5n);
  assign(5n);
  assign(4n);
  assert.deepEqual(calls, [["run", 5n]]);
});

test("a stop for what never came is answered, and its fence counts as taken", () => {
  const { peer, calls, assign } = agent();
  peer.open();
  peer.answer(["stop", 0, { id: ID, fence: 5n, reason: 3 }]);
  const [{ commands }] = peer.take();
  assert.deepEqual(commands[0].record, {
    id: ID,
    fence: 5n,
    kind: 8,
    never_started: true,
  });
  assign(5n);
  assert.deepEqual(calls, []);
});

test("a withdrawal of what runs is answered started; a cancel stops it", () => {
  const { session, peer, calls, assign } = agent();
  peer.open();
  assign(5n);
  session.started(5n, peer.now);
  peer.take();
  peer.answer(["stop", 0, { id: ID, fence: 5n, reason: 3 }]);
  assert.deepEqual(peer.take()[0].names, ["started"]);
  peer.answer(["stop", 0, { id: ID, fence: 5n, reason: 1, grace_ms: 10 }]);
  assert.deepEqual(calls.at(-1), ["stop", 5n]);
  session.ended(5n, { kind: "failed", text: "stopped" });
  assert.equal(peer.take()[0].commands[0].record.kind, 7);
});

test("each heartbeat restates windows and leases; a lease counts from one", () => {
  const { session, peer, calls, assign } = agent();
  peer.open();
  assign(5n);
  session.started(5n, peer.now);
  peer.take();
  peer.after(1000);
  const [beat] = peer.take();
  assert.deepEqual(beat.commands[0].record.held, [5n]);
  assert.equal(beat.commands[0].record.pools[0].slots, 2);
  peer.answer(["heartbeat", 0, {}]); // Acknowledges it: the lease counts from then.
  peer.after(5900);
  assert.equal(calls.length, 1);
  peer.after(200); // 8 s less the margin are over.
  assert.deepEqual(calls.at(-1), ["kill", 5n]);
  session.ended(5n, { kind: "crashed", signal: 9 });
  const lost = peer.take().flatMap((one) => one.commands);
  assert.equal(lost.find((one) => one.name === "outcome").record.kind, 9);
});

test("what is not started in its time is given back", () => {
  const { peer, calls, assign } = agent();
  peer.open();
  assign(5n, { start_within_ms: 100 });
  peer.after(100);
  const [{ commands }] = peer.take();
  assert.equal(commands[0].record.never_started, true);
  assert.deepEqual(calls.at(-1), ["withdraw", 5n]);
});

test("a result above the limit makes a success a failure", () => {
  const { session, peer, assign } = agent();
  peer.open();
  assign(5n);
  session.started(5n, peer.now);
  session.ended(5n, { kind: "succeeded", result: Buffer.alloc(1001) });
  const outcome = peer.take()[0].commands[1].record;
  assert.equal(outcome.kind, 2);
  assert.match(outcome.text, /1001 bytes/);
});
