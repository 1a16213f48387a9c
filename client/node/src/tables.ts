/* tables.ts - the protocol's tables: commands, records, numbers with names.
 *
 * They are those of common/PROTOCOL.md; a test reads that page and compares. The kinds
 * are the page's, with one more: WIDE (and WIDES, an array) is a U that may be beyond
 * 2^53 in earnest, a fence or an epoch, and is a bigint here, always.
 */

/** Number of a command and the record it carries. */
export const COMMANDS = {
  hello: [1, "hello"],
  welcome: [2, "welcome"],
  reset: [3, "reset"],
  bye: [4, "bye"],
  heartbeat: [5, "heartbeat"],
  error: [6, "error"],
  done: [7, "done"],
  submit: [16, "submit"],
  submit_many: [17, "submit_many"],
  get: [18, "target"],
  wait: [19, "target"],
  cancel: [20, "target"],
  retry: [21, "target"],
  list_jobs: [22, "list_jobs"],
  history: [23, "target"],
  why: [24, "target"],
  list_queues: [25, "scope"],
  pause: [26, "scope"],
  resume: [27, "scope"],
  purge: [28, "scope"],
  list_workers: [29, "scope"],
  get_stats: [30, "scope"],
  get_broker: [31, "empty"],
  subscribe: [32, "events"],
  unsubscribe: [33, "unsubscribe"],
  unwait: [34, "unsubscribe"],
  backup: [35, "backup"],
  steer: [36, "steer"],
  job: [48, "job"],
  jobs: [49, "jobs"],
  cancelled: [50, "cancelled"],
  moments: [51, "history"],
  reasons: [52, "reasons"],
  queues: [53, "queues"],
  workers: [54, "workers"],
  stats: [55, "stats"],
  broker: [56, "broker"],
  event: [57, "event"],
  assign: [64, "assign"],
  stop: [65, "stop"],
  confirm: [66, "confirm"],
  started: [72, "started"],
  progress: [73, "progress"],
  partial: [74, "partial"],
  checkpoint: [75, "checkpoint"],
  outcome: [76, "outcome"],
  steered: [77, "steered"],
  report: [78, "report"],
} as const;

