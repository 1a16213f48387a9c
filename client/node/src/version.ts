/* version.ts - what this package calls itself to the broker. A test compares it with
 * package.json. */

export const PACKAGE_VERSION = "0.1.0";
export const PROGRAM = `ganger-node/${PACKAGE_VERSION}`;
