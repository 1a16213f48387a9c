// Are the tables of this package those of the protocol and of the one list of errors?
import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";

import { ERRORS, PACKAGE_VERSION } from "ganger";
import * as tables from "../dist/tables.js";

const source = process.env.GG_SOURCE_DIR;
const page = readFileSync(join(source, "common/PROTOCOL.md"), "utf8");

// The rows of the tables under a heading, as arrays of cells.
function rowsOf(text) {
  return text
    .split("\n")
    .filter((line) => /^\| \d/.test(line))
    .map((line) =>
      line
        .split("|")
        .slice(1, -1)
        .map((cell) => cell.trim()),
    );
}

// What is here must be as the page has it. What only the page has is newer than this
// package, which skips it as the protocol says: named, and no fault.
function compare(t, ours, wanted) {
  const newer = Object.keys(wanted).filter((name) => !(name in ours));
  if (newer.length > 0) {
    t.diagnostic(`not known to this package yet: ${newer.join(", ")}`);
  }
  for (const [name, one] of Object.entries(ours)) {
    assert.deepEqual(one, wanted[name], name);
  }
}

function part(from, to) {
  const begin = page.indexOf(`\n## ${from}\n`);
  const end = page.indexOf(`\n## ${to}\n`, begin);
  assert.ok(begin > 0, `PROTOCOL.md has no part ${from}`);
  return page.slice(begin, end > 0 ? end : undefined);
}

// Kinds of ours that the page calls by another name.
function pageKind(kind) {
  if (Array.isArray(kind)) {
    return `array of ${kind[0]}`;
  }
  return { WIDE: "U", WIDES: "NUMS" }[kind] ?? kind;
}

test("commands are those of the protocol", (t) => {
  const wanted = rowsOf(part("Commands", "Kinds of fields")).map(
    ([code, name, , , record]) => [name, [Number(code), record]],
  );
  assert.ok(wanted.length > 30, "the table of commands was not found");
  compare(t, tables.COMMANDS, Object.fromEntries(wanted));
});

test("records are those of the protocol", (t) => {
  const parts = part("Records", "Numbers with names").split(/\n\*\*(\w+)\*\*\n/);
  const wanted = {};
  for (let at = 1; at < parts.length; at += 2) {
    wanted[parts[at]] = Object.fromEntries(
      rowsOf(parts[at + 1]).map(([no, name, kind]) => [name, [Number(no), kind]]),
    );
  }
  const ours = {};
  for (const [record, fields] of Object.entries(tables.RECORDS)) {
    ours[record] = Object.fromEntries(
      Object.entries(fields).map(([name, [no, kind]]) => [name, [no, pageKind(kind)]]),
    );
  }
  for (const record of Object.keys(ours)) {
    assert.ok(record in wanted, record);
    compare(t, ours[record], wanted[record]);
  }
});

for (const [title, names] of [
  ["States of a job", tables.STATES],
  ["Outcomes", tables.OUTCOMES],
  ["Stop reasons", tables.STOP_REASONS],
  ["Verdicts", tables.VERDICTS],
  ["Moments", tables.MOMENTS],
  ["Reasons", tables.REASONS],
]) {
  test(`numbers of "${title}" are those of the protocol`, () => {
    const text = part("Numbers with names", "Errors").split(`### ${title}\n`)[1];
    const rows = rowsOf(text.split("\n### ")[0]);
    const wanted = Object.fromEntries(rows.map(([no, name]) => [no, name]));
    assert.ok(rows.length >= names.length);
    names.forEach((name, index) => assert.equal(wanted[index + 1], name));
  });
}

test("errors are those of common/err.h, each with what to do", () => {
  const text = readFileSync(join(source, "common/err.h"), "utf8");
  const rows = text.matchAll(/X\(GG_\w+,\s*(\d+), "(\w+)",\s*(\d+), "([^"]*)"\)/g);
  const wanted = [...rows].map((row) => [
    Number(row[1]),
    row[2],
    Number(row[3]),
    row[4],
  ]);
  assert.ok(wanted.length > 40, "the list of errors was not found");
  assert.deepEqual(
    ERRORS.map((row) => row.slice(0, 4)),
    wanted,
  );
  for (const [, name, , , todo] of ERRORS) {
    assert.ok(todo.length > 5, `what to do about ${name}?`);
  }
});

test("the version is that of the package", () => {
  const { version } = JSON.parse(
    readFileSync(new URL("../package.json", import.meta.url)),
  );
  assert.equal(PACKAGE_VERSION, version);
});
