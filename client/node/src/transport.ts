/* transport.ts - the one file that talks to ZeroMQ: a DEALER socket, the news about its
 * connection, and new sockets where the old one is no more use.
 *
 *   event seen                                      what it means here
 *   retried, with nothing before it                 the name cannot be resolved
 *   closed                                          nothing listens
 *   connected, then no handshake in 2.5 s           not Ganger (a web server, say)
 *   handshake failed: refused by the broker         the key is not allowed; new socket
 *   handshake failed: mechanism, protocol           keys on one side only; new socket
 *   handshake failed otherwise                      with keys: not the broker's key;
 *                                                   without: not Ganger, or keys there
 *   disconnected before the handshake               not Ganger; new socket
 *   disconnected                                    the broker has gone; it reconnects
 */
import { setImmediate as breathe } from "node:timers/promises";

import * as zmq from "zeromq";

import type { ErrorCode } from "./errors.js";
import type { Keys } from "./keys.js";

const RECONNECT_MS = 10;
const RECONNECT_MS_MAX = 2000;
const HANDSHAKE_MS = 2500;
const LINGER_MS = 1000;
/* Work for no longer than this before others of the event loop have their turn. */
const TURN_MS = 2;

export interface TransportUser {
  /** A connection is there. */
  onUp(): void;
  /** There is none, or it is of no use; `text` says why in few words. */
  onDown(code: ErrorCode, text: string): void;
  onMessage(frames: readonly Buffer[]): void;
  /** All that had come was handed over; answers may be due. */
  onRest(): void;
}

export class Transport {
  readonly #user: TransportUser;
  readonly #keys: Keys | undefined;
  #endpoint: string;
  #socket: zmq.Dealer | undefined;
  #up = false;
  #connected = false;
  #closedSeen = false;
  #handshakeTimer: NodeJS.Timeout | undefined;
  #rebuildTimer: NodeJS.Timeout | undefined;
  #backoffMs = RECONNECT_MS;
  #sending = false;

  constructor(endpoint: string, keys: Keys | undefined, user: TransportUser) {
    this.#endpoint = endpoint;
    this.#keys = keys;
    this.#user = user;
  }

  get endpoint(): string {
    return this.#endpoint;
  }

  get isOpen(): boolean {
    return this.#socket !== undefined || this.#rebuildTimer !== undefined;
  }

  /** Is a message on its way into the socket? Then nothing can be sent now. */
  get busy(): boolean {
    return this.#sending;
  }

  open(): void {
    if (this.isOpen) {
      return;
    }
    const socket = new zmq.Dealer({
      immediate: true,
      linger: LINGER_MS,
      reconnectInterval: RECONNECT_MS,
      reconnectMaxInterval: RECONNECT_MS_MAX,
      heartbeatInterval: 0,
    });
    if (this.#keys !== undefined) {
      socket.curvePublicKey = this.#keys.publicKey;
      socket.curveSecretKey = this.#keys.secretKey;
      socket.curveServerKey = this.#keys.serverKey;
    }
    this.#socket = socket;
    this.#up = false;
    this.#connected = false;
    this.#closedSeen = false;
    this.#sending = false;
    this.#watch(socket);
    socket.connect(this.#endpoint);
    void this.#read(socket);
  }

  /** Close the socket; what was sent still has a second to leave. */
  close(): void {
    clearTimeout(this.#rebuildTimer);
    this.#rebuildTimer = undefined;
    this.#drop();
  }

  /** Throw the socket away and connect anew after a back-off. */
  rebuild(): void {
    this.#drop();
    if (this.#rebuildTimer === undefined) {
      const wait = this.#backoffMs * (1 + Math.random() / 4);
      this.#backoffMs = Math.min(2 * this.#backoffMs, RECONNECT_MS_MAX);
      this.#rebuildTimer = setTimeout(() => {
        this.#rebuildTimer = undefined;
        this.open();
      }, wait);
    }
  }

  /** Connect to another endpoint from now on. */
  redirect(endpoint: string): void {
    this.close();
    this.#endpoint = endpoint;
    this.open();
  }

