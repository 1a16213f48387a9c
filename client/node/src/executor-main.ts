/* executor-main.ts - what an executor process runs: it imports the module that was
 * named to it, and serves the handlers that this exports or registers with work(). */
import { serveAgent } from "./executor.js";
import type { Handlers } from "./handler.js";

const [module] = process.argv.slice(2);
/* Signals to the terminal's group are the agent's affair: it lets us end our work. */
process.on("SIGINT", () => undefined);
process.on("SIGTERM", () => undefined);
const found = (await import(module ?? "")) as { default?: Handlers };
if (found.default !== undefined) {
  serveAgent(found.default);
}
