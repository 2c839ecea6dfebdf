/** `container:` selectors, and `k8s:pod-uid`: which container the process is in. */
import type { AttestedProcess, AttestorFinding, WorkloadAttestor } from "./attestor.ts";
import { type ContainerFacts, findContainer } from "./container-id.ts";

/**
 * Makes `container:id` and, of a Pod, `k8s:pod-uid`; of a container that a user runs without root, `container:rootless-id` and
 * `container:rootless-uid` instead, since that user could name it anything.
 */
export function containerAttestor(options: { readonly isAgentInContainer: boolean }): WorkloadAttestor {
  return {
    name: "container",
    attest({ process }: AttestedProcess): AttestorFinding {
      const finding = findContainer({ cgroup: process.read("cgroup"), mountinfo: () => process.read("mountinfo"), ...options });
      return finding.kind === "container" ? { kind: "selectors", selectors: selectorsOf(finding.facts) } : finding;
    },
  };
}

function selectorsOf({ containerId, podUid, rootlessUid }: ContainerFacts): readonly string[] {
  if (rootlessUid !== undefined) return [`container:rootless-id:${containerId}`, `container:rootless-uid:${rootlessUid}`];
  return [`container:id:${containerId}`, ...(podUid === undefined ? [] : [`k8s:pod-uid:${podUid}`])];
}
