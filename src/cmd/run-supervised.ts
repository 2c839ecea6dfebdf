/** The other end of the supervisor: what a process does with the messages that it gets. */
import { messageOf, VigilError } from "../lib/error.ts";
import type { JsonValue } from "../lib/json.ts";
import type { FromProcess, ProcessStatus, ReadyReport, ToProcess } from "./process-message.ts";

export interface Running {
  readonly report: ReadyReport;
  /** Finishes what has begun; what is not finished after `withinMs` is given up. `orphaned`: the supervisor has died. */
  drain(withinMs: number, why: "asked" | "orphaned"): Promise<void>;
  /** The state of all processes has changed. */
  onProcesses?(processes: readonly ProcessStatus[]): void;
}

/**
 * Runs a process under the supervisor: `start` gets the settings, and what it throws is why the process cannot run. Without its
 * supervisor the process drains and ends. SIGINT is left to the supervisor, since a terminal sends it to both.
 */
export function runSupervised(start: (settings: JsonValue) => Promise<Running>, orphanDrainMs: number = 10_000): void {
  let running: Running | undefined;
  const say = (message: FromProcess): void => void process.send?.(message);
  let isEnding = false;
  const end = (withinMs: number, why: "asked" | "orphaned"): void => {
    // A service manager tells all processes at once, and the supervisor each of them.
    if (isEnding) return;
    isEnding = true;
    setTimeout(() => process.exit(1), withinMs).unref();
    Promise.resolve(running?.drain(withinMs, why)).then(
      () => process.exit(0),
      (error) => {
        process.stderr.write(`error: could not end in order: ${messageOf(error)}\n`);
        process.exit(1);
      },
    );
  };
  process.on("SIGINT", () => {});
  process.once("SIGTERM", () => end(orphanDrainMs, "asked"));
  process.once("disconnect", () => end(orphanDrainMs, "orphaned"));
  process.on("message", async (message: ToProcess) => {
    if (message.kind === "drain") return end(message.withinMs, "asked");
    if (message.kind === "processes") return running?.onProcesses?.(message.processes);
    try {
      running = await start(message.settings);
      say({ kind: "ready", report: running.report });
    } catch (error) {
      if (!(error instanceof VigilError)) throw error;
      const { code, hint } = error;
      say({ kind: "refused", code, message: error.message, ...(hint === undefined ? {} : { hint }) });
      process.disconnect();
    }
  });
}
