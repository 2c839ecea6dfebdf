/** Writes docs/network-policies.md: which network policies of others are read, and what of Cilium's published examples is refused and why. */
import { readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { compileAccessSet } from "../src/policy/access/access-set.ts";
import { parseAccessResource } from "../src/resource/access-resource.ts";
import { type Document, readDocuments } from "../src/resource/document.ts";
import { metadata } from "../src/resource/metadata.ts";
import { Spot } from "../src/resource/shape.ts";

export const DOCUMENT = "docs/network-policies.md";
const ROOT = join(import.meta.dirname, "..");
const EXAMPLES = "test/data/cilium-policies/examples.yaml";

/** One of Cilium's files: it loads, or the first field that is refused. */
export interface ExampleOutcome {
  readonly file: string;
  readonly refusal: { readonly code: string; readonly message: string; readonly hint: string } | undefined;
}

const fileOf = (document: Document): string =>
  metadata(document.value["metadata"] ?? null, new Spot(document, ["metadata"], []))?.annotations["example"] ?? "";

export function ciliumExamples(): readonly ExampleOutcome[] {
  const outcomes = new Map<string, ExampleOutcome>();
  for (const document of readDocuments(readFileSync(join(ROOT, EXAMPLES)), EXAMPLES).documents) {
    const parsed = parseAccessResource(document);
    const problems =
      parsed.kind === "access" ? compileAccessSet([parsed.resource]).diagnostics : parsed.kind === "refused" ? parsed.diagnostics : [];
    if (parsed.kind === "other") throw new Error(`${document.file}: document ${document.index} is no policy`);
    const file = fileOf(document);
    const [first] = problems;
    if (!outcomes.has(file) || first !== undefined)
      outcomes.set(file, { file, refusal: first && { code: first.code, message: first.message, hint: first.hint ?? "" } });
  }
  return [...outcomes.values()];
}

export function networkPolicies(): string {
  const outcomes = ciliumExamples();
  const loaded = outcomes.filter(({ refusal }) => refusal === undefined);
  return `# Network policies of others

<!-- Written by \`node scripts/network-policies.ts\`; a test keeps it up to date. -->

Vigil reads the network policies of Kubernetes and Cilium as they are, into the model that AccessPolicy has too. They are decided together:
explicit denials first (Cilium's deny rules), then the Admin tier by priority, then everything that allows (with default deny for whoever a
policy selects), then the Baseline tier. What Vigil cannot enforce is refused by name with file, line and column, and never ignored.

| kind | version | read |
|---|---|---|
| NetworkPolicy | \`networking.k8s.io/v1\` | everything: selectors, \`ipBlock\` with \`except\`, named ports, \`endPort\`, TCP, UDP and SCTP, \`policyTypes\` |
| ClusterNetworkPolicy | \`policy.networking.k8s.io/v1alpha2\` | everything, with \`nodes\`, \`networks\` and \`domainNames\`; the 83 standard conformance tests (284 probes) pass in the simulator |
| AdminNetworkPolicy, BaselineAdminNetworkPolicy | \`policy.networking.k8s.io/v1alpha1\` | everything, as the Admin and the Baseline tier |
| CiliumNetworkPolicy, CiliumClusterwideNetworkPolicy | \`cilium.io/v2\` | what the next section lists |

## Cilium

| field | meaning here |
|---|---|
| \`endpointSelector\`, \`fromEndpoints\`, \`toEndpoints\` | workloads by labels, with or without \`k8s:\` and \`any:\`; namespace (\`io.kubernetes.pod.namespace\`), labels of the namespace (\`io.cilium.k8s.namespace.labels.\`), service account (\`io.cilium.k8s.policy.serviceaccount\`). The name of a cluster (\`io.cilium.k8s.policy.cluster\`) is a label that workloads must carry. A reserved label stands alone and means the entity |
| \`fromEntities\`, \`toEntities\` | all, world, world-ipv4, world-ipv6, cluster, host, remote-node; init, health and none are nobody here; kube-apiserver is what is behind the Service \`kubernetes\` of the namespace \`default\`. Refused: ingress, unmanaged |
| \`fromCIDR\`, \`toCIDR\`, \`fromCIDRSet\`, \`toCIDRSet\` | addresses that no known workload, node or this host has. Refused: \`cidrGroupRef\`, \`cidrGroupSelector\` |
| \`fromNodes\`, \`toNodes\` | nodes and this host by their labels |
| \`toFQDNs\` | names that were looked up: \`*\` is any characters of one label, \`**.\` one or more labels |
| \`toServices\` | whoever is behind a Service, by name or by its labels: the workloads that it selects, or the addresses of its Endpoints and EndpointSlices. These objects are read from the files of the policies; a Service that is not there is nobody |
| \`fromRequires\`, \`toRequires\` | denies workloads that a selector does not select, whatever else allows them; allows nobody |
| \`toPorts\` | numbers, names, \`endPort\`, 0 for all; TCP, UDP, SCTP, ANY (the three together). Refused: \`listener\`, \`serverNames\`, \`terminatingTLS\`, \`originatingTLS\`, other protocols |
| \`rules.http\` | method, path and host as regular expressions that match from end to end (linear in time), headers. The path is decoded and has no query. Refused: \`mismatch\`, \`secret\`, default deny switched off |
| \`rules.dns\` | names that may be asked for, on port 53: Vigil's DNS proxy reads the questions, and answers others with REFUSED. Without a proxy nothing is asked, unless all names pass. Refused: Kafka and other protocols |
| \`icmps\` | types by number or name |
| \`ingressDeny\`, \`egressDeny\` | denials that no allow overrules, of NetworkPolicy neither |
| \`enableDefaultDeny\` | by default on in the directions in which there are rules |
| \`specs\` | each is a policy of its own |
| \`authentication\`, \`auth\` | disabled, null |
| refused by name | \`nodeSelector\`, \`fromGroups\`, \`toGroups\`, \`authentication\` other than disabled, \`fromRequires\` and \`toRequires\` in denials |

## Cilium's published examples

Of the ${outcomes.length} files under \`examples/policies\` that hold such a policy, ${loaded.length} load; the others use what the table above refuses. The policies
were restated for the tests, with the same selectors, rules and fields (\`${EXAMPLES}\`). Five more files hold Pods or Envoy's configuration.

| file | |
|---|---|
${outcomes.map(({ file, refusal }) => `| ${file} | ${refusal === undefined ? "loads" : `refused: ${cell(refusal.message)}`} |`).join("\n")}
`;
}

const cell = (text: string): string => text.replaceAll("|", "\\|");

if (import.meta.main) writeFileSync(join(ROOT, DOCUMENT), networkPolicies());
