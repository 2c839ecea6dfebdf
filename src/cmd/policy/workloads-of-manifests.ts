/** The workloads that manifests describe, as far as access policies see them. */
import { isJsonObject, type JsonObject } from "../../lib/json.ts";
import { type Endpoint, endpoint } from "../../policy/access/endpoint.ts";
import type { Document } from "../../resource/document.ts";
import { parseSpiffeId, trustDomainOf } from "../../spiffe/spiffe-id.ts";

type Labels = { readonly [key: string]: string };

/**
 * Pods, and for whatever has a template of Pods one that was made from it, whose SPIFFE IDs are not known from manifests; and Workloads of
 * Vigil, whose IDs are known where they are written out.
 */
export function workloadsOf(documents: readonly Document[]): readonly Endpoint[] {
  const namespaces = new Map<string, Labels>();
  for (const { value } of documents) if (value["kind"] === "Namespace") namespaces.set(nameOf(value), labelsOf(value));
  return documents.flatMap(({ value }) => {
    if (value["kind"] === "Workload" && value["apiVersion"] === "vigil.dev/v1alpha1") return [registered(value)];
    const pod = value["kind"] === "Pod" ? value : templateOf(value);
    if (pod === undefined) return [];
    const namespace = textIn(objectIn(value, "metadata"), "namespace") || "default";
    const namespaceLabels = namespaces.get(namespace) ?? {};
    const serviceAccount = textIn(objectIn(pod, "spec"), "serviceAccountName");
    return [endpoint("workload", { name: nameOf(value), namespace, labels: labelsOf(pod), namespaceLabels, serviceAccount })];
  });
}

function registered(value: JsonObject): Endpoint {
  const id = parseSpiffeId(textIn(objectIn(value, "spec"), "id"));
  const identity = id.ok ? { spiffeId: id.value, trustDomain: trustDomainOf(id.value) } : {};
  const namespace = textIn(objectIn(value, "metadata"), "namespace") || "default";
  return endpoint("workload", { name: nameOf(value), namespace, labels: labelsOf(value), ...identity });
}

function templateOf(value: JsonObject): JsonObject | undefined {
  const spec = objectIn(value, "spec");
  const template =
    value["kind"] === "CronJob" ? objectIn(objectIn(objectIn(spec, "jobTemplate"), "spec"), "template") : objectIn(spec, "template");
  return Object.keys(objectIn(template, "spec")).length === 0 ? undefined : template;
}

function objectIn(value: JsonObject, field: string): JsonObject {
  const found = Object.hasOwn(value, field) ? value[field] : undefined;
  return isJsonObject(found) ? found : {};
}

function textIn(value: JsonObject, field: string): string {
  const found = Object.hasOwn(value, field) ? value[field] : undefined;
  return typeof found === "string" ? found : "";
}

const nameOf = (value: JsonObject): string => textIn(objectIn(value, "metadata"), "name");

const labelsOf = (value: JsonObject): Labels =>
  Object.fromEntries(
    Object.entries(objectIn(objectIn(value, "metadata"), "labels")).filter(
      (entry): entry is [string, string] => typeof entry[1] === "string",
    ),
  );
