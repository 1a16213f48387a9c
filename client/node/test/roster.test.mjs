// What is in flight, and what was known lately: found, kept in order, let go of.
import assert from "node:assert/strict";
import { test } from "node:test";
import { getHeapSpaceStatistics, setFlagsFromString } from "node:v8";
import { runInNewContext } from "node:vm";

import { Recent } from "../dist/recent.js";
import { Roster } from "../dist/roster.js";

const LINKS = { before: undefined, after: undefined, below: undefined };
const member = (number, more) => ({ number, ...LINKS, ...more });

function rosterOf(...numbers) {
  const roster = new Roster();
  const members = numbers.map((number) => member(number));
  members.forEach((one) => roster.add(one));
  return { roster, members };
}

const numbers = (roster) => roster.all().map((one) => one.number);

test("members are found by their numbers and listed as they were added", () => {
  const { roster, members } = rosterOf(5, 3, 5 + 64, 2 ** 40);
  assert.equal(roster.size, 4);
  assert.deepEqual(numbers(roster), [5, 3, 69, 2 ** 40]);
  members.forEach((one) => assert.equal(roster.get(one.number), one));
  assert.equal(roster.get(4), undefined);
});

test("a member that was taken out is not found and refers to nobody", () => {
  for (const [at, left] of [
    [0, [69, 133, 2]],
    [1, [5, 133, 2]],
    [2, [5, 69, 2]],
    [3, [5, 69, 133]],
  ]) {
    const { roster, members } = rosterOf(5, 69, 133, 2); // Three in one bucket.
    const one = members[at];
    roster.remove(one);
    assert.equal(roster.get(one.number), undefined);
    assert.deepEqual({ ...one, number: 0 }, member(0));
    assert.deepEqual(numbers(roster), left);
    left.forEach((number) => assert.equal(roster.get(number).number, number));
    roster.add(one);
    assert.deepEqual(numbers(roster), [...left, one.number]);
  }
});

test("a roster grows, and is empty again in the end", () => {
  const { roster, members } = rosterOf(...new Array(1000).keys());
  assert.equal(roster.size, 1000);
  members.forEach((one) => assert.equal(roster.get(one.number), one));
  members.forEach((one) => roster.remove(one));
  assert.equal(roster.size, 0);
  assert.deepEqual(roster.all(), []);
});

test("the last ones are known: so many at least, twice as many at most", () => {
  const recent = new Recent(10);
  for (let n = 0; n < 100; n++) {
    recent.set(`key ${n}`, n);
    for (let back = 0; back < 10 && back <= n; back++) {
      assert.equal(recent.get(`key ${n - back}`), n - back);
    }
    assert.equal(recent.get(`key ${n - 20}`), undefined);
  }
});

// How much more is in the old space after members, each with a payload, have come and
// gone, at most 100 at a time, with small collections only: those do not look there.
function grownBytes(roster) {
  setFlagsFromString("--expose-gc");
  const collect = runInNewContext("gc");
  const old = () =>
    getHeapSpaceStatistics().find((one) => one.space_name === "old_space")
      .space_used_size;
  const window = new Array(100).fill(undefined); // Its slots are used again and again.
  const put = (number, one) => {
    const slot = number % window.length;
    if (window[slot] !== undefined) {
      roster.remove(window[slot]);
    }
    window[slot] = one;
    if (one !== undefined) {
      roster.add(one);
    }
  };
  const round = (first) => {
    for (let n = first; n < first + 300; n++) {
      put(n, member(n, { payload: new Array(128).fill(n) }));
    }
    window.forEach((_, n) => put(n, undefined));
    collect({ type: "minor" });
    collect({ type: "minor" }); // Twice: what is there has grown old.
  };
  round(1);
  const before = old();
  for (let n = 1; n <= 30; n++) {
    round(1 + n * 300);
  }
  return old() - before;
}

test("what has left is not kept by what has grown old", () => {
  const grown = grownBytes(new Roster());
  // A Map keeps 5 million of the 10 that pass here.
  assert.ok(grown < 500_000, `${grown} bytes are kept`);
});
