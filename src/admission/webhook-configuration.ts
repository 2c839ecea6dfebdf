/**
 * The objects that make an API server ask Vigil: webhook configurations for exactly the requests that the policies are about, and the
 * Service in front of the webhook. There is no Deployment here: Vigil has no image yet.
 */
import type { JsonObject } from "../lib/json.ts";
import { EXCLUDED_RESOURCES, excludedNamespaces } from "./exclusion.ts";
import { unionOfRules, type WebhookRule } from "./webhook-rule.ts";

/** How the API server reaches the webhook. */
export type WebhookClient =
  | { readonly kind: "service"; readonly name: string; readonly port: number; readonly targetPort: number }
  /** `https://host:port`; for a Vigil outside the cluster. */
  | { readonly kind: "url"; readonly url: string };

export interface WebhookConfigurationOptions {
  /** What validating and mutating policies are about; a phase without rules gets no configuration. */
  readonly rules: { readonly validate: readonly WebhookRule[]; readonly mutate: readonly WebhookRule[] };
  readonly caBundlePem: string;
  readonly client: WebhookClient;
  /** Vigil's own namespace: never judged, and where its Service is. */
  readonly namespace: string;
  /** Namespaces never judged beside the system's and Vigil's own. */
  readonly excludedNamespaces?: readonly string[];
  /** 1 to 30; default 10. */
  readonly timeoutSeconds?: number;
  /** What happens while Vigil does not answer. Default `Fail`: zero trust. */
  readonly failurePolicy?: "Fail" | "Ignore";
}

const NAME = "vigil";
const LABELS = { "app.kubernetes.io/name": NAME, "app.kubernetes.io/managed-by": NAME };
const NAMESPACE_LABEL = "kubernetes.io/metadata.name";
const DEFAULT_TIMEOUT_SECONDS = 10;
const MAX_TIMEOUT_SECONDS = 30;

/** The objects in the order in which to apply them. Throws a RangeError on a time-out or URL that the API server would refuse. */
export function webhookConfigurations(options: WebhookConfigurationOptions): readonly JsonObject[] {
  const { rules } = options;
  const objects: JsonObject[] = options.client.kind === "service" ? [serviceOf(options.client, options.namespace)] : [];
  if (rules.validate.length > 0) {
    objects.push(
      configurationOf("ValidatingWebhookConfiguration", webhookOf(`validate.${NAME}.dev`, "/validate", rules.validate, options)),
    );
  }
  if (rules.mutate.length > 0) {
    const webhook = webhookOf(`mutate.${NAME}.dev`, "/mutate", rules.mutate, options);
    objects.push(configurationOf("MutatingWebhookConfiguration", { ...webhook, reinvocationPolicy: "IfNeeded" }));
  }
  return objects;
}

const configurationOf = (kind: string, webhook: JsonObject): JsonObject => ({
  apiVersion: "admissionregistration.k8s.io/v1",
  kind,
  metadata: { name: NAME, labels: LABELS },
  webhooks: [webhook],
});

function webhookOf(name: string, path: string, rules: readonly WebhookRule[], options: WebhookConfigurationOptions): JsonObject {
  const { timeoutSeconds = DEFAULT_TIMEOUT_SECONDS, failurePolicy = "Fail" } = options;
  if (!(Number.isInteger(timeoutSeconds) && timeoutSeconds >= 1 && timeoutSeconds <= MAX_TIMEOUT_SECONDS)) {
    throw new RangeError(`expected \`timeoutSeconds\` from 1 to ${MAX_TIMEOUT_SECONDS}, got ${timeoutSeconds}`);
  }
  const namespaces = excludedNamespaces(options.namespace, options.excludedNamespaces ?? []);
  const union = unionOfRules(rules);
  return {
    name,
    clientConfig: { ...clientOf(options, path), caBundle: Buffer.from(options.caBundlePem).toString("base64") },
    rules: union.map((rule) => ({ ...rule })),
    namespaceSelector: { matchExpressions: [{ key: NAMESPACE_LABEL, operator: "NotIn", values: namespaces }] },
    matchConditions: matchConditionsOf(union),
    matchPolicy: "Equivalent",
    sideEffects: "None",
    timeoutSeconds,
    failurePolicy,
    admissionReviewVersions: ["v1"],
  };
}

function clientOf({ client, namespace }: WebhookConfigurationOptions, path: string): JsonObject {
  if (client.kind === "service") return { service: { namespace, name: client.name, port: client.port, path } };
  const url = URL.parse(client.url);
  const isPlain = url?.protocol === "https:" && url.pathname === "/" && url.search + url.hash + url.username + url.password === "";
  if (!isPlain) throw new RangeError(`expected a URL such as \`https://host:port\`, got \`${client.url}\``);
  return { url: url.origin + path };
}

/** What is never judged, where the rules could reach it: these requests then do not depend on Vigil being up. */
function matchConditionsOf(rules: readonly WebhookRule[]): readonly JsonObject[] {
  const reached = EXCLUDED_RESOURCES.filter(({ group, resource, subResource }) =>
    rules.some(
      (rule) =>
        (rule.apiGroups.includes("*") || rule.apiGroups.includes(group)) &&
        rule.resources.some((pattern) => mayMeet(pattern, resource, subResource)),
    ),
  );
  return reached.map(({ group, resource, subResource }) => {
    const tests = [`request.resource.group == ${JSON.stringify(group)}`];
    if (resource !== "*") tests.push(`request.resource.resource == ${JSON.stringify(resource)}`);
    if (subResource !== "*") tests.push(`request.subResource == ${JSON.stringify(subResource)}`);
    const parts = [resource, subResource, group].filter((part) => part !== "*" && part !== "");
    return { name: `not-${parts.join(".")}`, expression: `!(${tests.join(" && ")})` };
  });
}

function mayMeet(pattern: string, resource: string, subResource: string): boolean {
  const [main = "", sub = ""] = pattern.split("/", 2);
  return (main === "*" || resource === "*" || main === resource) && (sub === "*" || subResource === "*" || sub === subResource);
}

const serviceOf = ({ name, port, targetPort }: Extract<WebhookClient, { kind: "service" }>, namespace: string): JsonObject => ({
  apiVersion: "v1",
  kind: "Service",
  metadata: { name, namespace, labels: LABELS },
  spec: { selector: { "app.kubernetes.io/name": NAME }, ports: [{ name: "webhook", port, targetPort, protocol: "TCP" }] },
});
