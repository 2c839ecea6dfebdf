/** AdmissionReviews of about 8 KB, as the API server sends them for a Deployment. */
import type { JsonObject } from "../src/lib/json.ts";
import { deployment } from "./workload.ts";

const TARGET_BYTES = 8_000;

/** The review of Deployment number i, padded to 8 KB with environment variables. */
export function admissionReview(i: number): JsonObject {
  const object = deployment(i);
  const spec = object.spec.template.spec;
  const padding = Math.max(0, TARGET_BYTES - 900 - JSON.stringify(object).length);
  const env = Array.from({ length: Math.ceil(padding / 64) }, (_, n) => ({ name: `SETTING_${n}`, value: `value-${n}-${"x".repeat(24)}` }));
  const containers = spec.containers.map((container, n) => (n === 0 ? { ...container, env } : container));
  const meta = {
    creationTimestamp: null,
    managedFields: [{ manager: "kubectl-client-side-apply", operation: "Update", apiVersion: "apps/v1", fieldsType: "FieldsV1" }],
  };
  return {
    kind: "AdmissionReview",
    apiVersion: "admission.k8s.io/v1",
    request: {
      uid: `705ab4f5-6393-11e8-b7cc-${String(i).padStart(12, "0")}`,
      kind: { group: "apps", version: "v1", kind: "Deployment" },
      resource: { group: "apps", version: "v1", resource: "deployments" },
      requestKind: { group: "apps", version: "v1", kind: "Deployment" },
      requestResource: { group: "apps", version: "v1", resource: "deployments" },
      name: `app-${i}`,
      namespace: "shop",
      operation: "CREATE",
      userInfo: {
        username: "system:serviceaccount:ci:deployer",
        uid: "0a1b2c",
        groups: ["system:serviceaccounts", "system:serviceaccounts:ci", "system:authenticated"],
      },
      object: {
        ...object,
        metadata: { ...object.metadata, ...meta },
        spec: { ...object.spec, template: { ...object.spec.template, spec: { ...spec, containers } } },
      } as unknown as JsonObject,
      oldObject: null,
      dryRun: false,
      options: { kind: "CreateOptions", apiVersion: "meta.k8s.io/v1", fieldManager: "kubectl-client-side-apply" },
    },
  };
}
