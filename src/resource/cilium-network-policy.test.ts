import { expect, test } from "vitest";
import { parseAccessResource } from "./access-resource.ts";
import { readDocuments } from "./document.ts";

function problems(spec: string, kind: string = "CiliumNetworkPolicy"): readonly string[] {
  const text = `apiVersion: cilium.io/v2\nkind: ${kind}\nmetadata: { name: p, namespace: shop }\nspec: ${spec}`;
  return readDocuments(text, "p.yaml").documents.flatMap((document) => {
    const parsed = parseAccessResource(document);
    return parsed.kind === "refused"
      ? parsed.diagnostics.map(({ code, line, column, message }) => `${code} ${line}:${column} ${message}`)
      : [parsed.kind];
  });
}

const ingress = (rule: string): string => `{ endpointSelector: {}, ingress: [${rule}] }`;
const egress = (rule: string): string => `{ endpointSelector: {}, egress: [${rule}] }`;
const ports = (rest: string): string => ingress(`{ toPorts: [{ ports: [{ port: "80", protocol: TCP }], ${rest} }] }`);

test.each([
  ["nodeSelector", "{ nodeSelector: {} }"],
  ["fromGroups", ingress("{ fromGroups: [{ aws: {} }] }")],
  ["fromRequires", "{ endpointSelector: {}, ingressDeny: [{ fromRequires: [{}] }] }"],
  ["type", egress("{ auth: { type: always-fail } }")],
  ["cidrGroupRef", egress("{ toCIDRSet: [{ cidr: 10.0.0.0/8, cidrGroupRef: x }] }")],
  ["mode", ingress("{ authentication: { mode: required } }")],
  ["kafka", ports("rules: { kafka: [] }")],
  ["l7proto", ports("rules: { l7proto: r2d2 }")],
  ["dns", ports("rules: { dns: [{ matchName: a.test }] }")],
  ["terminatingTLS", ports("terminatingTLS: {}")],
  ["originatingTLS", ports("originatingTLS: {}")],
  ["serverNames", ports("serverNames: [a.test]")],
  ["listener", ports("listener: {}")],
  ["mismatch", ports("rules: { http: [{ headerMatches: [{ name: a, mismatch: ADD }] }] }")],
  ["secret", ports("rules: { http: [{ headerMatches: [{ name: a, secret: {} }] }] }")],
  ["VRRP", ingress("{ toPorts: [{ ports: [{ port: '0', protocol: VRRP }] }] }")],
  ["unmanaged", egress("{ toEntities: [unmanaged] }")],
  ["reserved:ingress", ingress("{ fromEndpoints: [{ matchLabels: { 'reserved:ingress': '' } }] }")],
  ["container", ingress("{ fromEndpoints: [{ matchLabels: { 'container:a': b } }] }")],
  ["reserved:host", ingress("{ fromEndpoints: [{ matchLabels: { 'reserved:host': '', a: b } }] }")],
  ["reserved:host", "{ endpointSelector: { matchLabels: { 'reserved:host': '' } } }"],
  [
    "ingress: false",
    '{ endpointSelector: {}, enableDefaultDeny: { ingress: false }, ingress: [{ toPorts: [{ ports: [{ port: "80", protocol: TCP }], rules: { http: [{}] } }] }] }',
  ],
])("%s is refused by name, where it is", (name, spec) => {
  const found = problems(spec);
  expect(found).toHaveLength(1);
  expect(found[0]).toMatch(/^RESOURCE_UNSUPPORTED_FIELD 4:\d+ /);
  expect(found[0]).toContain(name.replace("reserved:ingress", "ingress"));
});

