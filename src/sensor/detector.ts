/**
 * Detection: events in, findings out. Rules of Falco and RuntimePolicies judge each event; what is the same again is counted, not
 * repeated; a rule that finds too much is told once, with the number. No clock, no input, no output: the time is that of the events.
 */
import { createHash } from "node:crypto";
import type { Severity } from "../event/event-stamp.ts";
import type { FindingFields } from "../event/producer.ts";
import type { FindingEvent } from "../event/runtime-event.ts";
import { formatTimeNs } from "../event/timestamp.ts";
import type { CompiledRules, FalcoRule } from "../falco/compile.ts";
import { formatOutput, outputFields } from "../falco/output-format.ts";
import type { Priority } from "../falco/rule-file.ts";
import type { ProcessView, SyscallEvent } from "../falco/syscall-event.ts";
import type { RuntimeMatchResult, RuntimeRules } from "../policy/compile-runtime-policy.ts";
import { pathOf, type RunningWorkload } from "../policy/runtime-view.ts";
import type { RuntimeSeverity } from "../resource/runtime-policy.ts";
import { ThresholdCounter } from "./threshold-counter.ts";

/** What events are judged by. */
export interface DetectionRules {
  readonly falco?: CompiledRules;
  readonly policies?: RuntimeRules;
}

export interface DetectorOptions extends DetectionRules {
  /** Who is who; by default the cgroup and the container's labels. */
  readonly workloadOf?: (process: ProcessView) => RunningWorkload;
  /** Falco reports the first rule that matches only; `all` reports each. Default `all`. */
  readonly falcoMatching?: "first" | "all";
  /** For rules of Falco, as policies say it themselves. Default 60,000. */
  readonly falcoDeduplicateMs?: number;
  /** Findings of one rule per minute; more are counted. Default 120. */
  readonly findingsPerMinute?: number;
  /** Different findings that are remembered. Default 16,384. */
  readonly limit?: number;
}

export type DetectionAction = FindingEvent["action"];

/** A finding to report, and to act upon: what is to be done to the process. */
export interface Detection {
  readonly finding: FindingFields;
  readonly action: DetectionAction;
  readonly pid: number;
  readonly startNs: bigint;
  readonly cgroupId: string;
  /** The kernel has refused the program: it has not begun. */
  readonly isPrevented?: boolean;
}

export interface DetectorCounts {
  /** Events judged. */
  readonly judged: number;
  /** Matches of rules, those that were not reported included. */
  readonly matched: number;
  readonly reported: number;
  /** Counted into a finding that was reported before. */
  readonly repeated: number;
  /** Not reported, because their rule had found too much in that minute. */
  readonly limited: number;
  /** Left alone by an exception. */
  readonly excepted: number;
  /** Expressions that could not be evaluated. */
  readonly failed: number;
}

/** What a rule found in one event, of either kind. */
interface Match {
  readonly policy: string;
  readonly rule: string;
  readonly key: string;
  readonly withinMs: number;
  readonly describe: () => Omit<FindingFields, "firstSeen" | "lastSeen" | "count" | "findingId">;
  readonly action: DetectionAction;
}

interface Open {
  readonly fields: FindingFields;
  readonly firstNs: bigint;
  readonly untilNs: bigint;
  lastNs: bigint;
  count: number;
}

const MINUTE_NS = 60_000_000_000n;
const DEFAULT_WITHIN_MS = 60_000;
const MAX_ANCESTRY = 32;
const NO_DETECTIONS: readonly Detection[] = [];

export class Detector {
  readonly #options: Omit<DetectorOptions, "falco" | "policies">;
  #rules: DetectionRules;
  readonly #workloadOf: (event: SyscallEvent) => RunningWorkload;
  /** By what they are the same in; oldest first. */
  readonly #open = new Map<string, Open>();
  /** Open findings that have happened again and whose time is over. */
  #closed: FindingFields[] = [];
  readonly #thresholds: ThresholdCounter;
  readonly #reports = new Map<string, { minute: bigint; count: number }>();
  #counts = { judged: 0, matched: 0, reported: 0, repeated: 0, limited: 0, excepted: 0, failed: 0 };

  constructor(options: DetectorOptions) {
    this.#options = options;
    this.#rules = options;
    const { workloadOf = unresolvedWorkload } = options;
    this.#workloadOf = (event) => workloadOf(event.caller);
    this.#thresholds = new ThresholdCounter(options.limit ?? DEFAULT_LIMIT);
  }

