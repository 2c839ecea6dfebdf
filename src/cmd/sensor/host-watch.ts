/** The sensor at work: events go to the rules and to the store, findings to the store and to those who act. */
import { readKernelBtf } from "../../ebpf/kernel/kernel-btf.ts";
import type { ProcessView, SyscallEvent } from "../../falco/syscall-event.ts";
import { type RuntimeEventName, runtimeEventName } from "../../resource/runtime-event-name.ts";
import { readBootClock } from "../../sensor/boot-clock.ts";
import { type DescribedEvent, describeRuntimeEvent } from "../../sensor/described-event.ts";
import { type Detection, Detector } from "../../sensor/detector.ts";
import type { EventSources } from "../../sensor/event-sources.ts";
import { refusedPaths } from "../../sensor/refused-programs.ts";
import { respond } from "../../sensor/response.ts";
import { Sensor } from "../../sensor/sensor.ts";
import type { AgentSettings } from "../agent/settings.ts";
import type { EventForwarder } from "../event-forwarder.ts";
import { agentSocket } from "../identity-sockets.ts";
import type { Log } from "../log.ts";
import { hostLookups } from "../runtime/host-lookups.ts";
import { EventRecorder } from "./event-recorder.ts";
import type { RulesInForce } from "./rule-source.ts";
import { identifyByAgent, WorkloadDirectory } from "./workload-directory.ts";

export interface HostWatchOptions {
  readonly settings: AgentSettings;
  readonly forwarder: EventForwarder;
  readonly log: Log;
  readonly stored: ReadonlySet<RuntimeEventName>;
  readonly rules: RulesInForce;
}

/** Findings that happened again are told so often. */
const FLUSH_MS = 10_000;
/** What was not stored is told so often. */
const GAPS_MS = 60_000;
/** Files that are refused by patterns are looked for again so often. */
const REFUSED_MS = 1_000;
/** How long a finding waits for the name of its workload, and an event, which is less urgent. */
const NAMED_WITHIN_MS = 300;
const EVENT_NAMED_WITHIN_MS = 1_000;
const MAX_UNNAMED = 4_096;

interface Unnamed {
  readonly event: DescribedEvent;
  readonly caller: ProcessView;
  readonly timeNs: bigint;
}

export class HostWatch {
  readonly #options: HostWatchOptions;
  readonly #clock = readBootClock();
  readonly #agent: ReturnType<typeof identifyByAgent>;
  readonly #directory: WorkloadDirectory;
  readonly #detector: Detector;
  readonly #recorder: EventRecorder;
  readonly #sensor: Sensor;
  readonly #flushing: readonly NodeJS.Timeout[];
  readonly #mayWatchCalls: boolean;
  #refusing: NodeJS.Timeout | undefined;
  #unnamed: Unnamed[] = [];
  #naming: NodeJS.Timeout | undefined;
  #sources: EventSources;
  #rules: RulesInForce;
  #notRefused = "";

