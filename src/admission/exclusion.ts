/**
 * What Vigil never judges, so that it cannot lock its owner out: its own namespace, the cluster's system namespaces, and the objects by
 * which nodes, leaders and the API server itself stay alive. The webhook configurations leave these requests out, so that they do not
 * even depend on Vigil being up; the webhook allows them should they come. Both read this file. More namespaces can be added, none removed.
 */
import type { GroupVersionResource, Review } from "../policy/review.ts";

/** Namespaces of the control plane and of node heartbeats. */
const SYSTEM_NAMESPACES: readonly string[] = ["kube-system", "kube-node-lease"];

/** An excluded resource; `subResource` "" is the resource itself, `*` everything of it. */
interface ExcludedResource {
  readonly group: string;
  readonly resource: string;
  readonly subResource: string;
  readonly why: string;
}

export const EXCLUDED_RESOURCES: readonly ExcludedResource[] = [
  { group: "coordination.k8s.io", resource: "leases", subResource: "*", why: "node heartbeats and leader election" },
  { group: "", resource: "nodes", subResource: "status", why: "kubelets report that they live" },
  { group: "", resource: "pods", subResource: "status", why: "kubelets report what runs" },
  { group: "", resource: "events", subResource: "*", why: "evidence of what went wrong" },
  { group: "events.k8s.io", resource: "events", subResource: "*", why: "evidence of what went wrong" },
  { group: "authentication.k8s.io", resource: "*", subResource: "*", why: "who a caller is" },
  { group: "authorization.k8s.io", resource: "*", subResource: "*", why: "what a caller may do" },
];

/** All excluded namespaces, each once: the system's, Vigil's own, and the owner's additions. */
export const excludedNamespaces = (ownNamespace: string, additions: readonly string[]): readonly string[] => [
  ...new Set([...SYSTEM_NAMESPACES, ownNamespace, ...additions]),
];

/** Whether the review is about something that is never judged. */
export function isExcluded({ resource, subResource, namespace }: Review, namespaces: ReadonlySet<string>): boolean {
  return namespaces.has(namespace) || EXCLUDED_RESOURCES.some((excluded) => covers(excluded, resource, subResource));
}

const covers = (excluded: ExcludedResource, { group, resource }: GroupVersionResource, subResource: string): boolean =>
  excluded.group === group &&
  (excluded.resource === "*" || excluded.resource === resource) &&
  (excluded.subResource === "*" || excluded.subResource === subResource);
