// The golden vectors of tests/golden, both ways: decoded and compared with their text,
// encoded and compared with their bytes.
import assert from "node:assert/strict";
import { readFileSync, readdirSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";

import {
  HEADER_BYTES,
  encodeCommand,
  encodeMessage,
  readCommands,
  readHeader,
} from "../dist/wire.js";
import { COMMANDS, RECORDS } from "../dist/tables.js";

const folder = join(process.env.GG_SOURCE_DIR, "tests/golden/v1");

// Bounds and names are the broker's to check; what a peer of it must see is here.
const OURS = new Set(["not_understood", "unknown_command"]);

function bytesOf(lines) {
  const parts = [];
  for (const line of lines) {
    const words = line.split(";")[0].trim().split(/\s+/).filter(Boolean);
    for (const word of words) {
      const [hex, count = "1"] = word.split("*");
      parts.push(Buffer.from(hex.repeat(Number(count)), "hex"));
    }
  }
  return Buffer.concat(parts);
}

// Integers above 2^53 stay exact: as texts of digits. "61*300" is a byte repeated.
function readJson(text) {
  const exact = text.replace(/([:[,] ?)(\d{16,})(?=[,}\]])/g, '$1"$2"');
  return JSON.parse(exact, (_, value) => {
    const repeated = /^([0-9a-f]{2})\*(\d+)$/.exec(value);
    return repeated === null ? value : repeated[1].repeat(Number(repeated[2]));
  });
}

function readVector(name) {
  const lines = readFileSync(join(folder, name), "utf8").split("\n");
  const vector = { commands: [], faults: [], frames: {}, decodeOnly: false };
  let frame;
  for (const line of lines.filter((one) => !one.startsWith("#"))) {
    if (line === "frame:" || line === "second frame:") {
      frame = vector.frames[line] = [];
    } else if (line.startsWith("  ") && frame !== undefined) {
      frame.push(line);
    } else if (line === "decode only") {
      vector.decodeOnly = true;
    } else if (line.startsWith("header: ")) {
      vector.header = readJson(line.slice(8));
    } else if (line.startsWith("command: ")) {
      vector.commands.push(readJson(line.slice(9)));
    } else if (line.startsWith("fault: ")) {
      vector.faults.push(readJson(line.slice(7)));
    }
  }
  vector.frame = bytesOf(vector.frames["frame:"]);
  const second = vector.frames["second frame:"];
  vector.large = second === undefined ? undefined : bytesOf(second);
  return vector;
}

// Values as the vectors write them.
function plain(value) {
  if (value instanceof Uint8Array) {
    return Buffer.from(value).toString("hex");
  }
  if (typeof value === "bigint" || typeof value === "number") {
    return String(value);
  }
  if (Array.isArray(value)) {
    return value.map(plain);
  }
  if (typeof value === "object" && value !== null) {
    return Object.fromEntries(
      Object.entries(value).map(([name, one]) => [name, plain(one)]),
    );
  }
  return value;
}

// A record of a vector as our encoder wants it.
function typed(recordName, record) {
  const made = {};
  for (const [name, value] of Object.entries(record)) {
    const kind = RECORDS[recordName][name][1];
    if (Array.isArray(kind)) {
      made[name] = value.map((one) => typed(kind[0], one));
    } else if (["ID", "BYTES", "BLOB"].includes(kind)) {
      made[name] = Buffer.from(value, "hex");
    } else if (kind === "WIDE") {
      made[name] = BigInt(value);
    } else if (kind === "WIDES") {
      made[name] = value.map(BigInt);
    } else {
      made[name] = value;
    }
  }
  return made;
}

// Vectors of commands that are newer than this package: it skips those.
function isKnown(vector) {
  return vector.commands.every((one) => {
    const record = COMMANDS[one.command]?.[1];
    return (
      record !== undefined &&
      Object.keys(one.record).every((field) => field in RECORDS[record])
    );
  });
}

for (const name of readdirSync(folder).sort()) {
  const vector = readVector(name);
  const whole = vector.faults.length === 0;

  if (!isKnown(vector)) {
    test(`${name} is newer than this package, and skipped`, () => {
      const commands = readCommands(vector.frame, vector.large);
      assert.equal(commands.length, vector.commands.length);
      for (const [index, one] of commands.entries()) {
        const { command } = vector.commands[index];
        assert.equal(one.fault, command in COMMANDS ? undefined : "unknown_command");
      }
    });
    continue;
  }

  test(`${name} is read`, () => {
    const header = readHeader(vector.frame);
    if (header === undefined) {
      assert.ok(!whole, "the header cannot be read");
      return;
    }
    const commands = readCommands(vector.frame, vector.large);
    if (commands === undefined) {
      assert.ok(!whole, "the commands cannot be read");
      return;
    }
    for (const fault of vector.faults.filter((one) => OURS.has(one.error))) {
      const found = commands.find((one) => one.request === fault.request);
      assert.equal(found?.fault, fault.error);
    }
    if (whole) {
      assert.equal(
        header.session.toString(16).padStart(16, "0"),
        vector.header.session,
      );
      assert.equal(header.sequence, Number(vector.header.sequence));
      assert.equal(header.acked, Number(vector.header.acked));
      const read = commands.map((one) => ({
        command: one.name,
        request: String(one.request),
        record: plain(one.record),
      }));
      const wanted = vector.commands.map((one) => plain(one));
      // What is said although it is the default is the one difference there may be.
      for (const [index, one] of wanted.entries()) {
        for (const [field, value] of Object.entries(one.record)) {
          assert.deepEqual(read[index].record[field], value, field);
        }
        assert.equal(read[index].command, one.command);
        assert.equal(read[index].request, one.request);
      }
      assert.equal(read.length, wanted.length);
    }
  });

  if (whole && !vector.decodeOnly) {
    test(`${name} is written`, () => {
      let large;
      const commands = vector.commands.map((one) => {
        const record = typed(COMMANDS[one.command][1], one.record);
        const inline = vector.large === undefined ? Infinity : 0;
        const encoded = encodeCommand(one.command, one.request, record, inline);
        large ??= encoded.large;
        return encoded.bytes;
      });
      const frame = encodeMessage(
        {
          type: vector.header.type,
          session: BigInt(`0x${vector.header.session}`),
          sequence: Number(vector.header.sequence),
          acked: Number(vector.header.acked),
        },
        commands,
      );
      assert.equal(frame.toString("hex"), vector.frame.toString("hex"));
      assert.equal(large?.toString("hex"), vector.large?.toString("hex"));
      assert.ok(frame.length > HEADER_BYTES);
    });
  }
}
