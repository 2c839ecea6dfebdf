/** Events of the other processes, on their way into the store. */
import { VigilError } from "../../lib/error.ts";
import { isJsonArray, isJsonObject, type JsonObject, type JsonValue } from "../../lib/json.ts";
import type { ForwardedEvents, ForwardedGap } from "../event-forwarder.ts";
import type { ManagementErrorCode } from "../management-server.ts";
import type { Evidence } from "./evidence.ts";

const DECISION_TEXTS = [
  "point",
  "verdict",
  "mode",
  "policy",
  "policyDigest",
  "rule",
  "reasonCode",
  "action",
  "object",
  "message",
  "source",
  "subject",
];
const FINDING_TEXTS = [
  "policy",
  "rule",
  "action",
  "object",
  "message",
  "subject",
  "execId",
  "parentExecId",
  "binary",
  "cgroupId",
  "containerId",
  "findingId",
  "firstSeen",
  "lastSeen",
  "status",
];
const FLOW_TEXTS = [
  "verdict",
  "layer",
  "direction",
  "proto",
  "srcIp",
  "dstIp",
  "srcId",
  "dstId",
  "srcName",
  "dstName",
  "request",
  "policy",
  "rule",
  "source",
  "reason",
  "startTime",
  "endTime",
  "communityId",
  "execId",
  "subject",
];
const FLOW_NUMBERS = ["srcPort", "dstPort", "bytesSent", "bytesReceived", "packetsSent", "packetsReceived", "latencyUs", "count"];
const ACTION_TEXTS = ["action", "object", "outcome", "message", "subject"];

/** Stores what a process of the same Vigil sends. Who can open the management socket is its owner; the form is checked all the same. */
export function storeForwarded(body: JsonValue, evidence: Omit<Evidence, "store" | "directory">): { readonly stored: number } {
  const { decisions, actions, findings, flows, observed, gaps, producer, lost } = readForwarded(body);
  for (const decision of decisions) evidence.decided(decision);
  for (const action of actions) evidence.acted(action);
  for (const finding of findings) evidence.found(finding);
  for (const flow of flows) evidence.flowed(flow);
  for (const event of observed) evidence.observed(event);
  for (const gap of gaps) evidence.missed(gap.count, gap.reason, producer);
  if (lost > 0) {
    const message = `${lost} events of ${producer} were lost: too many waited`;
    evidence.acted({ action: "store events", object: producer, outcome: "failed", message, subject: "vigil", severity: 4 });
  }
  return { stored: decisions.length + actions.length + findings.length + flows.length + observed.length };
}

function readForwarded(body: JsonValue): ForwardedEvents {
  if (!isJsonObject(body)) throw refused();
  const { producer, decisions, actions, findings, flows, observed, gaps, lost } = body;
  if (!isJsonArray(findings) || !isJsonArray(flows) || !isJsonArray(observed) || !isJsonArray(gaps)) throw refused();
  if (typeof producer !== "string" || typeof lost !== "number" || !isJsonArray(decisions) || !isJsonArray(actions)) throw refused();
  const isDecision = (value: JsonValue): boolean =>
    hasFields(value, DECISION_TEXTS) && typeof value["latencyUs"] === "number" && isEvidence(value["evidence"]);
  if (!decisions.every(isDecision) || !actions.every((value) => hasFields(value, ACTION_TEXTS))) throw refused();
  if (!findings.every(isFinding) || !flows.every(isFlow) || !observed.every(isObserved) || !gaps.every(isGap)) throw refused();
  // Every field was looked at above; the values of unions are Vigil's own.
  return { producer, decisions, actions, findings, flows, observed, gaps, lost } as unknown as ForwardedEvents;
}

function hasFields(value: JsonValue, texts: readonly string[]): value is JsonObject {
  return isJsonObject(value) && typeof value["severity"] === "number" && texts.every((name) => typeof value[name] === "string");
}

const isTexts = (value: JsonValue | undefined): boolean => isJsonArray(value) && value.every((item) => typeof item === "string");

const isAncestor = (value: JsonValue): boolean =>
  isJsonObject(value) &&
  typeof value["execId"] === "string" &&
  typeof value["pid"] === "number" &&
  typeof value["binary"] === "string" &&
  isTexts(value["args"]);

function isFinding(value: JsonValue): boolean {
  if (!hasFields(value, FINDING_TEXTS)) return false;
  const { pid, count, confidence, techniques, tags, evidence, ancestry, fields } = value;
  const areNumbers = [pid, count, confidence].every((number) => typeof number === "number");
  const areTexts = isTexts(techniques) && isTexts(tags) && isTexts(evidence);
  if (!areNumbers || !areTexts || !isJsonArray(ancestry) || !ancestry.every(isAncestor)) return false;
  return isJsonObject(fields) && Object.values(fields).every((text) => typeof text === "string");
}

const isFlow = (value: JsonValue): boolean =>
  hasFields(value, FLOW_TEXTS) &&
  FLOW_NUMBERS.every((name) => typeof value[name] === "number") &&
  typeof value["isEncrypted"] === "boolean";

const GAP_REASONS: readonly ForwardedGap["reason"][] = ["ring_full", "queue_full", "rate_limited", "repeated"];

const isGap = (value: JsonValue): boolean =>
  isJsonObject(value) && typeof value["count"] === "number" && GAP_REASONS.some((reason) => reason === value["reason"]);

const ACTING_TEXTS = ["action", "object", "subject", "execId", "parentExecId", "binary", "cgroupId", "containerId"];
/** By kind, what each event of a process has beside who acted. */
const OBSERVED: Readonly<Record<string, { readonly texts: readonly string[]; readonly numbers: readonly string[] }>> = {
  process: { texts: ["startTime", "cwd", "capsEffective", "imageDigest"], numbers: ["pid", "uid", "euid", "result"] },
  file: { texts: ["from"], numbers: ["pid", "flags", "result"] },
  network: { texts: ["proto", "srcIp", "dstIp", "communityId"], numbers: ["pid", "srcPort", "dstPort", "result"] },
};

function isObserved(value: JsonValue): boolean {
  if (!isJsonObject(value) || typeof value["kind"] !== "string" || !Object.hasOwn(OBSERVED, value["kind"])) return false;
  const { texts = [], numbers = [] } = OBSERVED[value["kind"]] ?? {};
  const { fields } = value;
  if (fields === undefined || !hasFields(fields, [...ACTING_TEXTS, ...texts])) return false;
  return numbers.every((name) => typeof fields[name] === "number") && (value["kind"] !== "process" || isTexts(fields["args"]));
}

const isEvidence = (value: JsonValue | undefined): boolean =>
  isJsonArray(value) &&
  value.every((item) => isJsonObject(item) && typeof item["expression"] === "string" && typeof item["value"] === "string");

const refused = (): VigilError<ManagementErrorCode> =>
  new VigilError("MANAGEMENT_BODY", "expected decisions, actions, findings and flows of a process of Vigil");