  /** Throws as `Sensor` does. */
  constructor(options: HostWatchOptions) {
    this.#options = options;
    const { settings, forwarder, log, rules } = options;
    const { stateDirectory, configuration } = settings;
    const { "runtime.systemCalls": systemCalls, "runtime.rules": stated, "runtime.store": stored } = configuration;
    this.#mayWatchCalls = systemCalls === "on" || (systemCalls === "auto" && (stated.length > 0 || stored.length > 0));
    this.#agent = identifyByAgent(agentSocket(stateDirectory, configuration));
    this.#directory = new WorkloadDirectory({
      identify: this.#agent.identify,
      clock: () => performance.now(),
      onProblem: (message) => log("warning", message),
    });
    this.#detector = new Detector({ ...rules, workloadOf: (process) => this.#directory.workloadOf(process) });
    this.#recorder = new EventRecorder({
      perSecond: configuration["runtime.storePerSecond"],
      store: (event) => forwarder.observed(event),
      onGap: (count, reason) => forwarder.missed({ count, reason }),
    });
    this.#sensor = new Sensor({
      btf: readKernelBtf(),
      lookups: hostLookups(),
      clock: this.#clock,
      detector: this.#detector,
      onEvent: (event) => this.#record(event),
      onDetection: (detection, event) => this.#act(detection, event.caller),
      onLoss: (_ring, count) => forwarder.missed({ count, reason: "ring_full" }),
    });
    this.#rules = rules;
    this.#sources = this.#watch(rules);
    this.#flushing = [setInterval(() => this.#flush(), FLUSH_MS).unref(), setInterval(() => this.#recorder.flush(), GAPS_MS).unref()];
  }

  /** Where events come from now. */
  get sources(): EventSources {
    return this.#sources;
  }

  /** Judges by these rules from now on. */
  use(rules: RulesInForce): void {
    this.#rules = rules;
    this.#detector.use(rules);
    this.#sources = this.#watch(rules);
    const message = `${rules.count} rules judge what processes do`;
    this.#options.log("info", message);
    this.#tellRules("done", message);
  }

  /** Says that a change of the rules cannot be used. */
  refuse(problems: readonly string[]): void {
    for (const problem of problems) this.#options.log("error", problem);
    const [first = ""] = problems;
    const more = problems.length > 1 ? ` (and ${problems.length - 1} more)` : "";
    this.#options.log("error", "the rules about processes have mistakes; those before stay in force");
    this.#tellRules("refused", `those before stay in force: ${first}${more}`);
  }

  async close(): Promise<void> {
    for (const timer of this.#flushing) clearInterval(timer);
    clearInterval(this.#refusing);
    clearTimeout(this.#naming);
    this.#sensor[Symbol.dispose]();
    this.#nameWaiting();
    this.#flush();
    this.#recorder.flush();
    this.#directory[Symbol.dispose]();
    await this.#agent.close();
  }

  #tellRules(outcome: "done" | "refused", message: string): void {
    const severity = outcome === "done" ? 1 : 4;
    this.#options.forwarder.acted({ action: "activate rules", object: "runtime.rules", outcome, message, subject: "vigil", severity });
  }

  #watch({ policies, falco }: RulesInForce): EventSources {
    const events = [...policies.interest.events, ...this.#options.stored];
    const sources = this.#sensor.watch({ events, calls: falco.eventTypes, mayWatchCalls: this.#mayWatchCalls });
    const { log } = this.#options;
    if (sources.unknown.length > 0) log("warning", `calls that rules ask for are not told: ${sources.unknown.join(", ")}`);
    const untold = sources.untold.filter((name) => this.#options.stored.has(name));
    if (untold.length > 0) log("warning", `not stored, since \`runtime.systemCalls\` is off: ${untold.join(", ")}`);
    this.#refusePrograms();
    return sources;
  }

  /** What is named by a pattern may be there only later, and what is replaced is another file. */
  #refusePrograms(): void {
    const paths = refusedPaths(this.#rules.policies.policies);
    const left = this.#sensor.setRefused(paths).join(", ");
    if (left !== "" && left !== this.#notRefused)
      this.#options.log("warning", `the kernel does not refuse what is not there or is needed: ${left}`);
    this.#notRefused = left;
    clearInterval(this.#refusing);
    this.#refusing = paths.length === 0 ? undefined : setInterval(() => this.#refusePrograms(), REFUSED_MS).unref();
  }

  #record(event: SyscallEvent): void {
    const name = runtimeEventName(event);
    if (name === undefined || !this.#options.stored.has(name)) return;
    const { caller, timeNs } = event;
    // What storing an event makes this Vigil do is not stored again.
    if (!name.startsWith("process.") && isOwn(caller)) return;
    const workload = this.#directory.workloadOf(caller);
    const described = describeRuntimeEvent(event, workload);
    if (described === undefined) return;
    if (isNamed(workload.id) || this.#unnamed.length >= MAX_UNNAMED) this.#recorder.record(described, timeNs);
    else {
      this.#unnamed.push({ event: described, caller, timeNs });
      this.#naming ??= setTimeout(() => this.#nameWaiting(), EVENT_NAMED_WITHIN_MS).unref();
    }
  }

  /** Who they are is known by now, or not at all. */
  #nameWaiting(): void {
    this.#naming = undefined;
    const waiting = this.#unnamed;
    this.#unnamed = [];
    for (const { event, caller, timeNs } of waiting)
      this.#recorder.record(withSubject(event, this.#directory.workloadOf(caller).id), timeNs);
  }

  #act(detection: Detection, caller: ProcessView): void {
    const { finding } = detection;
    const response = respond(detection, { bootNs: this.#clock.bootNs, pathOf: (id) => this.#sensor.cgroups.pathOf(id) });
    const tell = (subject: string): void => {
      const { forwarder } = this.#options;
      forwarder.found({ ...finding, subject });
      if (response === undefined) return;
      const { outcome, message } = response;
      forwarder.acted({ action: detection.action, object: finding.object, outcome, message, subject, severity: finding.severity });
    };
    if (isNamed(finding.subject)) tell(finding.subject);
    else void this.#directory.resolved(caller, NAMED_WITHIN_MS).then(({ id }) => tell(id));
  }

  #flush(): void {
    for (const finding of this.#detector.flush(BigInt(Date.now()) * 1_000_000n)) this.#options.forwarder.found(finding);
  }
}

/** The supervisor and the processes that it has started. */
const isOwn = ({ pid, parentPid }: ProcessView): boolean => pid === process.ppid || parentPid === process.ppid;

const isNamed = (id: string): boolean => !id.startsWith("unresolved:");

function withSubject(event: DescribedEvent, subject: string): DescribedEvent {
  switch (event.kind) {
    case "process":
      return { kind: event.kind, fields: { ...event.fields, subject } };
    case "file":
      return { kind: event.kind, fields: { ...event.fields, subject } };
    case "network":
      return { kind: event.kind, fields: { ...event.fields, subject } };
    default:
      return event satisfies never;
  }
}
