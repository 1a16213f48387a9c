/* wire.ts - messages as bytes: the header, records written and read by their tables.
 *
 * Reading is left to @msgpack/msgpack, which takes every form that MessagePack allows.
 * Writing is done here, because that package writes a field's number as a text.
 */
import { Decoder } from "@msgpack/msgpack";

import { COMMANDS, RECORDS } from "./tables.js";
import type { CommandName, Kind, RecordName, RecordOf } from "./tables.js";

export const HEADER_BYTES = 32;
/** The header and the head of the array of commands. */
export const PREFIX_BYTES = HEADER_BYTES + 5;
export const VERSION = 1;
export const MESSAGE = { hello: 1, welcome: 2, reset: 3, commands: 4 } as const;

const MAGIC = 0x4747;
/* Fields and flags from these on must be understood by whoever receives them. */
const FIELD_MUST = 64;
const FLAG_MUST = 0xff00;
const INLINE_BYTES_MAX = 16384;

export interface Header {
  type: number;
  session: bigint;
  sequence: number;
  acked: number;
}

/** A command as received: `fault` says why its record cannot be read. */
export interface Command {
  code: number;
  request: number;
  name: CommandName | undefined;
  record: unknown;
  fault?: "bad_message" | "not_understood" | "unknown_command";
}

interface Field {
  no: number;
  name: string;
  kind: Kind;
}

function fieldsOf(name: RecordName): readonly Field[] {
  return Object.entries(RECORDS[name] as Record<string, readonly [number, Kind]>).map(
    ([field, [no, kind]]) => ({ no, name: field, kind }),
  );
}

const BY_NAME = new Map<RecordName, readonly Field[]>();
const BY_NUMBER = new Map<RecordName, ReadonlyMap<number, Field>>();
for (const name of Object.keys(RECORDS) as RecordName[]) {
  const fields = fieldsOf(name);
  BY_NAME.set(name, fields);
  BY_NUMBER.set(name, new Map(fields.map((field) => [field.no, field])));
}
const BY_CODE = new Map<number, CommandName>(
  Object.entries(COMMANDS).map(([name, row]) => [row[0], name as CommandName]),
);

/* ---- writing ---- */

/** A growing piece of memory that MessagePack is written to. */
export class Writer {
  #bytes: Buffer;
  #end = 0;

  constructor(room = 1024) {
    this.#bytes = Buffer.allocUnsafe(room);
  }

  get length(): number {
    return this.#end;
  }

  /** What has been written, as a copy of its own. */
  copy(): Buffer {
    const copy = Buffer.allocUnsafe(this.#end);
    this.#bytes.copy(copy, 0, 0, this.#end);
    return copy;
  }

  clear(): void {
    this.#end = 0;
  }

  #need(count: number): number {
    const at = this.#end;
    this.#end = at + count;
    if (this.#end > this.#bytes.length) {
      const grown = Buffer.allocUnsafe(Math.max(this.#end, 2 * this.#bytes.length));
      this.#bytes.copy(grown, 0, 0, at);
      this.#bytes = grown;
    }
    return at;
  }

  #head(tag: number, value: number, bytes: 0 | 1 | 2 | 4): void {
    const at = this.#need(1 + bytes);
    this.#bytes[at] = tag;
    if (bytes > 0) {
      this.#bytes.writeUIntBE(value, at + 1, bytes);
    }
  }

  raw(bytes: Uint8Array): void {
    const at = this.#need(bytes.length);
    this.#bytes.set(bytes, at);
  }

  array(count: number): void {
    if (count < 16) {
      this.#head(0x90 | count, 0, 0);
    } else if (count < 65536) {
      this.#head(0xdc, count, 2);
    } else {
      this.#head(0xdd, count, 4);
    }
  }

  map(count: number): void {
    if (count < 16) {
      this.#head(0x80 | count, 0, 0);
    } else {
      this.#head(0xde, count, 2);
    }
  }

  uint(value: number | bigint): void {
    if (typeof value === "bigint" || value > 0xffffffff) {
      this.#wide(BigInt(value));
    } else if (value < 128) {
      this.#head(value, 0, 0);
    } else if (value < 256) {
      this.#head(0xcc, value, 1);
    } else if (value < 65536) {
      this.#head(0xcd, value, 2);
    } else {
      this.#head(0xce, value, 4);
    }
  }

  #wide(value: bigint): void {
    if (value <= 0xffffffffn) {
      this.uint(Number(value));
      return;
    }
    const at = this.#need(9);
    this.#bytes[at] = 0xcf;
    this.#bytes.writeBigUInt64BE(value, at + 1);
  }

