/** `vigil up`: the supervisor and what people see of it. */
import { userInfo } from "node:os";
import { extname } from "node:path";
import { formatDuration } from "../../lib/duration.ts";
import { encodeAgentSettings } from "../agent/settings.ts";
import { encodeAuthoritySettings } from "../authority/settings.ts";
import { EXIT, type ExitCode, type Invocation } from "../command.ts";
import { type Configuration, loadConfiguration } from "../config.ts";
import { subjectNames } from "../control/certificates.ts";
import { encodeControlSettings } from "../control/settings.ts";
import { type DemoDirectories, demoSettings, prepareDemo, runDemo } from "../demo/demo.ts";
import { createLog, type Log } from "../log.ts";
import { encodeNetworkSettings } from "../network/settings.ts";
import { noteDiagnostics, noteError } from "../notes.ts";
import type { ReadyReport } from "../process-message.ts";
import type { SettingSources, Settings } from "../settings.ts";
import { SMALL_NURSERY } from "../small-nursery.ts";
import { openStateDirectory, type StateDirectory } from "../state-directory.ts";
import type { ProcessNews, ProcessSpec } from "../supervised-process.ts";
import { Supervisor } from "../supervisor.ts";
import { COMPILE_CACHE, readVersion } from "../version.ts";
import { readyScreen } from "./ready-screen.ts";

export interface UpOptions {
  readonly config: string | undefined;
  readonly flags: SettingSources["flags"];
  readonly format: "text" | "json";
  /** Shows what it can do with a shop of five services. */
  readonly demo: boolean;
  /** Ends after the demonstration. */
  readonly once: boolean;
}

const READY_WITHIN_MS = 60_000;
/** What draining takes beside the answers under way: the last events. */
const DRAIN_MARGIN_MS = 5_000;
const AUTHORITY_DRAIN_MS = 5_000;
const AGENT_DRAIN_MS = 5_000;

export async function up(invocation: Invocation, options: UpOptions): Promise<ExitCode> {
  const { terminal } = invocation;
  if (options.once && !options.demo) {
    noteError(terminal, "`--once` goes with `--demo`", "`vigil up` runs until it is stopped");
    return EXIT.unable;
  }
  using demo = options.demo ? prepareDemo() : undefined;
  const flags = demo === undefined ? options.flags : { ...options.flags, ...demoSettings(demo) };
  const configuration = loadConfiguration(invocation, options.config, flags);
  if (!configuration.ok) {
    noteDiagnostics(terminal, configuration.error);
    return EXIT.unable;
  }
  const state = await openStateDirectory(configuration.value.values["state.directory"]);
  try {
    return await run(invocation, { ...options, directories: demo }, configuration.value, state);
  } finally {
    state.release();
  }
}

async function run(
  invocation: Invocation,
  { format, once, directories }: UpOptions & { readonly directories: DemoDirectories | undefined },
  configuration: Configuration,
  state: StateDirectory,
): Promise<ExitCode> {
  const { terminal } = invocation;
  const startMs = performance.now();
  const signal = invocation.interruption();
  const supervisor = new Supervisor(processTable(configuration, state), narrator(createLog("supervisor")));
  let stopping: Promise<void> | undefined;
  const stop = (): Promise<void> => {
    stopping ??= (async () => {
      terminal.note("draining …");
      await supervisor.stop();
      terminal.note("stopped");
    })();
    return stopping;
  };
  const stopped = aborted(signal).then(stop);
  try {
    const sensorOff = sensorProblem(configuration.values);
    const reports = [...(await supervisor.start()), ...(sensorOff === undefined ? [] : [{ on: [], off: [sensorOff], facts: {} }])];
    if (directories !== undefined) return await demonstrate(invocation, directories, { report: merge(reports), once, signal }, stop);
    const seconds = formatDuration(performance.now() - startMs);
    if (format === "json") terminal.printJson({ ready: true, version: readVersion(), state: state.path, ...merge(reports) }, 0);
    else terminal.print(readyScreen(merge(reports), { seconds, state: state.path, configuration }, terminal));
  } catch (error) {
    if (!signal.aborted) throw error;
  }
  await stopped;
  return signal.reason === "SIGTERM" ? EXIT.yes : EXIT.interrupted;
}

/** Without it each process of a checkout first compiles what strips types: 0.4 s and 18 MB. */
const ENVIRONMENT = { NODE_COMPILE_CACHE: COMPILE_CACHE };