/** Fields of each record: number and kind. */
export const RECORDS = {
  pool: {
    pool: [1, "U"],
    slots: [2, "U"],
    queues: [3, "TEXTS"],
    realm: [4, "NAME"],
    name: [5, "NAME"],
    busy: [6, "U"],
  },
  held: {
    id: [1, "ID"],
    fence: [2, "WIDE"],
    pool: [3, "U"],
    started: [4, "BOOL"],
  },
  reason: {
    code: [1, "U"],
    text: [2, "TEXT"],
    since_at: [3, "U"],
    object: [4, "TEXT"],
    count: [5, "U"],
  },
  moment: {
    at: [1, "U"],
    kind: [2, "U"],
    state: [3, "U"],
    attempt: [4, "U"],
    fence: [5, "WIDE"],
    worker: [6, "TEXT"],
    error: [7, "U"],
    text: [8, "TEXT"],
    exit_status: [9, "U"],
    signal: [10, "U"],
    output: [11, "BYTES"],
    until_at: [12, "U"],
    count: [13, "U"],
    id: [14, "ID"],
    realm: [15, "NAME"],
    queue: [16, "NAME"],
    seq: [17, "WIDE"],
  },
  queue: {
    queue: [1, "NAME"],
    realm: [2, "NAME"],
    paused: [3, "BOOL"],
    ready: [4, "U"],
    scheduled: [5, "U"],
    blocked: [6, "U"],
    running: [7, "U"],
    failed: [8, "U"],
    workers: [9, "U"],
    slots: [10, "U"],
    oldest_ms: [11, "U"],
    succeeded_total: [12, "WIDE"],
    failed_total: [13, "WIDE"],
    bytes: [14, "U"],
    paused_at: [15, "U"],
    reason: [16, "TEXT"],
  },
  run: {
    id: [1, "ID"],
    queue: [2, "NAME"],
    attempt: [3, "U"],
    started_at: [4, "U"],
    progress_ppm: [5, "U"],
    progress_text: [6, "TEXT"],
    pool: [7, "U"],
    realm: [8, "NAME"],
    started: [9, "BOOL"],
  },
  pool_state: {
    pool: [1, "U"],
    state: [2, "U"],
    kind: [3, "U"],
    size: [4, "U"],
    overflow: [5, "U"],
    executors: [6, "U"],
    restarts: [7, "U"],
    restarts_max: [8, "U"],
    window_ms: [9, "U"],
    restarts_count: [10, "U"],
    opens_at: [11, "U"],
    cause: [12, "TEXT"],
    group: [13, "NAME"],
    source: [14, "TEXT"],
  },
  worker: {
    name: [1, "NAME"],
    host: [2, "TEXT"],
    pid: [3, "U"],
    version: [4, "TEXT"],
    state: [5, "U"],
    slots: [6, "U"],
    busy: [7, "U"],
    pools: [8, ["pool"]],
    last_seen_ms: [9, "U"],
    runs: [10, ["run"]],
    connected_at: [11, "U"],
    states: [12, ["pool_state"]],
  },
  stat: {
    name: [1, "TEXT"],
    value: [2, "WIDE"],
    counter: [3, "BOOL"],
    meaning: [4, "TEXT"],
    most: [5, "WIDE"],
    label: [6, "TEXT"],
    label_name: [7, "TEXT"],
  },
  hello: {
    version_min: [1, "U"],
    version_max: [2, "U"],
    kind: [3, "U"],
    name: [4, "NAME"],
    host: [5, "TEXT"],
    pid: [6, "U"],
    program: [7, "TEXT"],
    incarnation: [8, "WIDE"],
    pools: [9, ["pool"]],
    held: [10, ["held"]],
    epoch: [11, "WIDE"],
    outcomes: [12, "U"],
    now_at: [13, "U"],
    draining: [14, "BOOL"],
  },
  welcome: {
    version: [1, "U"],
    epoch: [2, "WIDE"],
    program: [3, "TEXT"],
    heartbeat_ms: [4, "U"],
    dead_after_ms: [5, "U"],
    lease_ms: [6, "U"],
    frame_bytes_max: [7, "U"],
    payload_bytes_max: [8, "U"],
    result_bytes_max: [9, "U"],
    inline_bytes_max: [10, "U"],
    requests_max: [11, "U"],
    now_at: [12, "U"],
    durability: [13, "U"],
    roles: [14, "U"],
    id_window_ms: [15, "U"],
    client_endpoint: [16, "TEXT"],
    agent_endpoint: [17, "TEXT"],
    grace_ms: [18, "U"],
  },
  reset: {
    error: [1, "U"],
    text: [2, "TEXT"],
    version_min: [3, "U"],
    version_max: [4, "U"],
    retry_ms: [5, "U"],
  },
  bye: {
    text: [1, "TEXT"],
  },
  heartbeat: {
    pools: [1, ["pool"]],
    held: [2, "WIDES"],
    draining: [3, "BOOL"],
  },
  error: {
    error: [1, "U"],
    text: [2, "TEXT"],
    retry_ms: [3, "U"],
    object: [4, "TEXT"],
  },
  done: {
    count: [1, "U"],
    unsettled: [2, "U"],
    dry_run: [3, "BOOL"],
  },
  submit: {
    id: [1, "ID"],
    queue: [2, "NAME"],
    payload: [3, "BLOB"],
    realm: [4, "NAME"],
    key: [5, "BYTES"],
    priority: [6, "U"],
    delay_ms: [7, "U"],
    run_at: [8, "U"],
    expires_ms: [9, "U"],
    run_timeout_ms: [10, "U"],
    attempts: [11, "U"],
    backoff: [12, "U"],
    backoff_ms: [13, "U"],
    backoff_max_ms: [14, "U"],
    backoff_list: [15, "NUMS"],
    keep_ms: [16, "U"],
    keep_failed_ms: [17, "U"],
    unique_until: [18, "U"],
    durability: [19, "U"],
    wait: [20, "BOOL"],
    tags: [21, "TEXTS"],
    end_only: [22, "BOOL"],
  },
  submit_many: {
    jobs: [1, ["submit"]],
    results: [2, "U"],
  },
  target: {
    id: [1, "ID"],
    realm: [2, "NAME"],
    queue: [3, "NAME"],
    key: [4, "BYTES"],
    epoch: [5, "WIDE"],
    want_result: [6, "BOOL"],
    want_why: [7, "BOOL"],
    timeout_ms: [8, "U"],
    want_progress: [9, "BOOL"],
    want_partial: [10, "BOOL"],
    offset: [11, "U"],
    reason: [12, "TEXT"],
    want_output: [13, "BOOL"],
    dry_run: [14, "BOOL"],
    durability: [15, "U"],
  },
  backup: {
    path: [1, "TEXT"],
    reason: [2, "TEXT"],
  },
  list_jobs: {
    realm: [1, "NAME"],
    queue: [2, "GLOB"],
    states: [3, "U"],
    tag: [4, "NAME"],
    older_ms: [5, "U"],
    younger_ms: [6, "U"],
    error_has: [7, "TEXT"],
    after: [8, "U"],
    limit: [9, "U"],
    key: [10, "BYTES"],
  },
  scope: {
    realm: [1, "NAME"],
    queue: [2, "GLOB"],
    cancel_running: [3, "BOOL"],
    reason: [4, "TEXT"],
    dry_run: [5, "BOOL"],
    want_runs: [6, "BOOL"],
    states: [7, "U"],
    after: [8, "TEXT"],
    limit: [9, "U"],
  },
  events: {
    realm: [1, "NAME"],
    queue: [2, "GLOB"],
    id: [3, "ID"],
    kinds: [4, "U"],
  },
  unsubscribe: {
    request: [1, "U"],
  },
  empty: {
    unused: [1, "BOOL"],
  },
  job: {
    id: [1, "ID"],
    realm: [2, "NAME"],
    queue: [3, "NAME"],
    key: [4, "BYTES"],
    existing: [5, "BOOL"],
    state: [6, "U"],
    durability: [7, "U"],
    attempt: [8, "U"],
    attempts_max: [9, "U"],
    progress_ppm: [10, "U"],
    progress_text: [11, "TEXT"],
    worker: [12, "TEXT"],
    submitted_at: [13, "U"],
    started_at: [14, "U"],
    finished_at: [15, "U"],
    run_at: [16, "U"],
    expires_at: [17, "U"],
    evicts_at: [18, "U"],
    error: [19, "U"],
    error_text: [20, "TEXT"],
    result: [21, "BLOB"],
    result_bytes: [22, "WIDE"],
    priority: [23, "U"],
    tags: [24, "TEXTS"],
    waiters: [25, "U"],
    why: [26, ["reason"]],
    cancelling: [27, "BOOL"],
    result_gone: [28, "BOOL"],
    exit_status: [29, "U"],
    signal: [30, "U"],
    fence: [31, "WIDE"],
    epoch: [32, "WIDE"],
  },
  jobs: {
    jobs: [1, ["job"]],
    next: [2, "U"],
    scanned: [3, "U"],
  },
  cancelled: {
    verdict: [1, "U"],
    waiters: [2, "U"],
    state: [3, "U"],
    id: [4, "ID"],
  },
  history: {
    moments: [1, ["moment"]],
    id: [2, "ID"],
  },
  reasons: {
    reasons: [1, ["reason"]],
    state: [2, "U"],
    id: [3, "ID"],
  },
  queues: {
    queues: [1, ["queue"]],
    next: [2, "TEXT"],
  },
  workers: {
    workers: [1, ["worker"]],
    next: [2, "TEXT"],
  },
  stats: {
    stats: [1, ["stat"]],
  },
  broker: {
    program: [1, "TEXT"],
    epoch: [2, "WIDE"],
    pid: [3, "U"],
    started_at: [4, "U"],
    durability: [5, "U"],
    store: [6, "TEXT"],
    limits: [7, ["stat"]],
    state: [8, "TEXT"],
    client_endpoint: [9, "TEXT"],
    agent_endpoint: [10, "TEXT"],
    curve: [11, "BOOL"],
    now_at: [12, "U"],
    store_path: [13, "TEXT"],
    committed_at: [14, "U"],
    commit_p50_us: [15, "U"],
    commit_p99_us: [16, "U"],
    commits: [17, "U"],
    disk_bytes: [18, "U"],
    free_bytes: [19, "U"],
    records: [20, "U"],
    record_bytes: [21, "U"],
    blobs: [22, "U"],
    blob_bytes: [23, "U"],
    waiting_bytes: [24, "U"],
    space: [25, "U"],
    clock_behind_ms: [26, "U"],
  },
  event: {
    moments: [1, ["moment"]],
  },
  assign: {
    id: [1, "ID"],
    fence: [2, "WIDE"],
    pool: [3, "U"],
    attempt: [4, "U"],
    queue: [5, "NAME"],
    payload: [6, "BLOB"],
    realm: [7, "NAME"],
    key: [8, "BYTES"],
    run_timeout_ms: [9, "U"],
    start_within_ms: [10, "U"],
    checkpoint: [11, "BYTES"],
    attempts_max: [12, "U"],
  },
  stop: {
    id: [1, "ID"],
    fence: [2, "WIDE"],
    reason: [3, "U"],
    grace_ms: [4, "U"],
  },
  confirm: {
    id: [1, "ID"],
    fence: [2, "WIDE"],
    error: [3, "U"],
  },
  started: {
    id: [1, "ID"],
    fence: [2, "WIDE"],
  },
  progress: {
    id: [1, "ID"],
    fence: [2, "WIDE"],
    progress_ppm: [3, "U"],
    progress_text: [4, "TEXT"],
    attempt: [5, "U"],
    state: [6, "U"],
  },
  partial: {
    id: [1, "ID"],
    fence: [2, "WIDE"],
    offset: [3, "U"],
    data: [4, "BYTES"],
    gap: [5, "U"],
  },
  checkpoint: {
    id: [1, "ID"],
    fence: [2, "WIDE"],
    data: [3, "BYTES"],
  },
  outcome: {
    id: [1, "ID"],
    fence: [2, "WIDE"],
    kind: [3, "U"],
    result: [4, "BLOB"],
    exit_status: [5, "U"],
    signal: [6, "U"],
    text: [7, "TEXT"],
    output: [8, "BYTES"],
    snooze_ms: [9, "U"],
    never_started: [10, "BOOL"],
    run_ms: [11, "U"],
  },
  steer: {
    worker: [1, "GLOB"],
    action: [2, "U"],
    pool: [3, "NAME"],
    size: [4, "U"],
    definition: [5, "TEXT"],
    save: [6, "BOOL"],
    grace_ms: [7, "U"],
    id: [8, "ID"],
    reason: [9, "TEXT"],
    dry_run: [10, "BOOL"],
  },
  steered: {
    error: [1, "U"],
    text: [2, "TEXT"],
  },
  report: {
    pools: [1, ["pool_state"]],
  },
} as const;

