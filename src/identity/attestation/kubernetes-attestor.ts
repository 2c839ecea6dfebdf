/** `k8s:` selectors of a Pod, by the service-account token that it holds. The cluster is behind two interfaces. */
import type { AttestedProcess, AttestorFinding, WorkloadAttestor } from "./attestor.ts";
import { findContainer } from "./container-id.ts";

/** Who a service-account token speaks for, as the API server says (authentication.k8s.io/v1 TokenReview). */
export interface ReviewedToken {
  readonly namespace: string;
  readonly serviceAccount: string;
  readonly podName: string;
  readonly podUid: string;
}

export interface TokenReviewer {
  /** Asks the API server. Undefined when the token is not valid for the trust domain; rejects when the server cannot be asked, which is no answer. */
  review(token: string): Promise<ReviewedToken | undefined>;
}

export interface KubernetesAttestorOptions {
  readonly reviewer: TokenReviewer;
  /** The token of the Pod with this uid; undefined when it has none. */
  readonly tokenOf: (podUid: string) => Promise<string | undefined>;
  readonly isAgentInContainer: boolean;
}

/** Makes `k8s:ns`, `k8s:sa` and `k8s:pod-name`. The control group says which Pod it is; the token must be that Pod's. */
export function kubernetesAttestor({ reviewer, tokenOf, isAgentInContainer }: KubernetesAttestorOptions): WorkloadAttestor {
  return {
    name: "k8s",
    async attest({ process }: AttestedProcess): Promise<AttestorFinding> {
      const finding = findContainer({ cgroup: process.read("cgroup"), mountinfo: () => process.read("mountinfo"), isAgentInContainer });
      if (finding.kind !== "container") return finding;
      const { podUid, rootlessUid } = finding.facts;
      if (podUid === undefined || rootlessUid !== undefined) return { kind: "none" };
      const token = await tokenOf(podUid);
      const pod = token === undefined ? undefined : await reviewer.review(token);
      if (pod === undefined) return { kind: "selectors", selectors: [], remarks: [`the Pod ${podUid} has no valid service-account token`] };
      if (pod.podUid !== podUid) {
        return { kind: "contradiction", message: `the process is in the Pod ${podUid}, its token is that of ${pod.podUid}` };
      }
      return { kind: "selectors", selectors: [`k8s:ns:${pod.namespace}`, `k8s:sa:${pod.serviceAccount}`, `k8s:pod-name:${pod.podName}`] };
    },
  };
}
