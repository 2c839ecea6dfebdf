/** All that is known of a workload, as one set of labels: the model of Cilium's selectors. */
import { NAMESPACE_LABEL } from "../../resource/cilium-selector.ts";
import type { LabelSelector } from "../../resource/label-selector.ts";
import type { Endpoint } from "./endpoint.ts";

export const NAMESPACE_LABEL_PREFIX = "io.cilium.k8s.namespace.labels.";
export const SERVICE_ACCOUNT_KEY = "io.cilium.k8s.policy.serviceaccount";

const KNOWN = new WeakMap<Endpoint, { readonly [key: string]: string }>();

/**
 * The workload's labels, those of its namespace under `io.cilium.k8s.namespace.labels.`, its namespace and its service account. What a
 * workload says of itself never hides what is known of its namespace and account.
 */
export function securityLabels(endpoint: Endpoint): { readonly [key: string]: string } {
  const known = KNOWN.get(endpoint);
  if (known !== undefined) return known;
  const { labels, namespaceLabels, namespace, serviceAccount } = endpoint;
  const all: { [key: string]: string } = {};
  for (const [key, value] of Object.entries(labels)) if (!isDerived(key)) all[key] = value;
  for (const [key, value] of Object.entries(namespaceLabels)) all[`${NAMESPACE_LABEL_PREFIX}${key}`] = value;
  if (namespace !== "") all[NAMESPACE_LABEL] = namespace;
  if (serviceAccount !== "") all[SERVICE_ACCOUNT_KEY] = serviceAccount;
  KNOWN.set(endpoint, all);
  return all;
}

/** Whether a key is not one of the workload's own labels. */
export const isDerived = (key: string): boolean =>
  key === NAMESPACE_LABEL || key === SERVICE_ACCOUNT_KEY || key.startsWith(NAMESPACE_LABEL_PREFIX);

/** Whether a selector says itself which namespaces it means, so that it is not held to the policy's own. */
export const namesNamespace = (keys: readonly string[]): boolean =>
  keys.some((key) => key === NAMESPACE_LABEL || key.startsWith(NAMESPACE_LABEL_PREFIX));

/** A selector over all of that, taken apart into what it asks of each source; all of them must hold. */
export interface SelectorParts {
  readonly own: LabelSelector;
  readonly ofNamespace: LabelSelector;
  /** About the key `io.kubernetes.pod.namespace` alone. */
  readonly namespace: LabelSelector;
  /** About the key of the service account alone. */
  readonly serviceAccount: LabelSelector;
}

export function selectorParts({ matchLabels, matchExpressions }: LabelSelector): SelectorParts {
  const part = (isMeant: (key: string) => boolean, prefix: string = ""): LabelSelector => ({
    matchLabels: Object.fromEntries(
      Object.entries(matchLabels).flatMap(([key, value]) => (isMeant(key) ? [[key.slice(prefix.length), value]] : [])),
    ),
    matchExpressions: matchExpressions.flatMap((each) => (isMeant(each.key) ? [{ ...each, key: each.key.slice(prefix.length) }] : [])),
  });
  return {
    own: part((key) => !isDerived(key)),
    ofNamespace: part((key) => key.startsWith(NAMESPACE_LABEL_PREFIX), NAMESPACE_LABEL_PREFIX),
    namespace: part((key) => key === NAMESPACE_LABEL),
    serviceAccount: part((key) => key === SERVICE_ACCOUNT_KEY),
  };
}

/** The selector that means a namespace by its name; workloads without a namespace have the empty one. */
export const namespaceNamed = (name: string): LabelSelector =>
  name === ""
    ? { matchLabels: {}, matchExpressions: [{ key: NAMESPACE_LABEL, operator: "DoesNotExist", values: [] }] }
    : { matchLabels: { [NAMESPACE_LABEL]: name }, matchExpressions: [] };
