/**
 * Versions of built-in resources that hold the same object (`matchPolicy: Equivalent`): a policy about one of them is also
 * about a request for another. Only versions with the same fields are here, so that converting an object means giving it
 * another `apiVersion`; between others the API server converts before it calls.
 */
import type { GroupVersionResource } from "./review.ts";

const GROUP_VERSIONS: readonly { readonly versions: readonly string[]; readonly resources: readonly string[] }[] = [
  { versions: ["apps/v1", "apps/v1beta2", "apps/v1beta1", "extensions/v1beta1"], resources: ["deployments"] },
  { versions: ["apps/v1", "apps/v1beta2", "extensions/v1beta1"], resources: ["daemonsets", "replicasets"] },
  { versions: ["apps/v1", "apps/v1beta2", "apps/v1beta1"], resources: ["statefulsets"] },
  { versions: ["apps/v1", "apps/v1beta2", "apps/v1beta1"], resources: ["controllerrevisions"] },
  { versions: ["batch/v1", "batch/v1beta1"], resources: ["cronjobs"] },
  { versions: ["networking.k8s.io/v1", "extensions/v1beta1"], resources: ["networkpolicies"] },
  { versions: ["networking.k8s.io/v1", "networking.k8s.io/v1beta1"], resources: ["ipaddresses", "servicecidrs"] },
  { versions: ["networking.k8s.io/v1beta1", "extensions/v1beta1"], resources: ["ingresses"] },
  { versions: ["policy/v1", "policy/v1beta1"], resources: ["poddisruptionbudgets"] },
  { versions: ["autoscaling/v2", "autoscaling/v2beta2"], resources: ["horizontalpodautoscalers"] },
  {
    versions: ["rbac.authorization.k8s.io/v1", "rbac.authorization.k8s.io/v1beta1", "rbac.authorization.k8s.io/v1alpha1"],
    resources: ["roles", "rolebindings", "clusterroles", "clusterrolebindings"],
  },
  {
    versions: ["admissionregistration.k8s.io/v1", "admissionregistration.k8s.io/v1beta1", "admissionregistration.k8s.io/v1alpha1"],
    resources: [
      "validatingadmissionpolicies",
      "validatingadmissionpolicybindings",
      "mutatingadmissionpolicies",
      "mutatingadmissionpolicybindings",
    ],
  },
  { versions: ["coordination.k8s.io/v1", "coordination.k8s.io/v1beta1"], resources: ["leases"] },
  { versions: ["scheduling.k8s.io/v1", "scheduling.k8s.io/v1beta1", "scheduling.k8s.io/v1alpha1"], resources: ["priorityclasses"] },
  {
    versions: ["storage.k8s.io/v1", "storage.k8s.io/v1beta1"],
    resources: ["storageclasses", "csidrivers", "csinodes", "csistoragecapacities"],
  },
  { versions: ["node.k8s.io/v1", "node.k8s.io/v1beta1"], resources: ["runtimeclasses"] },
  {
    versions: ["flowcontrol.apiserver.k8s.io/v1", "flowcontrol.apiserver.k8s.io/v1beta3"],
    resources: ["flowschemas", "prioritylevelconfigurations"],
  },
  {
    versions: ["policies.kyverno.io/v1", "policies.kyverno.io/v1beta1", "policies.kyverno.io/v1alpha1"],
    resources: ["validatingpolicies", "mutatingpolicies", "policyexceptions"],
  },
];

const NONE: readonly GroupVersionResource[] = [];

const EQUIVALENTS: ReadonlyMap<string, readonly GroupVersionResource[]> = new Map(
  GROUP_VERSIONS.flatMap(({ versions, resources }) =>
    resources.flatMap((resource) => {
      const all = versions.map((version): GroupVersionResource => ({ ...splitApiVersion(version), resource }));
      return all.map((one) => [keyOf(one), all.filter((other) => other !== one)] as const);
    }),
  ),
);

/** `apps/v1` → group and version; the core group is empty. */
export function splitApiVersion(apiVersion: string): { readonly group: string; readonly version: string } {
  const slash = apiVersion.indexOf("/");
  return slash === -1 ? { group: "", version: apiVersion } : { group: apiVersion.slice(0, slash), version: apiVersion.slice(slash + 1) };
}

export const joinApiVersion = (group: string, version: string): string => (group === "" ? version : `${group}/${version}`);

function keyOf({ group, version, resource }: GroupVersionResource): string {
  return `${group}/${version}/${resource}`;
}

/** The other versions of a resource that hold the same object, the preferred one first. */
export const equivalentsOf = (resource: GroupVersionResource): readonly GroupVersionResource[] => EQUIVALENTS.get(keyOf(resource)) ?? NONE;