test.each([
  ["no selector", "{ ingress: [{}] }", "RESOURCE_MISSING_FIELD"],
  ["an unknown field", ingress("{ fromEndpoint: [] }"), "RESOURCE_UNKNOWN_FIELD"],
  [
    "application rules in a denial",
    "{ endpointSelector: {}, ingressDeny: [{ toPorts: [{ ports: [{ port: '1' }], rules: {} }] }] }",
    "RESOURCE_UNKNOWN_FIELD",
  ],
  ["names in a denial", "{ endpointSelector: {}, egressDeny: [{ toFQDNs: [] }] }", "RESOURCE_UNKNOWN_FIELD"],
  ["two ways of naming peers", ingress("{ fromCIDR: [10.0.0.0/8], fromEntities: [host] }"), "RESOURCE_INVALID_VALUE"],
  [
    "ports and ICMP at once",
    ingress("{ toPorts: [{ ports: [{ port: '1' }] }], icmps: [{ fields: [{ type: 8 }] }] }"),
    "RESOURCE_INVALID_VALUE",
  ],
  ["no ports", ingress("{ toPorts: [{ ports: [] }] }"), "RESOURCE_INVALID_VALUE"],
  ["a port out of range", ingress("{ toPorts: [{ ports: [{ port: '65536' }] }] }"), "RESOURCE_INVALID_VALUE"],
  ["a range that ends before it begins", ingress("{ toPorts: [{ ports: [{ port: '80', endPort: 79 }] }] }"), "RESOURCE_INVALID_VALUE"],
  ["an ICMP type of the other family", ingress("{ icmps: [{ fields: [{ type: PacketTooBig }] }] }"), "RESOURCE_INVALID_VALUE"],
  ["HTTP on UDP", ingress("{ toPorts: [{ ports: [{ port: '80', protocol: UDP }], rules: { http: [{}] } }] }"), "RESOURCE_INVALID_VALUE"],
  ["an invalid regular expression", ports("rules: { http: [{ path: '(' }] }"), "RESOURCE_INVALID_VALUE"],
  ["an exception outside of its network", egress("{ toCIDRSet: [{ cidr: 10.0.0.0/8, except: [11.0.0.0/9] }] }"), "RESOURCE_INVALID_VALUE"],
  ["a name and a pattern", egress("{ toFQDNs: [{ matchName: a.test, matchPattern: '*.test' }] }"), "RESOURCE_INVALID_VALUE"],
  ["a pattern that is none", egress("{ toFQDNs: [{ matchPattern: 'a+b.test' }] }"), "RESOURCE_INVALID_VALUE"],
  ["an unknown entity", egress("{ toEntities: [moon] }"), "RESOURCE_INVALID_VALUE"],
  [
    "a Service by name and by labels",
    egress("{ toServices: [{ k8sService: { serviceName: a }, k8sServiceSelector: { selector: {} } }] }"),
    "RESOURCE_INVALID_VALUE",
  ],
  ["Services and endpoints", egress("{ toServices: [{ k8sService: { serviceName: a } }], toEndpoints: [{}] }"), "RESOURCE_INVALID_VALUE"],
  ["an unknown field of a Service", egress("{ toServices: [{ k8sService: { serviceName: a, port: 1 } }] }"), "RESOURCE_UNKNOWN_FIELD"],
  ["rules of two protocols", ports("rules: { http: [{}], dns: [{ matchName: a.test }] }").replaceAll("80", "53"), "RESOURCE_INVALID_VALUE"],
  ["another namespace", "{ endpointSelector: { matchLabels: { 'k8s:io.kubernetes.pod.namespace': other } } }", "RESOURCE_INVALID_VALUE"],
])("%s is a mistake", (_name, spec, code) => {
  const found = problems(spec);
  expect(found).toHaveLength(1);
  expect(found[0]?.startsWith(`${code} 4:`)).toBe(true);
});

test("a policy of the cluster may select in any namespace", () => {
  const spec = "{ endpointSelector: { matchLabels: { 'k8s:io.kubernetes.pod.namespace': other } } }";
  expect(problems(spec, "CiliumClusterwideNetworkPolicy")).toEqual(["access"]);
});

test("a policy without `spec` and `specs` is refused, as is another version", () => {
  const [document] = readDocuments("{ apiVersion: cilium.io/v2, kind: CiliumNetworkPolicy, metadata: { name: p } }", "p.yaml").documents;
  if (document === undefined) throw new Error("no document");
  expect(parseAccessResource(document)).toMatchObject({ kind: "refused", diagnostics: [{ code: "RESOURCE_MISSING_FIELD" }] });
  const [older] = readDocuments("{ apiVersion: cilium.io/v1, kind: CiliumNetworkPolicy }", "p.yaml").documents;
  if (older === undefined) throw new Error("no document");
  expect(parseAccessResource(older)).toMatchObject({ kind: "refused", diagnostics: [{ code: "RESOURCE_UNSUPPORTED_VERSION" }] });
});
