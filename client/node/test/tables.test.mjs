// Are the tables of this package those of the protocol and of the one list of errors?
import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";

import { ERRORS, PACKAGE_VERSION } from "ganger";
import * as tables from "../dist/tables.js";
import { uniqueKey } from "../dist/unique.js";

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

test("commands are those of the protocol", () => {
  const wanted = rowsOf(part("Commands", "Kinds of fields")).map(
    ([code, name, , , record]) => [name, [Number(code), record]],
  );
  assert.ok(wanted.length > 30, "the table of commands was not found");
  assert.deepEqual(tables.COMMANDS, Object.fromEntries(wanted));
});

test("records are those of the protocol", () => {
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
  assert.deepEqual(ours, wanted);
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
    const ours = names.map((name, index) => [String(index + 1), name]);
    assert.deepEqual(Object.fromEntries(ours), wanted);
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

test("the key made of a payload is the one of every language", () => {
  const data = Buffer.alloc(1 << 20);
  data.forEach((_, i) => {
    data[i] = ((i * i) % 256) * 131 + i * 7 + (i >> 8) * 29; // Kept to 8 bits.
  });
  const rows = readFileSync(join(source, "tests/golden/unique.txt"), "utf8")
    .split("\n")
    .filter((line) => /^\d/.test(line));
  assert.ok(rows.length > 50);
  for (const [length, key] of rows.map((row) => row.split(" "))) {
    assert.equal(uniqueKey(data.subarray(0, Number(length))), key, length);
  }
});

test("the version is that of the package", () => {
  const { version } = JSON.parse(
    readFileSync(new URL("../package.json", import.meta.url)),
  );
  assert.equal(PACKAGE_VERSION, version);
});