export type RecordName = keyof typeof RECORDS;
export type CommandName = keyof typeof COMMANDS;

type Scalar = {
  U: number;
  WIDE: bigint;
  BOOL: boolean;
  ID: Uint8Array;
  TEXT: string;
  NAME: string;
  GLOB: string;
  BYTES: Uint8Array;
  BLOB: Uint8Array;
  NUMS: readonly number[];
  WIDES: readonly bigint[];
  TEXTS: readonly string[];
};
export type ScalarKind = keyof Scalar;
export type Kind = ScalarKind | readonly [RecordName];

type ValueOf<K> = K extends ScalarKind
  ? Scalar[K]
  : K extends readonly [infer N extends RecordName]
    ? readonly RecordOf<N>[]
    : never;

/** A record of the protocol by the names of its fields; absent means the default. */
export type RecordOf<N extends RecordName> = {
  -readonly [F in keyof (typeof RECORDS)[N]]?: (typeof RECORDS)[N][F] extends readonly [
    number,
    infer K,
  ]
    ? ValueOf<K>
    : never;
};

/* Numbers with names: the first name is number 1. */

// prettier-ignore
export const STATES = [
  "scheduled", "blocked", "ready", "running", "succeeded", "failed", "cancelled",
  "expired", "evicted",
] as const;
/** Where a job stands; `succeeded` to `expired` are ends. */
export type JobState = (typeof STATES)[number];

