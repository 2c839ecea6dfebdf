/** `vigil runtime watch`: what processes do, as it happens. */
import { setTimeout as pause } from "node:timers/promises";
import { readKernelBtf } from "../../ebpf/kernel/kernel-btf.ts";
import { compileRules } from "../../falco/compile.ts";
import type { ProcessView, SyscallEvent } from "../../falco/syscall-event.ts";
import { VigilError } from "../../lib/error.ts";
import { pathOf } from "../../policy/runtime-view.ts";
import { RUNTIME_EVENTS, type RuntimeEventName, runtimeEventName } from "../../resource/runtime-event-name.ts";
import { describeRuntimeEvent } from "../../sensor/described-event.ts";
import { type Detection, Detector } from "../../sensor/detector.ts";
import { Sensor } from "../../sensor/sensor.ts";
import { withheldArguments } from "../../sensor/withheld-arguments.ts";
import { EXIT, type ExitCode } from "../command.ts";
import { noteDiagnostics, noteError } from "../notes.ts";
import { testFiles } from "../policy/test.ts";
import { eventsNamed } from "../sensor/stored-events.ts";
import type { Terminal } from "../terminal.ts";
import { hostLookups } from "./host-lookups.ts";
import { loadRuntimeRules } from "./load-rules.ts";

export interface WatchOptions {
  /** Names of events, or the part before the dot; `none` for findings alone. */
  readonly events: readonly string[];
  readonly rules: readonly string[];
  /** Of this process and those below it. */
  readonly pid: number | undefined;
  /** Of containers whose id begins so. */
  readonly container: string | undefined;
  readonly durationMs: number | undefined;
  readonly format: "text" | "json";
  readonly signal: AbortSignal;
}

const workloadOf = ({ cgroupId, container }: ProcessView): { readonly id: string; readonly labels: Readonly<Record<string, string>> } => ({
  id: `unresolved:${cgroupId}`,
  labels: container.labels,
});

export async function watchRuntime(options: WatchOptions, terminal: Terminal): Promise<ExitCode> {
  const names = namesOf(options.events, terminal);
  if (names === undefined) return EXIT.unable;
  const files = options.rules.flatMap((path) => testFiles(path, (name) => name.endsWith(".yaml") || name.endsWith(".yml")));
  const { policies, ruleSet, diagnostics } = loadRuntimeRules(files, terminal);
  noteDiagnostics(terminal, diagnostics);
  if (diagnostics.some(({ severity }) => severity === "error")) return EXIT.unable;
  // Rules of Falco that are switched off stay so.
  const falco = compileRules(ruleSet);
  const watching = new Watching(options, names, terminal);
  try {
    using sensor = new Sensor({
      btf: readKernelBtf(),
      lookups: hostLookups(),
      ...(options.rules.length === 0 ? {} : { detector: new Detector({ policies, falco }) }),
      onEvent: (event) => watching.show(event),
      onDetection: (detection) => watching.find(detection),
      onLoss: (ring, count) => terminal.note(`lost ${count} events of the ${ring} ring: they came faster than they were read`),
    });
    sensor.watch({ events: [...names, ...policies.interest.events], calls: falco.eventTypes, mayWatchCalls: true });
    terminal.note(`watching ${sensor.counts.processes} processes; Ctrl-C ends it`);
    await pause(options.durationMs ?? LONGEST_MS, undefined, { signal: options.signal }).catch(() => undefined);
    sensor.drain();
    return EXIT.yes;
  } catch (thrown) {
    if (!(thrown instanceof VigilError)) throw thrown;
    noteError(terminal, thrown.message, thrown.hint);
    return EXIT.unable;
  }
}

/** The longest that a timer waits. */
const LONGEST_MS = 2_147_483_647;

function namesOf(given: readonly string[], terminal: Terminal): ReadonlySet<RuntimeEventName> | undefined {
  const { names, unknown } = eventsNamed(given);
  const [word] = unknown;
  if (word === undefined) return names;
  noteError(terminal, `there is no event \`${word}\``, `events: process, file, network, or one of ${RUNTIME_EVENTS.join(", ")}`);
  return undefined;
}

class Watching {
  readonly #options: WatchOptions;
  readonly #names: ReadonlySet<RuntimeEventName>;
  readonly #terminal: Terminal;

  constructor(options: WatchOptions, names: ReadonlySet<RuntimeEventName>, terminal: Terminal) {
    this.#options = options;
    this.#names = names;
    this.#terminal = terminal;
  }

  show(event: SyscallEvent): void {
    const name = runtimeEventName(event);
    if (name === undefined || !this.#names.has(name) || !this.#isMeant(event.caller)) return;
    if (this.#options.format === "json") {
      const described = describeRuntimeEvent(event, workloadOf(event.caller));
      if (described !== undefined) this.#terminal.printJson({ kind: described.kind, timeNs: event.timeNs, ...described.fields }, 0);
      return;
    }
    const { caller } = event;
    const failure = event.result < 0 ? this.#terminal.style("red", ` failed (${event.result})`) : "";
    const where = caller.container.id === "host" ? "" : ` [${caller.container.id}]`;
    const time = new Date(Number(event.timeNs / 1_000_000n)).toISOString().slice(11, 23);
    const who = `${caller.name}(${caller.pid})${where}`;
    this.#terminal.print(`${this.#terminal.style("dim", time)} ${name.padEnd(20)} ${who.padEnd(24)} ${objectOf(event, name)}${failure}`);
  }

  find({ finding, pid }: Detection): void {
    if (this.#options.format === "json") this.#terminal.printJson({ kind: "finding", ...finding }, 0);
    else {
      const line = `FINDING  ${finding.rule}: ${finding.message} (process ${pid})`;
      this.#terminal.print(this.#terminal.style(finding.severity >= SEVERE ? "red" : "yellow", line));
    }
  }

  #isMeant(caller: ProcessView): boolean {
    const { pid, container } = this.#options;
    if (container !== undefined && !caller.container.fullId.startsWith(container)) return false;
    if (pid === undefined) return true;
    let steps = 0;
    for (let at: ProcessView | null = caller; at !== null && steps < MAX_ANCESTRY; at = at.parent, steps++) if (at.pid === pid) return true;
    return false;
  }
}

const MAX_ANCESTRY = 64;
const SEVERE = 4;

function objectOf(event: SyscallEvent, name: RuntimeEventName): string {
  const { caller, fd, args } = event;
  if (name === "process.exec") return [caller.exePath, ...withheldArguments(caller.args)].join(" ");
  if (name === "process.end") return Number(args["sig"]) === 0 ? `exit ${args["ret"]}` : `signal ${args["sig"]}`;
  if (fd?.socket) return fd.name;
  const from = args["oldpath"] ?? args["target"];
  const path = pathOf(event);
  if (path !== "") return from === undefined ? path : `${from} -> ${path}`;
  return (
    fd?.name ||
    Object.entries(args)
      .map(([key, value]) => `${key}=${value}`)
      .join(" ")
  );
}
