/** All that is known of a workload, as one set of labels: the model of Cilium's selectors. */
import { NAMESPACE_LABEL } from "../../resource/cilium-selector.ts";
import type { Endpoint } from "./endpoint.ts";

const NAMESPACE_LABEL_PREFIX = "io.cilium.k8s.namespace.labels.";
const SERVICE_ACCOUNT_KEY = "io.cilium.k8s.policy.serviceaccount";

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
