/** What the kernel and the processes decided about calls, as events of one form. */
import type { FlowFields } from "../../event/producer.ts";
import { formatTimeNs } from "../../event/timestamp.ts";
import type { Entry } from "../../identity/authority/entry.ts";
import type { NameLookup } from "../../network/dns/question-answerer.ts";
import type { FlowEnd, NetworkFlow } from "../../network/flow.ts";
import type { Ground } from "../../policy/access/decide-access.ts";
import type { ToldDecision } from "./enforcement-links.ts";

const SEVERITY = { allow: 1, audit: 2, deny: 3 } as const;

/** Connections whose beginning is remembered until they end. */
const MAX_OPEN = 16_384;

/** Who is who at the end of a connection: that was decided at its beginning, and is not asked again. */
export class KernelFlows {
  readonly #open = new Map<string, Known>();
  readonly #bootNs: bigint;

  /** The epoch's time at boot, in nanoseconds. */
  constructor(bootNs: bigint) {
    this.#bootNs = bootNs;
  }

  /** A step of a flow; undefined for steps that another record tells. */
  fieldsOf(flow: NetworkFlow): FlowFields | undefined {
    const key = `${flow.protocol} ${flow.source.address} ${flow.source.port} ${flow.destination.address} ${flow.destination.port}`;
    if (flow.step === "end") {
      const known = this.#open.get(key);
      const fields = flowOfKernel(flow, this.#bootNs);
      if (fields !== undefined) this.#open.delete(key);
      return fields && { ...fields, ...known };
    }
    const fields = flowOfKernel(flow, this.#bootNs);
    if (flow.step === "begin" && fields !== undefined) this.#remember(key, fields);
    return fields;
  }

  #remember(key: string, { subject, srcId, dstId, srcName, dstName, policy, rule, source, startTime }: FlowFields): void {
    this.#open.delete(key);
    const [oldest] = this.#open.size >= MAX_OPEN ? this.#open.keys() : [];
    if (oldest !== undefined) this.#open.delete(oldest);
    this.#open.set(key, { subject, srcId, dstId, srcName, dstName, policy, rule, source, startTime });
  }
}

type Known = Pick<FlowFields, "subject" | "srcId" | "dstId" | "srcName" | "dstName" | "policy" | "rule" | "source" | "startTime">;

/**
 * Of a flow between two workloads of this host both ends have records: its beginning is told by those whose policies decided, its end by the
 * source.
 */
function flowOfKernel(flow: NetworkFlow, bootNs: bigint): FlowFields | undefined {
  const { step, verdict, hook, direction, protocol, source, destination, ground } = flow;
  const isTwin = source.cgroupId !== 0n && destination.cgroupId !== 0n;
  if (step === "end" && direction === "ingress" && isTwin) return undefined;
  if (step === "begin" && direction === "egress" && isTwin && ground?.origin === undefined) return undefined;
  const time = formatTimeNs(bootNs + BigInt(Math.round(flow.bootTimeNs)));
  const isIcmp = protocol === "icmp" || protocol === "icmpv6";
  return {
    severity: SEVERITY[verdict],
    subject: idOf(source),
    verdict,
    layer: "kernel",
    direction,
    proto: isIcmp ? "icmp" : (protocol ?? "other"),
    srcIp: source.address,
    srcPort: source.port,
    dstIp: destination.address,
    dstPort: destination.port,
    srcId: idOf(source),
    dstId: idOf(destination),
    srcName: nameOf(source),
    dstName: nameOf(destination),
    request: "",
    policy: ground?.origin?.policy ?? "",
    rule: ground?.origin?.rule ?? "",
    source: ground?.origin?.source ?? "",
    reason: kernelReason(flow, ground),
    startTime: time,
    endTime: step === "end" ? time : "",
    bytesSent: flow.sentBytes,
    bytesReceived: flow.receivedBytes,
    packetsSent: 0,
    packetsReceived: 0,
    latencyUs: 0,
    count: 1,
    communityId: "",
    isEncrypted: false,
    execId: "",
    ...(hook === "socket" ? { request: "raw socket" } : {}),
  };
}

function kernelReason({ step, verdict, hook, pid }: NetworkFlow, ground: Ground | undefined): string {
  if (hook === "socket") return `raw sockets of workloads are refused, process ${pid}`;
  if (step === "end") return "closed";
  if (verdict === "allow") return "";
  const why = ground === undefined || ground.tier === "isolation" ? "no rule allows it" : `denied in the tier \`${ground.tier}\``;
  if (verdict === "audit") return `audited: ${why}`;
  return hook === "connect" ? `${why}, refused before a packet was sent, process ${pid}` : why;
}

function idOf({ endpoint, cgroupId }: FlowEnd): string {
  if (endpoint === undefined) return cgroupId === 0n ? "world" : `unresolved:${cgroupId}`;
  if (endpoint.kind === "external") return "world";
  return endpoint.spiffeId || endpoint.kind;
}

const nameOf = ({ endpoint }: FlowEnd): string =>
  endpoint === undefined || endpoint.name === "" ? "" : `${endpoint.namespace}/${endpoint.name}`;

/** A question for a name, and what came of it. */
export function flowOfLookup(lookup: NameLookup, nowNs: bigint): FlowFields {
  const { source, name, type, protocol, resolver, port, audited, failure, addresses, durationMs } = lookup;
  const verdict = lookup.verdict === "allow" && audited !== undefined ? "audit" : lookup.verdict;
  const origin = (audited ?? lookup.ground).origin;
  const time = formatTimeNs(nowNs);
  return {
    severity: SEVERITY[verdict],
    subject: source.spiffeId || source.kind,
    verdict,
    layer: "kernel",
    direction: "egress",
    proto: protocol,
    srcIp: "",
    srcPort: 0,
    dstIp: resolver,
    dstPort: port,
    srcId: source.spiffeId || source.kind,
    dstId: "world",
    srcName: `${source.namespace}/${source.name}`,
    dstName: "",
    request: `DNS ${RECORD_TYPES[type] ?? `TYPE${type}`} ${name}`,
    policy: origin?.policy ?? "",
    rule: origin?.rule ?? "",
    source: origin?.source ?? "",
    reason: failure || (addresses.length === 0 ? "" : `is ${addresses.slice(0, MAX_TOLD_ADDRESSES).join(", ")}`),
    startTime: time,
    endTime: time,
    bytesSent: 0,
    bytesReceived: 0,
    packetsSent: 0,
    packetsReceived: 0,
    latencyUs: Math.round(durationMs * 1_000),
    count: 1,
    communityId: "",
    isEncrypted: false,
    execId: "",
  };
}

const MAX_TOLD_ADDRESSES = 8;
const RECORD_TYPES: { readonly [type: number]: string } = {
  1: "A",
  5: "CNAME",
  12: "PTR",
  15: "MX",
  16: "TXT",
  28: "AAAA",
  33: "SRV",
  65: "HTTPS",
};

/** What the process that was called decided. `workloadOf` knows callers by their SPIFFE IDs. */
export function flowOfProcess(decision: ToldDecision, workloadOf: (spiffeId: string) => Entry | undefined, nowNs: bigint): FlowFields {
  const { workload, caller, policy, rule, source, reason, auditedBy, latencyUs } = decision;
  const verdict = decision.verdict === "audited" || (decision.verdict === "allow" && auditedBy !== "") ? "audit" : decision.verdict;
  const srcId = caller === "" ? "world" : caller;
  return {
    severity: SEVERITY[verdict],
    subject: srcId,
    verdict,
    layer: "process",
    direction: "ingress",
    proto: "tcp",
    srcIp: decision.address,
    srcPort: 0,
    dstIp: "",
    dstPort: decision.port,
    srcId,
    dstId: workload.spiffeId,
    srcName: workloadOf(caller)?.name ?? "",
    dstName: workload.name,
    request: `${decision.method} ${decision.path}`,
    policy: policy || auditedBy,
    rule,
    source,
    reason,
    startTime: formatTimeNs(nowNs),
    endTime: "",
    bytesSent: 0,
    bytesReceived: 0,
    packetsSent: 0,
    packetsReceived: 0,
    latencyUs,
    count: 1,
    communityId: "",
    isEncrypted: caller !== "",
    execId: "",
  };
}
