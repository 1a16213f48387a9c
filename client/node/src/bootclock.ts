/* bootclock.ts - a clock for leases: it never jumps, and it counts the time in which
 * the machine slept, which performance.now() does not. */
import { uptime } from "node:os";

import type { Now } from "./session.js";

const NOISE_MS = 50; /* uptime() is coarse. */

/** A clock that begins at performance.now() and adds what it slept through. */
export function bootClock(): () => Now {
  const ahead = uptime() * 1000 - performance.now();
  let slept = 0;
  return () => {
    const now = performance.now();
    const more = uptime() * 1000 - now - ahead;
    if (more > slept + NOISE_MS) {
      slept = more;
    }
    return { mono: now + slept, wall: Date.now() };
  };
}
