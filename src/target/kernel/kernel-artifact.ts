/**
 * What the kernel enforces, as plain data. Three look-ups decide a packet in one direction: the class of the peer by its identity, the
 * class of its address by the longest prefix, and the verdict of both by protocol and port. `decideInKernel` does exactly these.
 */
import type { Direction } from "../../policy/access/access-rule.ts";
import type { Ground } from "../../policy/access/decide-access.ts";
import type { Endpoint } from "../../policy/access/endpoint.ts";
import type { Protocol } from "../../resource/port-spec.ts";
import { type NetworkNodes, nodeOf } from "./network-node.ts";

/** The identity of whatever is not known. */
export const EXTERNAL_IDENTITY = 0;

export interface KernelArtifact extends NetworkNodes {
  /** By identity; index 0 is whatever is not known. */
  readonly identities: readonly Endpoint[];
  /** By identity: only workloads are governed. */
  readonly egress: ReadonlyMap<number, KernelPolicy>;
  readonly ingress: ReadonlyMap<number, KernelPolicy>;
}

/** What decides in one direction for one identity. */
export interface KernelPolicy {
  readonly direction: Direction;
  /** By identity. Identities that are not here have class `otherPeers`. */
  readonly peerClasses: ReadonlyMap<number, number>;
  readonly otherPeers: number;
  /** By node. Nodes that are not here have class 0. */
  readonly networkClasses: ReadonlyMap<number, number>;
  /** By peer class and network class, `verdicts[peer * networkClassCount + network]`; ranges of a protocol do not overlap. */
  readonly verdicts: readonly (readonly PortVerdict[])[];
  readonly networkClassCount: number;
}

export interface PortVerdict {
  readonly protocol: Protocol;
  /** Destination ports, or types of ICMP; both ends belong to the range. */
  readonly first: number;
  readonly last: number;
  readonly verdict: "allow" | "deny";
  readonly ground: Ground;
  /** What a policy that is not in force would have denied. */
  readonly audited: Ground | undefined;
  /** Whether a layer above has the last word: the allow rests on what the kernel cannot see. */
  readonly isProvisional: boolean;
}

export interface KernelQuestion {
  readonly source: number;
  readonly destination: number;
  readonly sourceAddress: Uint8Array;
  readonly destinationAddress: Uint8Array;
  readonly protocol: Protocol;
  readonly port: number;
}

/** The verdict of the kernel's maps: denied when either direction denies. Undefined in a direction that nothing governs. */
export function decideInKernel(
  artifact: KernelArtifact,
  question: KernelQuestion,
): { readonly verdict: "allow" | "deny"; readonly by: PortVerdict | undefined } {
  const { source, destination, sourceAddress, destinationAddress } = question;
  const egress = lookup(artifact.egress.get(source), destination, nodeOf(artifact, destinationAddress), question);
  if (egress?.verdict === "deny") return { verdict: "deny", by: egress };
  const ingress = lookup(artifact.ingress.get(destination), source, nodeOf(artifact, sourceAddress), question);
  return { verdict: ingress?.verdict ?? "allow", by: ingress ?? egress };
}

function lookup(policy: KernelPolicy | undefined, peer: number, node: number, { protocol, port }: KernelQuestion): PortVerdict | undefined {
  if (policy === undefined) return undefined;
  const peerClass = policy.peerClasses.get(peer) ?? policy.otherPeers;
  const networkClass = policy.networkClasses.get(node) ?? 0;
  const ranges = policy.verdicts[peerClass * policy.networkClassCount + networkClass] ?? [];
  const found = ranges.find((range) => range.protocol === protocol && range.first <= port && port <= range.last);
  // INVARIANT: every port of every protocol has a verdict.
  if (found === undefined) throw new RangeError(`no verdict for ${protocol} ${port}`);
  return found;
}