  get counts(): DetectorCounts {
    return { ...this.#counts };
  }

  /** Judges by these from the next event on; what is open stays so. */
  use(rules: DetectionRules): void {
    this.#rules = rules;
  }

  /** Judges one event. Empty for almost all; it is the caller who stores and acts. */
  judge(event: SyscallEvent): readonly Detection[] {
    this.#counts.judged += 1;
    const { falco, policies } = this.#rules;
    const byFalco = falco?.judge(event) ?? [];
    const byPolicies = policies?.judge(event, this.#workloadOf) ?? [];
    if (byFalco.length === 0 && byPolicies.length === 0) return NO_DETECTIONS;
    const detections: Detection[] = [];
    const rules = this.#options.falcoMatching === "first" ? byFalco.slice(0, 1) : byFalco;
    for (const rule of rules) this.#add(this.#falcoMatch(rule, event), event, detections);
    for (const result of byPolicies) this.#addPolicyMatch(result, event, detections);
    return detections;
  }

  /** Findings that happened more than once and whose time is over at `nowNs`, with how often and when: to be stored again. */
  flush(nowNs: bigint): readonly FindingFields[] {
    for (const [same, open] of this.#open) {
      if (open.untilNs > nowNs) continue;
      this.#open.delete(same);
      this.#close(open);
    }
    const closed = this.#closed;
    this.#closed = [];
    return closed;
  }

  #close({ fields, firstNs, lastNs, count }: Open): void {
    if (count > 1) this.#closed.push({ ...fields, firstSeen: formatTimeNs(firstNs), lastSeen: formatTimeNs(lastNs), count });
  }

  #addPolicyMatch(result: RuntimeMatchResult, event: SyscallEvent, detections: Detection[]): void {
    if (result.error !== undefined) this.#counts.failed += 1;
    if (result.exception !== undefined) {
      this.#counts.excepted += 1;
      return;
    }
    const { threshold, metadata } = result.policy;
    if (threshold !== undefined) {
      const key = `${metadata.name}\0${result.thresholdKey}`;
      const isReached = this.#thresholds.add(key, event.timeNs, threshold.count, BigInt(threshold.withinMs) * 1_000_000n);
      if (!isReached) return;
    }
    this.#add(this.#policyMatch(result, event), event, detections);
  }

  #add(match: Match, event: SyscallEvent, detections: Detection[]): void {
    this.#counts.matched += 1;
    const same = `${match.policy}\0${match.rule}\0${match.key}`;
    const open = this.#open.get(same);
    if (open !== undefined && event.timeNs < open.untilNs) {
      open.count += 1;
      open.lastNs = event.timeNs;
      this.#counts.repeated += 1;
      // Each time it happens it is stopped, though it is told once.
      if (isStopping(match.action)) detections.push(detectionOf(match.action, open.fields, event));
      return;
    }
    if (open !== undefined) {
      this.#open.delete(same);
      this.#close(open);
    }
    const isLimited = this.#isLimited(match, event);
    if (isLimited && !isStopping(match.action)) return;
    const time = formatTimeNs(event.timeNs);
    const fields: FindingFields = { ...match.describe(), findingId: idOf(same), firstSeen: time, lastSeen: time, count: 1 };
    this.#remember(same, fields, match, event);
    this.#counts.reported += 1;
    detections.push(detectionOf(match.action, fields, event));
  }

  #remember(same: string, fields: FindingFields, { withinMs }: Match, { timeNs }: SyscallEvent): void {
    const [oldest] = this.#open;
    if (this.#open.size >= (this.#options.limit ?? DEFAULT_LIMIT) && oldest !== undefined) {
      this.#open.delete(oldest[0]);
      this.#close(oldest[1]);
    }
    const untilNs = timeNs + BigInt(withinMs) * 1_000_000n;
    this.#open.set(same, { fields, firstNs: timeNs, lastNs: timeNs, untilNs, count: 1 });
  }

  #isLimited({ policy, rule }: Match, { timeNs }: SyscallEvent): boolean {
    const key = `${policy}\0${rule}`;
    const minute = timeNs / MINUTE_NS;
    let reports = this.#reports.get(key);
    if (reports === undefined || reports.minute !== minute) {
      reports = { minute, count: 0 };
      this.#reports.set(key, reports);
    }
    reports.count += 1;
    if (reports.count <= (this.#options.findingsPerMinute ?? DEFAULT_PER_MINUTE)) return false;
    this.#counts.limited += 1;
    return true;
  }

  #falcoMatch(rule: FalcoRule, event: SyscallEvent): Match {
    const workload = this.#workloadOf(event);
    const object = objectOf(event);
    const action: DetectionAction = ALERTING.has(rule.priority) ? "alert" : "event";
    return {
      policy: "falco",
      rule: rule.name,
      action,
      key: `${workload.id}\0${event.caller.exePath}\0${object}`,
      withinMs: this.#options.falcoDeduplicateMs ?? DEFAULT_WITHIN_MS,
      describe: () => ({
        ...acting(event, workload),
        severity: FALCO_SEVERITIES[rule.priority],
        policy: "falco",
        rule: rule.name,
        action,
        object,
        message: formatOutput(rule.output, event),
        techniques: rule.tags.filter((tag) => /^T\d{4}(?:\.\d{3})?$/.test(tag)),
        tags: rule.tags,
        confidence: rule.tags.includes("maturity_stable") ? 80 : rule.tags.includes("maturity_incubating") ? 60 : 40,
        evidence: [],
        status: "open",
        ancestry: ancestryOf(event.caller),
        fields: outputFields(rule.output, event),
      }),
    };
  }

  #policyMatch({ policy, message, key, event: name, error }: RuntimeMatchResult, event: SyscallEvent): Match {
    const { metadata, severity, techniques, tags, confidence, deduplicate } = policy;
    const action = ACTIONS[policy.action];
    return {
      policy: metadata.name,
      rule: metadata.name,
      action,
      key,
      withinMs: deduplicate.withinMs,
      describe: () => ({
        ...acting(event, this.#workloadOf(event)),
        severity: POLICY_SEVERITIES[severity],
        policy: metadata.name,
        rule: metadata.name,
        action,
        object: objectOf(event),
        message,
        techniques,
        tags,
        confidence,
        evidence: [],
        status: "open",
        ancestry: ancestryOf(event.caller),
        fields: { event: name, call: event.type, ...(error === undefined ? {} : { error }) },
      }),
    };
  }
}

