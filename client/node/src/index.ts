/* index.ts - the client's side of the package. */
export { Client } from "./client.js";
export type { ClientLike } from "./client.js";
export type {
  CallOptions,
  CancelOptions,
  Cancelled,
  ClientOptions,
  Completion,
  EventFilter,
  JobFilter,
  Progress,
  RunOptions,
  ScopeOptions,
  Touched,
  WaitOptions,
} from "./calls.js";
export { ERRORS, GangerError } from "./errors.js";
export type { ErrorCode, Fate } from "./errors.js";
export { Job, JobError } from "./job.js";
export type {
  Backoff,
  Moment,
  Payload,
  Reason,
  Submission,
  SubmitOptions,
  Target,
} from "./job.js";
export type { JobState, MomentKind, ReasonCode, Verdict } from "./tables.js";
export { PACKAGE_VERSION } from "./version.js";
export type { Broker, Pool, Queue, Run, Stat, WorkerInfo } from "./views.js";
