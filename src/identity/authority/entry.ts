/** A registration entry: a workload that may get SVIDs. What `Workload` resources become, and what agents are told. */

import type { ComponentClass } from "../../resource/workload.ts";
import type { SpiffeId, TrustDomain } from "../../spiffe/spiffe-id.ts";
import { fitsIdPattern } from "../id-pattern.ts";

export interface Entry {
  /** Stable while namespace and name of the workload are: safe as a key over changes of everything else. */
  readonly id: string;
  /** `namespace/name` of the resource. */
  readonly name: string;
  readonly spiffeId: SpiffeId;
  /** Sorted, distinct, not empty. A workload must have all of them. */
  readonly selectors: readonly string[];
  readonly class: ComponentClass;
  readonly x509TtlMs: number;
  readonly jwtTtlMs: number;
  /** Age at which X.509-SVIDs are renewed. */
  readonly rotateAfterMs: number;
  readonly dnsNames: readonly string[];
  readonly ipAddresses: readonly string[];
  readonly federatesWith: readonly TrustDomain[];
  readonly hint: string;
  readonly admin: boolean;
  readonly downstream: boolean;
  readonly labels: { readonly [key: string]: string };
  /** As in `Workload.brokerFor`. */
  readonly brokerFor: readonly string[];
  /** As in `Workload.agents`. */
  readonly agents: readonly string[];
  /** SVIDs that were issued before are renewed at once; 0: none. */
  readonly renewIssuedBeforeMs: number;
  /** `file:line` of the resource, or what else registered it. */
  readonly origin: string;
}

/** Whether an agent may serve the workload. */
export const isServedBy = ({ agents }: Entry, agentId: string): boolean =>
  agents.length === 0 || agents.some((pattern) => fitsIdPattern(pattern, agentId));