  bool(value: boolean): void {
    this.#head(value ? 0xc3 : 0xc2, 0, 0);
  }

  text(value: string): void {
    const bytes = Buffer.byteLength(value);
    if (bytes < 32) {
      this.#head(0xa0 | bytes, 0, 0);
    } else if (bytes < 256) {
      this.#head(0xd9, bytes, 1);
    } else if (bytes < 65536) {
      this.#head(0xda, bytes, 2);
    } else {
      this.#head(0xdb, bytes, 4);
    }
    const at = this.#need(bytes);
    this.#bytes.write(value, at, "utf8");
  }

  bin(value: Uint8Array): void {
    if (value.length < 256) {
      this.#head(0xc4, value.length, 1);
    } else if (value.length < 65536) {
      this.#head(0xc5, value.length, 2);
    } else {
      this.#head(0xc6, value.length, 4);
    }
    this.raw(value);
  }
}

function writeValue(out: Writer, kind: Kind, value: unknown): void {
  switch (kind) {
    case "U":
    case "WIDE":
      out.uint(value as number | bigint);
      return;
    case "BOOL":
      out.bool(value as boolean);
      return;
    case "TEXT":
    case "NAME":
    case "GLOB":
      out.text(value as string);
      return;
    case "ID":
    case "BYTES":
      out.bin(value as Uint8Array);
      return;
    case "BLOB":
      if (value === true) {
        out.bool(true);
      } else {
        out.bin(value as Uint8Array);
      }
      return;
    case "NUMS":
    case "WIDES": {
      const list = value as readonly (number | bigint)[];
      out.array(list.length);
      list.forEach((one) => {
        out.uint(one);
      });
      return;
    }
    case "TEXTS": {
      const list = value as readonly string[];
      out.array(list.length);
      list.forEach((one) => {
        out.text(one);
      });
      return;
    }
    default: {
      const list = value as readonly object[];
      out.array(list.length);
      list.forEach((one) => {
        writeRecord(out, kind[0], one);
      });
    }
  }
}

/** Write `record`, whose absent (undefined) fields are left out. */
export function writeRecord<N extends RecordName>(
  out: Writer,
  name: N,
  record: RecordOf<N> | object,
): void {
  const values = record as Record<string, unknown>;
  const fields = BY_NAME.get(name) ?? [];
  let count = 0;
  for (const field of fields) {
    if (values[field.name] !== undefined) {
      count++;
    }
  }
  out.map(count);
  for (const field of fields) {
    const value = values[field.name];
    if (value !== undefined) {
      out.uint(field.no);
      writeValue(out, field.kind, value);
    }
  }
}

/** The one BLOB of each command that has one. */
const BLOB_OF: Partial<Record<CommandName, string>> = {
  submit: "payload",
  job: "result",
  assign: "payload",
  outcome: "result",
};

/** A command as bytes; `large` is its BLOB where that goes as a second frame. */
export interface Encoded {
  bytes: Buffer;
  large: Uint8Array | undefined;
}

const scratch = new Writer(4096);

export function encodeCommand<C extends CommandName>(
  name: C,
  request: number,
  record: RecordOf<(typeof COMMANDS)[C][1]>,
  inlineBytesMax = INLINE_BYTES_MAX,
): Encoded {
  const [code, recordName] = COMMANDS[name];
  const blob = BLOB_OF[name];
  const values = record as Record<string, unknown>;
  let large: Uint8Array | undefined;
  let told: object = values;
  if (blob !== undefined) {
    const bytes = values[blob] as Uint8Array | undefined;
    if (bytes !== undefined && bytes.length > inlineBytesMax) {
      large = bytes;
      told = { ...values, [blob]: true };
    }
  }
  scratch.clear();
  scratch.array(3);
  scratch.uint(code);
  scratch.uint(request);
  writeRecord(scratch, recordName, told);
  return { bytes: scratch.copy(), large };
}

/** One message: header, then an array of the commands given as bytes. */
export function encodeMessage(header: Header, commands: readonly Buffer[]): Buffer {
  let bytes = PREFIX_BYTES;
  for (const command of commands) {
    bytes += command.length;
  }
  const out = Buffer.allocUnsafe(bytes);
  out.writeUInt16BE(MAGIC, 0);
  out[2] = VERSION;
  out[3] = header.type;
  out.fill(0, 4, 8);
  out.writeBigUInt64BE(header.session, 8);
  out.writeBigUInt64BE(BigInt(header.sequence), 16);
  out.writeBigUInt64BE(BigInt(header.acked), 24);
  out[HEADER_BYTES] = 0xdd;
  let at = out.writeUInt32BE(commands.length, HEADER_BYTES + 1);
  for (const command of commands) {
    out.set(command, at);
    at += command.length;
  }
  return out;
}

