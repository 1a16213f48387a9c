/* views.ts - queues, agents, counters and the broker, as users see them. Times are ms
 * since 1970 UTC, lengths are bytes. */
import { idText } from "./job.js";
import type { RecordOf } from "./tables.js";

export interface Queue {
  realm: string;
  queue: string;
  paused: boolean;
  pausedAt: number | undefined;
  /** Why it was paused. */
  reason: string;
  /** Jobs in each state. */
  ready: number;
  scheduled: number;
  blocked: number;
  running: number;
  failed: number;
  /** Agents, and slots, that serve it. */
  workers: number;
  slots: number;
  /** Age of the job first in line. */
  oldestMs: number;
  /** Jobs ended since the broker's start. */
  succeededTotal: bigint;
  failedTotal: bigint;
  /** Payload and result bytes in memory. */
  bytes: number;
}

export function queueOf(record: RecordOf<"queue">): Queue {
  return {
    realm: record.realm ?? "default",
    queue: record.queue ?? "",
    paused: record.paused ?? false,
    pausedAt: record.paused_at || undefined,
    reason: record.reason ?? "",
    ready: record.ready ?? 0,
    scheduled: record.scheduled ?? 0,
    blocked: record.blocked ?? 0,
    running: record.running ?? 0,
    failed: record.failed ?? 0,
    workers: record.workers ?? 0,
    slots: record.slots ?? 0,
    oldestMs: record.oldest_ms ?? 0,
    succeededTotal: record.succeeded_total ?? 0n,
    failedTotal: record.failed_total ?? 0n,
    bytes: record.bytes ?? 0,
  };
}

/** An attempt that an agent has in hand. */
export interface Run {
  id: string;
  realm: string;
  queue: string;
  attempt: number;
  pool: number;
  startedAt: number | undefined;
  /** 0 to 1. */
  progress: number;
  progressText: string;
  /** Its executor runs. */
  started: boolean;
}

export interface Pool {
  pool: number;
  name: string;
  realm: string;
  queues: readonly string[];
  slots: number;
  busy: number;
}

/** An agent. */
export interface WorkerInfo {
  name: string;
  host: string;
  pid: number;
  version: string;
  state: "up" | "suspect" | "draining" | "gone" | "unknown";
  slots: number;
  busy: number;
  pools: readonly Pool[];
  lastSeenMs: number;
  connectedAt: number | undefined;
  /** What it runs, where that was asked for. */
  runs: readonly Run[];
}

const WORKER_STATES = ["unknown", "up", "suspect", "draining", "gone"] as const;

function poolOf(record: RecordOf<"pool">): Pool {
  return {
    pool: record.pool ?? 0,
    name: record.name ?? "",
    realm: record.realm ?? "default",
    queues: record.queues ?? [],
    slots: record.slots ?? 0,
    busy: record.busy ?? 0,
  };
}

function runOf(record: RecordOf<"run">): Run {
  return {
    id: idText(record.id ?? new Uint8Array(16)),
    realm: record.realm ?? "default",
    queue: record.queue ?? "",
    attempt: record.attempt ?? 0,
    pool: record.pool ?? 0,
    startedAt: record.started_at || undefined,
    progress: (record.progress_ppm ?? 0) / 1e6,
    progressText: record.progress_text ?? "",
    started: record.started ?? false,
  };
}

export function workerOf(record: RecordOf<"worker">): WorkerInfo {
  return {
    name: record.name ?? "",
    host: record.host ?? "",
    pid: record.pid ?? 0,
    version: record.version ?? "",
    state: WORKER_STATES[record.state ?? 0] ?? "unknown",
    slots: record.slots ?? 0,
    busy: record.busy ?? 0,
    pools: (record.pools ?? []).map(poolOf),
    lastSeenMs: record.last_seen_ms ?? 0,
    connectedAt: record.connected_at || undefined,
    runs: (record.runs ?? []).map(runOf),
  };
}

/** A counter, a gauge, or a limit. */
export interface Stat {
  /** Name, with its unit. */
  name: string;
  value: bigint;
  /** Its limit; 0n: none. */
  most: bigint;
  /** It only grows. */
  counter: boolean;
  meaning: string;
  labelName: string;
  label: string;
}

export function statOf(record: RecordOf<"stat">): Stat {
  return {
    name: record.name ?? "",
    value: record.value ?? 0n,
    most: record.most ?? 0n,
    counter: record.counter ?? false,
    meaning: record.meaning ?? "",
    labelName: record.label_name ?? "",
    label: record.label ?? "",
  };
}

export interface Broker {
  program: string;
  /** Grows with each start. */
  epoch: bigint;
  pid: number;
  startedAt: number;
  /** Best that can be reached. */
  durability: "none" | "fsync";
  store: string;
  state: string;
  clientEndpoint: string;
  agentEndpoint: string;
  /** Keys are required. */
  curve: boolean;
  /** Its wall clock. */
  nowAt: number;
  /** Each limit with what is used of it. */
  limits: readonly Stat[];
}

export function brokerOf(record: RecordOf<"broker">): Broker {
  return {
    program: record.program ?? "",
    epoch: record.epoch ?? 0n,
    pid: record.pid ?? 0,
    startedAt: record.started_at ?? 0,
    durability: record.durability === 2 ? "fsync" : "none",
    store: record.store ?? "",
    state: record.state ?? "",
    clientEndpoint: record.client_endpoint ?? "",
    agentEndpoint: record.agent_endpoint ?? "",
    curve: record.curve ?? false,
    nowAt: record.now_at ?? 0,
    limits: (record.limits ?? []).map(statOf),
  };
}