async function demonstrate(
  invocation: Invocation,
  directories: DemoDirectories,
  facts: Parameters<typeof runDemo>[2],
  stop: () => Promise<void>,
): Promise<ExitCode> {
  try {
    const code = await runDemo(invocation, directories, facts);
    return facts.signal.aborted ? EXIT.interrupted : code;
  } finally {
    await stop();
  }
}

/** The processes in the order in which they start. */
function processTable({ values }: Configuration, { path, installation }: StateDirectory): readonly ProcessSpec[] {
  const control = encodeControlSettings({ stateDirectory: path, installation, configuration: values });
  const authority = encodeAuthoritySettings({
    stateDirectory: path,
    configuration: values,
    user: currentUser(),
    webhookNames: webhookNames(values),
  });
  const own: ProcessSpec = {
    name: "authority",
    entry: entryOf("authority"),
    environment: ENVIRONMENT,
    settings: authority,
    readyWithinMs: READY_WITHIN_MS,
    drainWithinMs: AUTHORITY_DRAIN_MS,
  };
  return [
    ...(values["identity.authority"] === undefined ? [own] : []),
    agentProcess(values, path),
    {
      name: "control",
      entry: entryOf("control"),
      environment: ENVIRONMENT,
      settings: control,
      readyWithinMs: READY_WITHIN_MS,
      drainWithinMs: values["admission.drain"] + DRAIN_MARGIN_MS,
    },
    networkProcess(values, path),
    ...(sensorProblem(values) === undefined ? [sensorProcess(values, path)] : []),
  ];
}

type OffReport = ReadyReport["off"][number];

/** Why no sensor is started; undefined when one is. */
function sensorProblem(settings: Settings): OffReport | undefined {
  const what = "runtime sensor";
  const stated = settings["runtime.rules"];
  if (stated.includes("none")) return { what, why: "`runtime.rules` is `none`", how: "to have it: `runtime.rules: builtin`" };
  if (stated.length > 0 || process.getuid?.() === 0) return undefined;
  return { what, why: "what processes do is seen by root alone", how: "start `vigil up` as root" };
}

/** As `vigil identity agent` runs it, too. */
export const agentProcess = (configuration: Configuration["values"], stateDirectory: string): ProcessSpec => ({
  name: "agent",
  entry: entryOf("agent"),
  environment: ENVIRONMENT,
  execArgv: SMALL_NURSERY,
  settings: encodeAgentSettings({ stateDirectory, configuration }),
  readyWithinMs: READY_WITHIN_MS,
  drainWithinMs: AGENT_DRAIN_MS,
});

const networkProcess = (configuration: Configuration["values"], stateDirectory: string): ProcessSpec => ({
  name: "network",
  entry: entryOf("network"),
  environment: ENVIRONMENT,
  settings: encodeNetworkSettings({ stateDirectory, configuration }),
  readyWithinMs: READY_WITHIN_MS,
  drainWithinMs: AGENT_DRAIN_MS,
});

const sensorProcess = (configuration: Configuration["values"], stateDirectory: string): ProcessSpec => ({
  name: "sensor",
  entry: entryOf("sensor"),
  environment: ENVIRONMENT,
  isIndependent: true,
  execArgv: SMALL_NURSERY,
  settings: encodeAgentSettings({ stateDirectory, configuration }),
  readyWithinMs: READY_WITHIN_MS,
  drainWithinMs: AGENT_DRAIN_MS,
});

/** The same file is .ts in a checkout and .js in the package. */
const entryOf = (process: string): URL => new URL(`../${process}${extname(import.meta.url)}`, import.meta.url);

function currentUser(): { readonly uid: number; readonly name: string } {
  const { uid, username } = userInfo();
  return { uid, name: username };
}

/** By kind, as they stand in its certificate. */
function webhookNames(settings: Settings): { readonly dnsNames: readonly string[]; readonly ipAddresses: readonly string[] } {
  const names = subjectNames(settings);
  const valuesOf = (kind: "dns" | "ip"): readonly string[] => names.filter((name) => name.kind === kind).map(({ value }) => value);
  return { dnsNames: valuesOf("dns"), ipAddresses: valuesOf("ip") };
}

export const merge = (reports: readonly ReadyReport[]): ReadyReport => ({
  on: reports.flatMap(({ on }) => on),
  off: reports.flatMap(({ off }) => off),
  facts: Object.assign({}, ...reports.map(({ facts }) => facts)),
});

export const aborted = (signal: AbortSignal): Promise<void> =>
  new Promise((resolve) => (signal.aborted ? resolve() : signal.addEventListener("abort", () => resolve(), { once: true })));

/** Says what people should know: a process was lost, and it works again. */
export function narrator(log: Log): (news: ProcessNews) => void {
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
