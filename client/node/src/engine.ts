/* engine.ts - what keeps a session going: joins it with a transport, clocks and timers.
 *
 * The one place of the package that reads a clock for the session. It gives way to the
 * rest of the event loop after a few milliseconds of work.
 */
import { hostname } from "node:os";
import { setImmediate as breathe } from "node:timers/promises";

import type { ErrorCode } from "./errors.js";
import type { Keys } from "./keys.js";
import type { Now, Session } from "./session.js";
import { Transport } from "./transport.js";

const TURN_MS = 2;
const TIMER_MS_MAX = 60000;

export const HOST = hostname().slice(0, 255);

export function clock(): Now {
  return { mono: performance.now(), wall: Date.now() };
}

/** What a session is told of time. */
export type Clock = () => Now;

/** Why there is no broker, as far as it is known. */
export interface Unreachable {
  code: ErrorCode;
  text: string;
}

export interface EngineUser {
  /** Time has passed, after what had come was read. */
  onTick(now: Now): void;
  /** The state of the connection has changed for the worse. */
  onTrouble(why: Unreachable): void;
  /** Is anything going on for which the process has to stay? */
  needed(): boolean;
}

export class Engine<S extends Session> {
  readonly session: S;
  readonly transport: Transport;
  unreachable: Unreachable;
  readonly #user: EngineUser;
  #flushing = false;
  #flushSoon = false;
  #timer: NodeJS.Timeout | undefined;
  #timerAt = Infinity;

  readonly #clock: Clock;

  constructor(
    session: S,
    endpoint: string,
    keys: Keys | undefined,
    user: EngineUser,
    now: Clock = clock,
  ) {
    this.session = session;
    this.#user = user;
    this.#clock = now;
    this.unreachable = {
      code: "no_broker",
      text: `nothing heard from ${endpoint} yet`,
    };
    this.transport = new Transport(endpoint, keys, {
      onUp: () => {
        this.session.linkUp(this.#clock());
        this.poke();
      },
      onDown: (code, text) => {
        this.session.linkDown();
        this.#trouble(code, `${this.transport.endpoint}: ${text}`);
        this.#arm();
      },
      onMessage: (frames) => {
        this.#onMessage(frames);
      },
      onRest: () => {
        this.poke();
      },
    });
  }

  /** Connect, if that is not so already. */
  start(): void {
    this.transport.open();
    this.#arm();
  }

  /** Say goodbye and let the socket go. */
  stop(): void {
    const bye = this.session.bye(this.#clock());
    if (bye !== undefined && !this.transport.busy) {
      void this.transport.send(bye); /* Into the socket's queue, which lingers. */
    }
    this.session.linkDown();
    this.transport.close();
    clearTimeout(this.#timer);
    this.#timer = undefined;
    this.#timerAt = Infinity;
  }

  /** Something may have to be sent, or to be done in time: see to it in this turn. */
  poke(): void {
    if (!this.#flushSoon) {
      this.#flushSoon = true;
      setImmediate(() => {
        this.#flushSoon = false;
        void this.#flush();
      });
    }
  }

  /** The session has been refused, or closed by the broker. */
  refused(code: ErrorCode, text: string): void {
    this.#trouble(code, text);
  }

  #trouble(code: ErrorCode, text: string): void {
    this.unreachable = { code, text };
    this.#user.onTrouble(this.unreachable);
  }

  #onMessage(frames: readonly Buffer[]): void {
    if (!this.session.receive(frames, clock())) {
      this.session.linkDown();
      this.#trouble("not_ganger", `${this.transport.endpoint}: not a Ganger broker`);
      this.transport.rebuild();
      return;
    }
    if (this.session.state === "open") {
      this.transport.settled();
    }
  }

  async #flush(): Promise<void> {
    if (this.#flushing || !this.transport.isOpen) {
      this.#arm();
      return;
    }
    this.#flushing = true;
    try {
      let since = performance.now();
      while (!this.transport.busy) {
        const message = this.session.next(this.#clock());
        if (message === undefined) {
          break;
        }
        if (!(await this.transport.send(message))) {
          break;
        }
        if (performance.now() - since > TURN_MS) {
          await breathe();
          since = performance.now();
        }
      }
    } finally {
      this.#flushing = false;
    }
    this.#arm();
  }

  #arm(): void {
    const at = this.session.wake();
    if (at >= this.#timerAt && this.#timer !== undefined) {
      return; /* It fires early and looks again. */
    }
    clearTimeout(this.#timer);
    this.#timer = undefined;
    this.#timerAt = at;
    if (at !== Infinity) {
      const wait = Math.min(Math.max(at - this.#clock().mono, 0), TIMER_MS_MAX);
      this.#timer = setTimeout(() => {
        this.#onTimer();
      }, Math.ceil(wait));
      if (!this.#user.needed()) {
        this.#timer.unref();
      }
    }
  }

  #onTimer(): void {
    this.#timer = undefined;
    this.#timerAt = Infinity;
    /* After a long turn of the loop the answers may be there, unread: they are read
       before what is set for the end of this turn. */
    setImmediate(() => {
      this.#judge(this.#clock());
    });
  }

  #judge(now: Now): void {
    this.session.tick(now);
    this.#user.onTick(now);
    if (this.session.isDead(now)) {
      const greeted = this.session.state === "greeted";
      this.session.linkDown();
      this.#trouble(
        greeted && !this.session.met ? "not_ganger" : "no_broker",
        `${this.transport.endpoint}: no answer; the broker is silent`,
      );
      this.transport.rebuild();
    }
    this.poke();
  }
}