/* ---- reading ---- */

/** The header, or undefined where these are not the bytes of a Ganger peer. */
export function readHeader(frame: Buffer): Header | undefined {
  if (
    frame.length < HEADER_BYTES ||
    frame.readUInt16BE(0) !== MAGIC ||
    frame[2] !== VERSION ||
    (frame.readUInt16BE(4) & FLAG_MUST) !== 0
  ) {
    return undefined;
  }
  return {
    type: frame[3] ?? 0,
    session: frame.readBigUInt64BE(8),
    sequence: Number(frame.readBigUInt64BE(16)),
    acked: Number(frame.readBigUInt64BE(24)),
  };
}

class Unreadable extends Error {
  readonly fault: "bad_message" | "not_understood";
  constructor(fault: "bad_message" | "not_understood") {
    super(fault);
    this.fault = fault;
  }
}

function need(holds: boolean): asserts holds {
  if (!holds) {
    throw new Unreadable("bad_message");
  }
}

function readUint(value: unknown): number {
  const number = typeof value === "bigint" ? Number(value) : value;
  need(typeof number === "number" && Number.isSafeInteger(number) && number >= 0);
  return number;
}

function readWide(value: unknown): bigint {
  if (typeof value === "bigint") {
    need(value >= 0n);
    return value;
  }
  return BigInt(readUint(value));
}

/* A copy, not a view that keeps the message. */
function readBytes(value: unknown): Buffer {
  need(value instanceof Uint8Array);
  return Buffer.from(value);
}

function readText(value: unknown): string {
  need(typeof value === "string");
  return value;
}

function readList<T>(value: unknown, one: (value: unknown) => T): T[] {
  need(Array.isArray(value));
  return value.map(one);
}

function readValue(kind: Kind, value: unknown, large: Buffer | undefined): unknown {
  switch (kind) {
    case "U":
      return readUint(value);
    case "WIDE":
      return readWide(value);
    case "BOOL":
      need(typeof value === "boolean");
      return value;
    case "TEXT":
    case "NAME":
    case "GLOB":
      return readText(value);
    case "ID":
    case "BYTES":
      return readBytes(value);
    case "BLOB":
      if (value === true) {
        need(large !== undefined);
        return large;
      }
      return readBytes(value);
    case "NUMS":
      return readList(value, readUint);
    case "WIDES":
      return readList(value, readWide);
    case "TEXTS":
      return readList(value, readText);
    default:
      return readList(value, (one) => readRecord(kind[0], one, undefined));
  }
}

/** A record by the names of its fields. Unknown fields below 64 are skipped. */
function readRecord(
  name: RecordName,
  raw: unknown,
  large: Buffer | undefined,
): Record<string, unknown> {
  need(typeof raw === "object" && raw !== null && !Array.isArray(raw));
  const fields = BY_NUMBER.get(name);
  const record: Record<string, unknown> = {};
  for (const key in raw) {
    const field = fields?.get(Number(key));
    if (field !== undefined) {
      const value = (raw as Record<string, unknown>)[key];
      record[field.name] = readValue(field.kind, value, large);
    } else if (!(Number(key) < FIELD_MUST)) {
      throw new Unreadable("not_understood");
    }
  }
  return record;
}

const decoder = new Decoder({
  useBigInt64: true,
  mapKeyConverter: (key) => (typeof key === "bigint" ? Number(key) : (key as number)),
});

/** The commands of a message; undefined where its body is no array of commands. */
export function readCommands(
  frame: Buffer,
  large: Buffer | undefined,
): Command[] | undefined {
  let body: unknown;
  try {
    body = decoder.decode(frame.subarray(HEADER_BYTES));
  } catch {
    return undefined;
  }
  if (!Array.isArray(body)) {
    return undefined;
  }
  return body.map((one) => readCommand(one, large));
}

function readCommand(raw: unknown, large: Buffer | undefined): Command {
  const command: Command = { code: 0, request: 0, name: undefined, record: {} };
  try {
    need(Array.isArray(raw) && raw.length >= 3);
    const parts = raw as readonly unknown[];
    command.code = readUint(parts[0]);
    command.request = readUint(parts[1]);
    command.name = BY_CODE.get(command.code);
    if (command.name === undefined) {
      command.fault = "unknown_command";
    } else {
      const recordName = COMMANDS[command.name][1];
      command.record = readRecord(recordName, parts[2], large);
    }
  } catch (err) {
    if (!(err instanceof Unreadable)) {
      throw err;
    }
    command.fault = err.fault;
  }
  return command;
}