  /** The connection is of use: forget the back-off. */
  settled(): void {
    this.#backoffMs = RECONNECT_MS;
  }

  /** Send a message. Resolves true when it has left for the socket's queue. */
  async send(frames: Uint8Array[]): Promise<boolean> {
    const socket = this.#socket;
    if (socket === undefined || this.#sending) {
      return false;
    }
    this.#sending = true;
    try {
      await socket.send(frames);
      return socket === this.#socket;
    } catch {
      return false; /* It was closed meanwhile. */
    } finally {
      if (socket === this.#socket) {
        this.#sending = false;
      }
    }
  }

  #drop(): void {
    clearTimeout(this.#handshakeTimer);
    this.#socket?.close();
    this.#socket = undefined;
    this.#up = false;
    this.#sending = false;
  }

  async #read(socket: zmq.Dealer): Promise<void> {
    let since = performance.now();
    while (socket === this.#socket) {
      /* Ask only here, where no receive() waits: asking takes the signal that it waits
         for, and nobody would wake it. */
      const waited = !socket.readable;
      if (waited) {
        this.#user.onRest();
      }
      let frames: Buffer[];
      try {
        frames = await socket.receive();
      } catch {
        return; /* It was closed. */
      }
      if (socket !== this.#socket) {
        return;
      }
      const now = performance.now();
      if (waited) {
        since = now;
      } else if (now - since > TURN_MS) {
        this.#user.onRest();
        await breathe();
        since = performance.now();
      }
      if (frames.length <= 2) {
        this.#user.onMessage(frames);
      }
    }
  }

  #watch(socket: zmq.Dealer): void {
    const mine = (act: () => void) => (): void => {
      if (socket === this.#socket) {
        act();
      }
    };
    const { events } = socket;
    events.on(
      "connect",
      mine(() => {
        this.#onConnect();
      }),
    );
    events.on(
      "handshake",
      mine(() => {
        this.#onHandshake();
      }),
    );
    events.on(
      "close",
      mine(() => {
        this.#closedSeen = true;
      }),
    );
    events.on(
      "connect:retry",
      mine(() => {
        this.#onRetry();
      }),
    );
    events.on(
      "disconnect",
      mine(() => {
        this.#onDisconnect();
      }),
    );
    events.on(
      "handshake:error:auth",
      mine(() => {
        this.#fault("key_refused", "the broker does not accept this key");
      }),
    );
    events.on(
      "handshake:error:protocol",
      mine(() => {
        this.#onProtocolError();
      }),
    );
    events.on(
      "handshake:error:other",
      mine(() => {
        this.#onProtocolError();
      }),
    );
  }

  #onConnect(): void {
    this.#connected = true;
    clearTimeout(this.#handshakeTimer);
    this.#handshakeTimer = setTimeout(() => {
      this.#fault("not_ganger", "connected, but nobody speaks ZeroMQ there");
    }, HANDSHAKE_MS);
    this.#handshakeTimer.unref();
  }

  #onHandshake(): void {
    clearTimeout(this.#handshakeTimer);
    this.#up = true;
    this.#user.onUp();
  }

  #onRetry(): void {
    if (!this.#closedSeen && !this.#connected) {
      this.#user.onDown("no_host", "the host name cannot be resolved");
    } else if (!this.#up && !this.#connected) {
      this.#user.onDown("connection_refused", "nothing listens there");
    }
    this.#closedSeen = false;
    this.#connected = false;
  }

  #onDisconnect(): void {
    clearTimeout(this.#handshakeTimer);
    if (this.#up) {
      this.#up = false;
      this.#connected = false;
      this.#user.onDown("no_broker", "the broker has closed the connection");
    } else {
      this.#fault("not_ganger", "the connection was closed before a handshake");
    }
  }

  #onProtocolError(): void {
    if (this.#keys !== undefined) {
      this.#fault(
        "key_refused",
        "the server key is not that broker's, or it has no keys",
      );
    } else {
      this.#fault("not_ganger", "it is no Ganger broker, or it wants keys (keyFile)");
    }
  }

  #fault(code: ErrorCode, text: string): void {
    this.#user.onDown(code, text);
    this.rebuild();
  }
}
