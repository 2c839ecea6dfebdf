/** Events of the agent in words: for the log, and for the event store. */
import type { ActionFields, DecisionFields } from "../../event/producer.ts";
import type { AgentEvent, CallerFacts } from "../../identity/agent/agent-event.ts";
import { formatDuration } from "../../lib/duration.ts";
import type { LogLevel } from "../log.ts";

export interface DescribedEvent {
  /** Absent when the log is not for it: what works is not news. */
  readonly level?: LogLevel;
  readonly message: string;
  readonly facts?: { readonly [name: string]: string | number };
  readonly decision?: DecisionFields;
  readonly action?: ActionFields;
}

type Kind<K extends AgentEvent["kind"]> = Extract<AgentEvent, { readonly kind: K }>;

export function describeEvent(event: AgentEvent): DescribedEvent {
  switch (event.kind) {
    case "issued":
      return describeIssue(event);
    case "refused":
      return describeRefusal(event);
    case "authority lost":
      return outage("warning", "authority lost", 3, `the authority is out of reach: ${event.message}; ${remainder(event.firstExpiryMs)}`);
    case "authority back":
      return outage("info", "authority back", 1, `the authority is back after ${formatDuration(event.awayMs)}`);
    case "time left":
      return outage(
        "warning",
        "authority lost",
        4,
        `the authority is out of reach; the first identity expires in ${formatDuration(event.leftMs)}`,
      );
    case "identity expired":
      return outage("error", "identity expired", 5, `${event.count} identities expired before they could be renewed`);
    case "clock jumped":
      return outage("warning", "clock jumped", 2, `the clock jumped by ${jump(event.byMs)}: identities are looked at again`);
    case "renewal failed": {
      const message = `no renewed identity for ${event.spiffeId}: ${event.message} (${event.status})`;
      return { level: "warning", message, action: action("renew identity", event.spiffeId, "failed", message, 3) };
    }
    case "unreadable":
      return outage("error", "read state", 4, `what the authority sent cannot be used: ${event.message}`);
    default:
      return event satisfies never;
  }
}

const remainder = (firstExpiryMs: number | undefined): string =>
  firstExpiryMs === undefined
    ? "no identity is held"
    : `identities are served until they expire, the first at ${new Date(firstExpiryMs).toISOString()}`;

const jump = (byMs: number): string => `${byMs < 0 ? "-" : ""}${formatDuration(Math.abs(byMs))}`;

function outage(level: LogLevel, name: string, severity: ActionFields["severity"], message: string): DescribedEvent {
  return { level, message, action: action(name, "agent", severity > 2 ? "failed" : "done", message, severity) };
}

const action = (
  name: string,
  object: string,
  outcome: ActionFields["outcome"],
  message: string,
  severity: ActionFields["severity"],
): ActionFields => ({ action: name, object, outcome, message, severity, subject: "vigil" });

const MAX_PATH = 300;

const processOf = ({ pid, uid, executablePath, broker }: CallerFacts): string =>
  `process ${pid} (user ${uid}, ${executablePath.slice(0, MAX_PATH) || "unknown program"})${broker === undefined ? "" : ` by the broker ${broker}`}`;

function describeIssue({ what, spiffeId, caller, detail, expiresAtMs }: Kind<"issued">): DescribedEvent {
  const message = `${what} for ${processOf(caller)}, ${detail}, until ${new Date(expiresAtMs).toISOString()}`;
  return { message, decision: decision("allow", spiffeId, `fetch ${what}`, spiffeId, message, "ISSUED", 1) };
}

function describeRefusal({ method, status, caller, message, selectors }: Kind<"refused">): DescribedEvent {
  const subject = `unresolved:uid:${caller.uid}`;
  const evidence = selectors.map((selector) => ({ expression: "selector", value: JSON.stringify(selector) }));
  return {
    level: "warning",
    message: `refused ${processOf(caller)}: ${message}`,
    facts: { method, status },
    decision: { ...decision("deny", subject, method, processOf(caller), message, status, 3), evidence },
  };
}

const decision = (
  verdict: DecisionFields["verdict"],
  subject: string,
  name: string,
  object: string,
  message: string,
  reasonCode: string,
  severity: DecisionFields["severity"],
): DecisionFields => ({
  point: "identity",
  verdict,
  mode: "enforce",
  policy: "registration",
  policyDigest: "",
  rule: "",
  reasonCode,
  action: name,
  object,
  message,
  latencyUs: 0,
  evidence: [],
  source: "",
  subject,
  severity,
});