const DEFAULT_LIMIT = 16_384;
const DEFAULT_PER_MINUTE = 120;

const ACTIONS = { Event: "event", Alert: "alert", Kill: "kill", Freeze: "freeze", Refuse: "refuse" } as const;

/** An alert may be told less often; what stops a process may not be left out. */
const isStopping = (action: DetectionAction): boolean => action === "kill" || action === "freeze" || action === "refuse";

const POLICY_SEVERITIES: Readonly<Record<RuntimeSeverity, Severity>> = { Informational: 1, Low: 2, Medium: 3, High: 4, Critical: 5 };
const FALCO_SEVERITIES: Readonly<Record<Priority, Severity>> = {
  EMERGENCY: 6,
  ALERT: 5,
  CRITICAL: 5,
  ERROR: 4,
  WARNING: 3,
  NOTICE: 2,
  INFORMATIONAL: 1,
  DEBUG: 1,
};
const ALERTING: ReadonlySet<Priority> = new Set(["EMERGENCY", "ALERT", "CRITICAL", "ERROR", "WARNING"]);

const detectionOf = (action: DetectionAction, finding: FindingFields, { caller, args }: SyscallEvent): Detection => ({
  finding,
  action,
  isPrevented: args["refused"] === 1,
  pid: caller.pid,
  startNs: caller.startNs,
  cgroupId: caller.cgroupId,
});

const idOf = (same: string): string => createHash("sha256").update(same).digest("hex").slice(0, 32);

/** A process whose workload nobody told: its cgroup, and what labels its container has. */
function unresolvedWorkload({ cgroupId, container }: ProcessView): RunningWorkload {
  return { id: `unresolved:${cgroupId}`, labels: container.labels };
}

/** What the process did it to. */
const objectOf = (event: SyscallEvent): string => pathOf(event) || (event.fd?.name ?? event.type);

function acting({ caller }: SyscallEvent, { id }: RunningWorkload): Pick<FindingFields, "subject" | keyof ActingFields> {
  return {
    subject: id,
    execId: caller.execId,
    parentExecId: caller.parent?.execId ?? "",
    pid: caller.pid,
    binary: caller.exePath,
    cgroupId: caller.cgroupId,
    containerId: caller.container.id === "host" ? "" : caller.container.id,
  };
}

type ActingFields = Pick<FindingFields, "execId" | "parentExecId" | "pid" | "binary" | "cgroupId" | "containerId">;

function ancestryOf(process: ProcessView): FindingFields["ancestry"] {
  const ancestry: FindingFields["ancestry"][number][] = [];
  for (let at = process.parent; at !== null && ancestry.length < MAX_ANCESTRY; at = at.parent)
    ancestry.push({ execId: at.execId, pid: at.pid, binary: at.exePath, args: at.args });
  return ancestry;
}
