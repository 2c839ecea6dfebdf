import { expect, test } from "vitest";
import type { JsonObject, JsonValue } from "../lib/json.ts";
import { type WebhookConfigurationOptions, webhookConfigurations } from "./webhook-configuration.ts";
import type { WebhookRule } from "./webhook-rule.ts";

const PODS: WebhookRule = {
  operations: ["CREATE", "UPDATE"],
  apiGroups: [""],
  apiVersions: ["v1"],
  resources: ["pods"],
  scope: "Namespaced",
};
const EVERYTHING: WebhookRule = { operations: ["*"], apiGroups: ["*"], apiVersions: ["*"], resources: ["*/*"], scope: "*" };
const OPTIONS: WebhookConfigurationOptions = {
  rules: { validate: [PODS], mutate: [] },
  caBundlePem: "-----BEGIN CERTIFICATE-----\n",
  client: { kind: "service", name: "vigil", port: 443, targetPort: 8443 },
  namespace: "vigil-system",
};

/** The value at a path of names and indexes. */
const at = (value: JsonValue | undefined, ...path: readonly (string | number)[]): unknown =>
  path.reduce<unknown>((inner, step) => (inner as { readonly [key: string | number]: unknown } | undefined)?.[step], value);

const kindsOf = (objects: readonly JsonObject[]): readonly unknown[] => objects.map(({ kind }) => kind);

test("only phases that have rules get a configuration, after the Service", () => {
  expect(kindsOf(webhookConfigurations(OPTIONS))).toEqual(["Service", "ValidatingWebhookConfiguration"]);
  const rules = { validate: [], mutate: [PODS] };
  const url = { kind: "url", url: "https://10.0.0.7:8443" } as const;
  expect(kindsOf(webhookConfigurations({ ...OPTIONS, rules, client: url }))).toEqual(["MutatingWebhookConfiguration"]);
});

test("the webhook asks for what the policies are about, and for nothing in Vigil's own or the system's namespaces", () => {
  const [, configuration] = webhookConfigurations({ ...OPTIONS, excludedNamespaces: ["legacy", "kube-system"] });
  expect(at(configuration, "webhooks", 0)).toEqual({
    name: "validate.vigil.dev",
    clientConfig: {
      service: { namespace: "vigil-system", name: "vigil", port: 443, path: "/validate" },
      caBundle: Buffer.from(OPTIONS.caBundlePem).toString("base64"),
    },
    rules: [PODS],
    namespaceSelector: {
      matchExpressions: [
        { key: "kubernetes.io/metadata.name", operator: "NotIn", values: ["kube-system", "kube-node-lease", "vigil-system", "legacy"] },
      ],
    },
    matchConditions: [],
    matchPolicy: "Equivalent",
    sideEffects: "None",
    timeoutSeconds: 10,
    failurePolicy: "Fail",
    admissionReviewVersions: ["v1"],
  });
});

test("policies about everything still leave out what keeps the cluster alive", () => {
  const [, configuration] = webhookConfigurations({ ...OPTIONS, rules: { validate: [EVERYTHING], mutate: [] } });
  expect(at(configuration, "webhooks", 0, "matchConditions")).toContainEqual({
    name: "not-leases.coordination.k8s.io",
    expression: '!(request.resource.group == "coordination.k8s.io" && request.resource.resource == "leases")',
  });
  expect(at(configuration, "webhooks", 0, "matchConditions")).toContainEqual({
    name: "not-nodes.status",
    expression: '!(request.resource.group == "" && request.resource.resource == "nodes" && request.subResource == "status")',
  });
});

test("a mutating webhook runs again after others, and a URL is completed by the path", () => {
  const client = { kind: "url", url: "https://10.0.0.7:8443" } as const;
  const [configuration] = webhookConfigurations({
    ...OPTIONS,
    rules: { validate: [], mutate: [PODS] },
    client,
    timeoutSeconds: 3,
    failurePolicy: "Ignore",
  });
  expect(at(configuration, "webhooks", 0)).toMatchObject({ reinvocationPolicy: "IfNeeded", timeoutSeconds: 3, failurePolicy: "Ignore" });
  expect(at(configuration, "webhooks", 0, "clientConfig", "url")).toBe("https://10.0.0.7:8443/mutate");
});

test.each(["http://10.0.0.7", "https://user@host", "https://host/path", "https://host?x", "host"])("refuses the URL %s", (url) => {
  expect(() => webhookConfigurations({ ...OPTIONS, client: { kind: "url", url } })).toThrow(RangeError);
});

test.each([0, 31, 1.5])("refuses a time-out of %s s", (timeoutSeconds) => {
  expect(() => webhookConfigurations({ ...OPTIONS, timeoutSeconds })).toThrow(RangeError);
});
