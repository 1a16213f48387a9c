/* keys.ts - where the broker is, and CURVE key pairs from files of `ganger key new`:
 *
 *   metadata
 *       server-key = "40 characters of Z85"       the broker's public key; optional
 *   curve
 *       public-key = "40 characters of Z85"
 *       secret-key = "40 characters of Z85"
 */
import { closeSync, fstatSync, openSync, readFileSync } from "node:fs";

import { GangerError } from "./errors.js";

export interface Keys {
  publicKey: string;
  secretKey: string;
  serverKey: string;
}

export interface KeyOptions {
  /** File with a CURVE key pair; without it $GANGER_KEY_FILE, else no encryption. */
  keyFile?: string | undefined;
  /**
   * The broker's public key, 40 characters of Z85; without it $GANGER_SERVER_KEY, else
   * the `server-key` in the key file.
   */
  serverKey?: string | undefined;
}

const DEFAULT_ENDPOINT = "tcp://127.0.0.1:7440";
const Z85 = /^[0-9a-zA-Z.\-:+=^!/*?&<>()[\]{}@%$#]{40}$/;
const ENDPOINT = /^(tcp:\/\/(\[[0-9a-fA-F:.%\w]+\]|[^:/\s[\]]+):(\d{1,5})|ipc:\/\/.+)$/;

/** `given`, or $GANGER_BROKER, or tcp://127.0.0.1:7440; host:port alone means tcp. */
export function readEndpoint(given: string | undefined): string {
  const named = process.env["GANGER_BROKER"] || undefined;
  const said = given ?? named ?? DEFAULT_ENDPOINT;
  const endpoint = said.includes("://") ? said : `tcp://${said}`;
  const match = ENDPOINT.exec(endpoint);
  const port = Number(match?.[3] ?? 1);
  if (match === null || port < 1 || port > 65535) {
    const what = given === undefined ? "$GANGER_BROKER" : "the endpoint";
    throw new GangerError(given === undefined ? "config" : "usage", {
      text: `${what} is "${endpoint}"; it should be like ${DEFAULT_ENDPOINT}`,
    });
  }
  return endpoint;
}

/** `told` with a host that stands for all of them replaced by that of `connected`. */
export function resolveEndpoint(told: string, connected: string): string {
  const any = /^tcp:\/\/(\*|0\.0\.0\.0|\[::\]):(\d+)$/.exec(told);
  const host = /^tcp:\/\/(.+):\d+$/.exec(connected)?.[1];
  return any === null || host === undefined ? told : `tcp://${host}:${any[2] ?? ""}`;
}

/** The keys to connect with, or undefined: no CURVE. Throws `usage` or `config`. */
export function readKeys(options: KeyOptions): Keys | undefined {
  const file = options.keyFile ?? (process.env["GANGER_KEY_FILE"] || undefined);
  if (file === undefined) {
    if (options.serverKey !== undefined) {
      throw new GangerError("usage", {
        text: "a server key needs a key file beside it",
      });
    }
    return undefined;
  }
  const code = options.keyFile === undefined ? "config" : "usage";
  const found = readKeyFile(file, code);
  const serverKey =
    options.serverKey ?? (process.env["GANGER_SERVER_KEY"] || found["server-key"]);
  if (serverKey === undefined || !Z85.test(serverKey)) {
    throw new GangerError(options.serverKey === undefined ? "config" : "usage", {
      text:
        serverKey === undefined
          ? "no server key: give serverKey or $GANGER_SERVER_KEY"
          : "the server key is not 40 characters of Z85",
    });
  }
  return {
    publicKey: found["public-key"] ?? "",
    secretKey: found["secret-key"] ?? "",
    serverKey,
  };
}

function readKeyFile(file: string, code: "usage" | "config"): Record<string, string> {
  const fail = (text: string): GangerError => new GangerError(code, { text });
  let text: string;
  let handle: number | undefined;
  try {
    handle = openSync(file, "r");
    const mode = fstatSync(handle).mode & 0o777;
    if ((mode & 0o077) !== 0 && process.platform !== "win32") {
      throw fail(
        `the key file ${file} can be read or written by others ` +
          `(mode 0${mode.toString(8)}); do: chmod 600 ${file}`,
      );
    }
    text = readFileSync(handle, "utf8");
  } catch (err) {
    if (err instanceof GangerError) {
      throw err;
    }
    throw fail(`the key file ${file} cannot be read: ${(err as Error).message}`);
  } finally {
    if (handle !== undefined) {
      closeSync(handle);
    }
  }
  const keys: Record<string, string> = {};
  for (const [index, line] of text.split(/\r?\n/).entries()) {
    const name = /^\s+(public-key|secret-key|server-key)\s*=/.exec(line)?.[1];
    if (name !== undefined) {
      const value = /"([^"]*)"/.exec(line)?.[1];
      if (value === undefined || !Z85.test(value)) {
        throw fail(
          `line ${index + 1} of ${file} has no key of 40 characters in quotes`,
        );
      }
      keys[name] = value;
    }
  }
  for (const name of ["public-key", "secret-key"]) {
    if (keys[name] === undefined) {
      throw fail(`the key file ${file} has no ${name}; make one with: ganger key new`);
    }
  }
  return keys;
}