// prettier-ignore
export const OUTCOMES = [
  "succeeded", "failed", "rejected", "snoozed", "crashed", "timed_out", "cancelled",
  "handed_back", "lost", "not_started",
] as const;
export type OutcomeKind = (typeof OUTCOMES)[number];

// prettier-ignore
export const STOP_REASONS = [
  "cancelled", "timed_out", "withdrawn", "stale", "lost_with_broker",
] as const;
export type StopReason = (typeof STOP_REASONS)[number];

export const VERDICTS = ["cancelled", "cancelling", "too_late"] as const;
/** What became of a cancel. */
export type Verdict = (typeof VERDICTS)[number];

// prettier-ignore
export const MOMENTS = [
  "accepted", "ready", "assigned", "started", "outcome", "lease_lost", "retry",
  "cancel", "retried", "ended", "evicted", "gap", "paused", "resumed", "worker_up",
  "worker_suspect", "worker_down", "purged", "resubmitted",
] as const;
/** What happened; newer brokers may send others, as `moment_20` and so on. */
export type MomentKind = (typeof MOMENTS)[number] | `moment_${number}`;

// prettier-ignore
export const REASONS = [
  "running", "ended", "paused", "no_worker", "no_credit", "scheduled", "backoff",
  "behind", "suspect", "cancelling", "lease", "no_memory",
] as const;
/** Why a job does not run; newer brokers may send others, as `reason_13` and so on. */
export type ReasonCode = (typeof REASONS)[number] | `reason_${number}`;

/** The number of a name of one of the lists above. */
export function numberOf<T extends string>(names: readonly T[], name: T): number {
  return names.indexOf(name) + 1;
}
