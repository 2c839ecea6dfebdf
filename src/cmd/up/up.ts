/** `vigil up`: the supervisor and what people see of it. */
import { extname } from "node:path";
import { formatDuration } from "../../lib/duration.ts";
import { EXIT, type ExitCode, type Invocation } from "../command.ts";
import { type Configuration, loadConfiguration } from "../config.ts";
import { encodeControlSettings } from "../control/settings.ts";
import { createLog, type Log } from "../log.ts";
import { noteDiagnostics } from "../notes.ts";
import type { ReadyReport } from "../process-message.ts";
import type { SettingSources } from "../settings.ts";
import { openStateDirectory, type StateDirectory } from "../state-directory.ts";
import type { ProcessNews, ProcessSpec } from "../supervised-process.ts";
import { Supervisor } from "../supervisor.ts";
import { readVersion } from "../version.ts";
import { readyScreen } from "./ready-screen.ts";

export interface UpOptions {
  readonly config: string | undefined;
  readonly flags: SettingSources["flags"];
  readonly format: "text" | "json";
}

const READY_WITHIN_MS = 60_000;
/** What draining takes beside the answers under way: the last events. */
const DRAIN_MARGIN_MS = 5_000;

export async function up(invocation: Invocation, options: UpOptions): Promise<ExitCode> {
  const { terminal } = invocation;
  const configuration = loadConfiguration(invocation, options.config, options.flags);
  if (!configuration.ok) {
    noteDiagnostics(terminal, configuration.error);
    return EXIT.unable;
  }
  const state = await openStateDirectory(configuration.value.values["state.directory"]);
  try {
    return await run(invocation, options, configuration.value, state);
  } finally {
    state.release();
  }
}

async function run(
  { terminal, interruption }: Invocation,
  { format }: UpOptions,
  configuration: Configuration,
  state: StateDirectory,
): Promise<ExitCode> {
  const startMs = performance.now();
  const signal = interruption();
  const supervisor = new Supervisor(processTable(configuration, state), narrator(createLog("supervisor")));
  const stopped = aborted(signal).then(async () => {
    terminal.note("draining …");
    await supervisor.stop();
    terminal.note("stopped");
  });
  try {
    const reports = await supervisor.start();
    const seconds = formatDuration(performance.now() - startMs);
    if (format === "json") terminal.printJson({ ready: true, version: readVersion(), state: state.path, ...merge(reports) }, 0);
    else terminal.print(readyScreen(merge(reports), { seconds, state: state.path, configuration }, terminal));
  } catch (error) {
    if (!signal.aborted) throw error;
  }
  await stopped;
  return signal.reason === "SIGTERM" ? EXIT.yes : EXIT.interrupted;
}

/** The processes in the order in which they start. The authority and the node agent join here. */
function processTable({ values }: Configuration, { path, installation }: StateDirectory): readonly ProcessSpec[] {
  const settings = encodeControlSettings({ stateDirectory: path, installation, configuration: values });
  // The same file is .ts in a checkout and .js in the package.
  const entry = new URL(`../control${extname(import.meta.url)}`, import.meta.url);
  return [{ name: "control", entry, settings, readyWithinMs: READY_WITHIN_MS, drainWithinMs: values["admission.drain"] + DRAIN_MARGIN_MS }];
}

const merge = (reports: readonly ReadyReport[]): ReadyReport => ({
  on: reports.flatMap(({ on }) => on),
  off: reports.flatMap(({ off }) => off),
  facts: Object.assign({}, ...reports.map(({ facts }) => facts)),
});

const aborted = (signal: AbortSignal): Promise<void> =>
  new Promise((resolve) => (signal.aborted ? resolve() : signal.addEventListener("abort", () => resolve(), { once: true })));

/** Says what people should know: a process was lost, and it works again. */
function narrator(log: Log): (news: ProcessNews) => void {
  const lost = new Set<string>();
  return (news) => {
    if (news.kind === "lost") {
      lost.add(news.name);
      log("error", `${news.name} ${news.reason}; it is started again in ${formatDuration(news.againInMs)}`);
    } else if (news.status.state === "ready" && lost.delete(news.status.name)) {
      log("info", `${news.status.name} works again`, { pid: news.status.pid });
    }
  };
}
