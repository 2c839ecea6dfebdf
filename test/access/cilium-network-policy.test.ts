/** What Cilium's published examples mean: probes against the reference and against what runs in a process. */
import { readFileSync } from "node:fs";
import { expect, test } from "vitest";
import { compileAccessSet } from "../../src/policy/access/access-set.ts";
import { CompiledAccess } from "../../src/policy/access/compiled-access.ts";
import { decideAccess } from "../../src/policy/access/decide-access.ts";
import { decideLookup } from "../../src/policy/access/decide-lookup.ts";
import { type Endpoint, EXTERNAL, endpoint } from "../../src/policy/access/endpoint.ts";
import { parseAccessResource } from "../../src/resource/access-resource.ts";
import { readDocuments } from "../../src/resource/document.ts";
import { accessResources, accessSet, type CallFacts, call } from "../access-fixture.ts";

const EXAMPLES = readDocuments(readFileSync(new URL("../data/cilium-policies/examples.yaml", import.meta.url)), "examples.yaml").documents;

const pod = (labels: { readonly [key: string]: string }, known: Partial<Endpoint> = {}): Endpoint =>
  endpoint("workload", { name: "pod", namespace: "default", labels, ...known });

const host = endpoint("host");
const node = (labels: { readonly [key: string]: string } = {}): Endpoint => endpoint("node", { labels });

/** The set of one example. */
function example(file: string, beside: string = ""): ReturnType<typeof accessSet> {
  const resources = EXAMPLES.flatMap((document) => {
    const parsed = parseAccessResource(document);
    return parsed.kind === "access" && parsed.resource.metadata.annotations["example"] === file ? [parsed.resource] : [];
  });
  expect(resources).not.toEqual([]);
  const { set, diagnostics } = compileAccessSet([...resources, ...accessResources(beside)]);
  expect(diagnostics).toEqual([]);
  return set;
}

const plain = pod({});
const dns = pod({ "k8s-app": "kube-dns" }, { namespace: "kube-system" });
const myService = pod({ app: "myService" });
const bot = pod({ org: "empire", class: "mediabot" });
const testApp = pod({ app: "test-app" });
const out = (source: Endpoint, facts: CallFacts): CallFacts => ({ source, destination: EXTERNAL, port: 443, ...facts });
const inside = (source: Endpoint, destination: Endpoint, facts: CallFacts = {}): CallFacts => ({ source, destination, port: 80, ...facts });
const get = (path: string, method: string = "GET", headers: { readonly [name: string]: string } = {}): CallFacts => ({
  request: { method, path, headers },
});

type Probe = readonly [file: string, facts: CallFacts, expected: "allow" | "deny"];

const PROBES: readonly Probe[] = [
  ["entities.yaml", inside(EXTERNAL, pod({ env: "prod" })), "allow"],
  ["entities.yaml", inside(plain, pod({ env: "prod" })), "deny"],
  ["entities.yaml", inside(plain, pod({ env: "prod" }, { namespace: "other" })), "allow"],
  ["cidr.yaml", out(myService, { to: "20.1.1.1" }), "allow"],
  ["l3/cidr/cidr.yaml", out(myService, { to: "20.1.1.1" }), "allow"],
  ["l3/cidr/cidr.yaml", out(myService, { to: "20.1.1.2" }), "deny"],
  ["l3/cidr/cidr.yaml", out(myService, { to: "10.1.2.3" }), "allow"],
  ["l3/cidr/cidr.yaml", out(myService, { to: "10.96.0.1" }), "deny"],
  // Networks mean what is outside: never a workload or a node.
  ["l3/cidr/cidr.yaml", inside(myService, plain, { to: "10.1.2.3" }), "deny"],
  ["l3/cidr/cidr.yaml", inside(myService, node(), { to: "10.1.2.3" }), "deny"],
  ["getting-started/l3-l4-policy.yaml", inside(pod({ id: "app2" }), pod({ id: "app1" })), "allow"],
  ["getting-started/l3-l4-policy.yaml", inside(pod({ id: "app2" }), pod({ id: "app1" }), { port: 81 }), "deny"],
  ["getting-started/l3-l4-policy.yaml", inside(pod({ id: "app3" }), pod({ id: "app1" })), "deny"],
  ["getting-started/l3-l4-policy.yaml", inside(pod({ id: "app2" }), pod({ id: "app1" }), { protocol: "udp" }), "deny"],
  ["getting-started/dns-matchname.yaml", out(bot, { to: "192.0.2.1", destinationNames: ["api.twitter.com"] }), "allow"],
  ["getting-started/dns-matchname.yaml", out(bot, { to: "192.0.2.1", destinationNames: ["help.twitter.com"] }), "deny"],
  ["getting-started/dns-matchname.yaml", inside(bot, dns, { port: 53, protocol: "udp" }), "allow"],
  ["getting-started/dns-matchname.yaml", inside(bot, dns, { port: 53, protocol: "icmp" }), "deny"],
  ["getting-started/dns-pattern.yaml", out(bot, { to: "192.0.2.1", destinationNames: ["help.twitter.com"] }), "allow"],
  // `*` is one label.
  ["getting-started/dns-pattern.yaml", out(bot, { to: "192.0.2.1", destinationNames: ["a.help.twitter.com"] }), "deny"],
  ["getting-started/dns-pattern.yaml", out(bot, { to: "192.0.2.1", destinationNames: ["twitter.com"] }), "deny"],
  ["getting-started/dns-port.yaml", out(bot, { to: "192.0.2.1", destinationNames: ["help.twitter.com"], port: 80 }), "deny"],
  ["getting-started/dns-port.yaml", out(bot, { to: "192.0.2.1", destinationNames: ["help.twitter.com"] }), "allow"],
  ["kubernetes/clusterwide/clusterscope-policy.yaml", inside(pod({ name: "luke" }, { namespace: "a" }), pod({ name: "leia" })), "allow"],
  ["kubernetes/clusterwide/clusterscope-policy.yaml", inside(pod({ name: "han" }), pod({ name: "leia" }, { namespace: "b" })), "deny"],
  ["kubernetes/clusterwide/wildcard-from-endpoints.yaml", inside(plain, dns, { port: 53, protocol: "udp" }), "allow"],
  ["kubernetes/clusterwide/wildcard-from-endpoints.yaml", inside(EXTERNAL, dns, { port: 53, protocol: "udp" }), "deny"],
  ["kubernetes/clusterwide/wildcard-from-endpoints.yaml", inside(plain, dns, { port: 53, protocol: "tcp" }), "deny"],
  ["kubernetes/namespace/isolate-namespaces.yaml", inside(pod({}, { namespace: "ns1" }), pod({}, { namespace: "ns1" })), "allow"],
  ["kubernetes/namespace/isolate-namespaces.yaml", inside(pod({}, { namespace: "ns2" }), pod({}, { namespace: "ns1" })), "deny"],
  ["kubernetes/namespace/isolate-namespaces.yaml", inside(pod({}, { namespace: "ns1" }), pod({}, { namespace: "ns3" })), "allow"],
  [
    "kubernetes/namespace/namespace-labels-policy.yaml",
    inside(pod({}, { namespace: "x", namespaceLabels: { faction: "alliance" } }), pod({ name: "rebel-base" })),
    "allow",
  ],
  [
    "kubernetes/namespace/namespace-labels-policy.yaml",
    inside(pod({ "io.cilium.k8s.namespace.labels.faction": "alliance" }), pod({ name: "rebel-base" })),
    "deny", // a workload cannot say this of itself
  ],
  [
    "kubernetes/namespace/namespace-policy.yaml",
    inside(pod({ name: "luke" }, { namespace: "ns2" }), pod({ name: "leia" }, { namespace: "ns1" })),
    "allow",
  ],
  [
    "kubernetes/namespace/namespace-policy.yaml",
    inside(pod({ name: "luke" }, { namespace: "ns1" }), pod({ name: "leia" }, { namespace: "ns1" })),
    "deny",
  ],
  [
    "kubernetes/serviceaccount/serviceaccount-policy.yaml",
    inside(pod({}, { serviceAccount: "luke" }), pod({}, { serviceAccount: "leia" })),
    "allow",
  ],
  ["kubernetes/serviceaccount/serviceaccount-policy.yaml", inside(plain, pod({}, { serviceAccount: "leia" })), "deny"],
  ["kubernetes/serviceaccount/serviceaccount-policy.yaml", inside(plain, pod({}, { serviceAccount: "han" })), "allow"],
  [
    "kubernetes/clustermesh/cross-cluster-policy.yaml",
    inside(
      pod({ name: "x-wing", "io.cilium.k8s.policy.cluster": "cluster1" }),
      pod({ name: "rebel-base", "io.cilium.k8s.policy.cluster": "cluster2" }),
    ),
    "allow",
  ],
  [
    "kubernetes/clustermesh/cross-cluster-policy.yaml",
    inside(pod({ name: "x-wing", "io.cilium.k8s.policy.cluster": "cluster1" }), pod({ name: "rebel-base" })),
    "deny",
  ],
  ["l3/egress-allow-all/egress-allow-all.yaml", inside(pod({ role: "frontend" }), plain), "allow"],
  ["l3/egress-allow-all/egress-allow-all.yaml", out(pod({ role: "frontend" }), { to: "192.0.2.1" }), "deny"],
  ["l3/egress-default-deny/egress-default-deny.yaml", inside(pod({ role: "restricted" }), plain), "deny"],
  ["l3/egress-default-deny/egress-default-deny.yaml", inside(plain, pod({ role: "restricted" })), "allow"],
  ["l3/egress-deny/egress-deny.yaml", inside(pod({ role: "frontend" }), pod({ role: "backend" })), "deny"],
  ["l3/egress-deny/egress-deny.yaml", inside(pod({ role: "frontend" }), plain), "allow"],
  ["l3/entities/customnodes.yaml", inside(node({ "node-role.kubernetes.io/control-plane": "" }), pod({ env: "prod" })), "allow"],
  ["l3/entities/customnodes.yaml", inside(node(), pod({ env: "prod" })), "deny"],
  ["l3/entities/from_world_deny.yaml", inside(EXTERNAL, plain), "deny"],
  ["l3/entities/from_world_deny.yaml", inside(bot, plain), "allow"],
  ["l3/entities/host.yaml", inside(pod({ env: "dev" }), host), "allow"],
  ["l3/entities/host.yaml", inside(pod({ env: "dev" }), node()), "deny"],
  ["l3/entities/nodes.yaml", inside(node(), pod({ env: "dev" })), "allow"],
  ["l3/entities/nodes.yaml", inside(host, pod({ env: "dev" })), "allow"],
  ["l3/entities/nodes.yaml", inside(plain, pod({ env: "dev" })), "deny"],
  ["l3/fqdn/fqdn.yaml", out(testApp, { to: "192.0.2.1", destinationNames: ["my-remote-service.com"] }), "allow"],
  ["l3/fqdn/fqdn.yaml", out(testApp, { to: "192.0.2.1" }), "deny"],
  [
    "l3/match-expressions/and-statement.yaml",
    inside(pod({ "cilium.example.com/policy": "strict" }, { namespace: "production" }), plain),
    "allow",
  ],
  ["l3/match-expressions/and-statement.yaml", inside(pod({}, { namespace: "production" }), plain), "deny"],
  ["l3/match-expressions/or-statement.yaml", inside(pod({}, { namespace: "production" }), plain), "allow"],
  ["l3/match-expressions/or-statement.yaml", inside(pod({ "cilium.example.com/policy": "strict" }), plain), "allow"],
  ["l3/match-expressions/or-statement.yaml", inside(bot, plain), "deny"],
  ["l4/cidr_l4_combined.yaml", out(pod({ role: "crawler" }), { to: "192.0.2.9", port: 80 }), "allow"],
  ["l4/cidr_l4_combined.yaml", out(pod({ role: "crawler" }), { to: "192.0.2.9", port: 81 }), "deny"],
  ["l4/from_init.yaml", inside(plain, myService, { port: 53, protocol: "udp" }), "allow"],
  ["l4/from_init.yaml", inside(plain, myService), "deny"],
  ["l4/icmp.yaml", out(myService, { to: "192.0.2.1", protocol: "icmp", port: 8 }), "allow"],
  ["l4/icmp.yaml", out(myService, { to: "192.0.2.1", protocol: "icmp", port: 0 }), "deny"],
  ["l4/icmp.yaml", out(myService, { to: "2001:db8::1", protocol: "icmpv6", port: 128 }), "allow"],
  ["l4/icmp.yaml", out(myService, { to: "192.0.2.1", port: 8 }), "deny"],
  ["l4/l4_port_range.yaml", out(myService, { to: "192.0.2.1", port: 444 }), "allow"],
  ["l4/l4_port_range.yaml", out(myService, { to: "192.0.2.1", port: 445 }), "deny"],
  ["l4/multi_rule.yaml", inside(pod({ role: "frontend" }), pod({ role: "backend" }), { port: 9 }), "allow"],
  ["l4/multi_rule.yaml", inside(plain, pod({ role: "backend" })), "allow"],
  ["l4/multi_rule.yaml", inside(plain, pod({ role: "backend" }), { port: 9 }), "deny"],
  ["l7.yaml", inside(pod({ env: "prod" }), pod({ app: "service" }), get("/public")), "allow"],
  ["l7.yaml", inside(pod({ env: "prod" }), pod({ app: "service" }), get("/public/x")), "deny"],
  ["l7.yaml", inside(pod({ env: "prod" }), pod({ app: "service" }), get("/public", "POST")), "deny"],
  ["l7.yaml", inside(pod({ env: "prod" }), pod({ app: "service" })), "deny"],
  ["l7.yaml", inside(plain, pod({ app: "service" }), get("/public")), "deny"],
  ["l7/http/http.yaml", inside(plain, myService, get("/path1")), "allow"],
  ["l7/http/http.yaml", inside(plain, myService, get("/path2", "PUT")), "deny"],
  ["l7/http/http.yaml", inside(plain, myService, get("/path2", "PUT", { "x-my-header": "true" })), "allow"],
  ["l7/http/http.yaml", inside(plain, myService, get("/path2", "PUT", { "x-my-header": "false" })), "deny"],
  ["l7/http/l7_multi.yaml", inside(pod({ env: "prod" }), plain, { request: { method: "POST", host: "external-service.org" } }), "allow"],
  ["l7/http/l7_multi.yaml", inside(pod({ env: "prod" }), plain, { request: { method: "POST", host: "x.external-service.org" } }), "deny"],
];

test.each(PROBES)("%s %#", (file, facts, expected) => {
  const set = example(file);
  const asked = call(facts);
  expect(decideAccess(set, asked, { nowMs: 0 }).verdict).toBe(expected);
  expect(new CompiledAccess(set).decide(asked, 0).verdict).toBe(expected);
});

const SERVICES = `
apiVersion: v1
kind: Service
metadata: { name: myservice, namespace: default, labels: { head: none } }
spec: { selector: { app: behind }, ports: [{ port: 80 }], clusterIP: None }
---
apiVersion: v1
kind: Service
metadata: { name: outside, labels: { head: none } }
spec: { ports: [{ port: 5432 }] }
---
apiVersion: discovery.k8s.io/v1
kind: EndpointSlice
metadata: { name: outside-1, labels: { kubernetes.io/service-name: outside } }
addressType: IPv4
endpoints: [{ addresses: [192.0.2.7] }]
---
apiVersion: v1
kind: Endpoints
metadata: { name: kubernetes, namespace: default }
subsets: [{ addresses: [{ ip: 10.0.0.5 }], ports: [{ port: 6443 }] }]
`;
const app2 = pod({ id: "app2" });
const behind = pod({ app: "behind" });

test.each<Probe>([
  ["service.yaml", inside(app2, behind), "allow"],
  ["service.yaml", inside(app2, pod({ app: "behind" }, { namespace: "other" })), "deny"],
  ["service.yaml", inside(app2, plain), "deny"],
  ["l3/service/service.yaml", inside(app2, behind), "allow"],
  ["l3/service/service-labels.yaml", inside(app2, behind), "allow"],
  ["l3/service/service-labels.yaml", out(app2, { to: "192.0.2.7" }), "allow"],
  ["l3/service/service-labels.yaml", out(app2, { to: "192.0.2.8" }), "deny"],
  // One that names nothing means nobody, and isolates all the same.
  ["service-empty.yaml", inside(pod({ app: "app2" }), behind), "deny"],
  ["l3/entities/apiserver.yaml", inside(pod({ env: "dev" }), node(), { to: "10.0.0.5", port: 6443 }), "allow"],
  ["l3/entities/apiserver.yaml", inside(pod({ env: "dev" }), node(), { to: "10.0.0.6", port: 6443 }), "deny"],
  ["auth/auth.yaml", inside(pod({ run: "ssh-client" }), pod({ run: "sshd" })), "allow"],
  ["auth/auth.yaml", inside(pod({ run: "ssh-client" }), plain), "deny"],
  ["l3/requires/requires.yaml", inside(plain, pod({ env: "prod" })), "deny"],
  ["l3/requires/requires.yaml", inside(pod({ env: "prod" }), pod({ env: "prod" })), "deny"], // by itself it allows nobody
  ["requires.yaml", inside(pod({ role: "frontend", env: "prod" }), pod({ role: "backend", env: "prod" })), "allow"],
  ["requires.yaml", inside(pod({ role: "frontend" }), pod({ role: "backend", env: "prod" })), "deny"],
  ["requires.yaml", inside(pod({ role: "frontend" }), pod({ role: "backend" })), "allow"],
  // A rule for some names lets no packet to the resolver: who reads the questions asks it.
  ["l7/dns/dns.yaml", inside(pod({ org: "alliance" }), dns, { port: 53, protocol: "udp" }), "deny"],
])("%s beside Services %#", (file, facts, expected) => {
  expect(decideAccess(example(file, SERVICES), call(facts), { nowMs: 0 }).verdict).toBe(expected);
});

test("a Service that is not known is nobody", () => {
  expect(decideAccess(example("service.yaml"), call(inside(app2, behind)), { nowMs: 0 }).verdict).toBe("deny");
});

const alliance = pod({ org: "alliance" });

test.each<readonly [file: string, source: Endpoint, name: string, expected: "allow" | "deny"]>([
  ["l7/dns/dns.yaml", alliance, "cilium.io", "allow"],
  ["l7/dns/dns.yaml", alliance, "docs.cilium.io", "allow"],
  ["l7/dns/dns.yaml", alliance, "a.api.cilium.io", "allow"],
  ["l7/dns/dns.yaml", alliance, "a.b.api.cilium.io", "deny"],
  ["l7/dns/dns.yaml", alliance, "evil.org", "deny"],
  ["l7/dns/dns.yaml", plain, "evil.org", "allow"],
  ["l7/dns/dns-visibility.yaml", alliance, "evil.org", "allow"],
  ["l3/fqdn/fqdn-short.yaml", testApp, "a.b.c.svc.cluster.local", "allow"],
  ["l3/fqdn/fqdn-short.yaml", testApp, "cluster.local", "deny"],
  ["l3/fqdn/fqdn-short.yaml", testApp, "www.cilium.io", "deny"],
  ["l3/fqdn/fqdn-cascade.yaml", testApp, "kube-dns.kube-system.svc.cluster.local", "allow"],
  ["l3/fqdn/fqdn.yaml", testApp, "anything.org", "allow"],
])("%s: a question for a name %#", (file, source, name, expected) => {
  const lookup = {
    source,
    resolver: dns,
    resolverAddress: Uint8Array.of(10, 96, 0, 10),
    protocol: "udp",
    port: 53,
    name,
    isTrusted: false,
  } as const;
  const set = example(file);
  expect(decideLookup(set, lookup, { nowMs: 0 }).verdict).toBe(expected);
  expect(decideLookup(set, { ...lookup, resolver: EXTERNAL }, { nowMs: 0 }).verdict).toBe(source === plain ? "allow" : "deny");
});

const policy = (spec: string, kind: string = "CiliumNetworkPolicy"): string =>
  `apiVersion: cilium.io/v2\nkind: ${kind}\nmetadata: { name: p }\nspec: ${spec}`;

const verdict = (yaml: string, facts: CallFacts): string => decideAccess(accessSet(yaml), call(facts), { nowMs: 0 }).verdict;

test("default deny follows the rules of a direction, and can be switched", () => {
  expect(verdict(policy("{ endpointSelector: {} }"), inside(EXTERNAL, plain))).toBe("allow");
  expect(verdict(policy("{ endpointSelector: {}, ingress: [] }"), inside(EXTERNAL, plain))).toBe("allow");
  expect(verdict(policy("{ endpointSelector: {}, ingress: [{}] }"), inside(EXTERNAL, plain))).toBe("deny");
  expect(verdict(policy("{ endpointSelector: {}, enableDefaultDeny: { ingress: true } }"), inside(EXTERNAL, plain))).toBe("deny");
  const open = policy("{ endpointSelector: {}, enableDefaultDeny: { ingress: false }, ingress: [{ fromEntities: [host] }] }");
  expect(verdict(open, inside(EXTERNAL, plain))).toBe("allow");
  const denying = policy("{ endpointSelector: {}, ingressDeny: [{ fromEntities: [world] }] }");
  expect(verdict(denying, inside(bot, plain))).toBe("deny");
});

test("an empty list of peers is nobody, no list is anybody", () => {
  const ports = 'toPorts: [{ ports: [{ port: "80" }] }]';
  expect(verdict(policy(`{ endpointSelector: {}, ingress: [{ fromEndpoints: [], ${ports} }] }`), inside(bot, plain))).toBe("deny");
  expect(verdict(policy(`{ endpointSelector: {}, ingress: [{ ${ports} }] }`), inside(bot, plain))).toBe("allow");
});

test("a denial overrules an allow of NetworkPolicy, and the Admin tier", () => {
  const others = `
---
apiVersion: networking.k8s.io/v1
kind: NetworkPolicy
metadata: { name: open }
spec: { podSelector: {}, ingress: [{}] }
---
apiVersion: policy.networking.k8s.io/v1alpha2
kind: ClusterNetworkPolicy
metadata: { name: open }
spec: { tier: Admin, priority: 0, subject: { namespaces: {} }, ingress: [{ action: Accept, from: [{ namespaces: {} }] }] }`;
  const denying = policy("{ endpointSelector: {}, ingressDeny: [{ fromEndpoints: [{}] }] }");
  expect(verdict(denying + others, inside(bot, plain))).toBe("deny");
});

test("texts of HTTP rules are read back as they were written", () => {
  const path = String.raw`/a"b\\c\$'${"\u00e9"}\{1\}`;
  const spec = {
    endpointSelector: {},
    ingress: [{ toPorts: [{ ports: [{ port: "80", protocol: "TCP" }], rules: { http: [{ path }] } }] }],
  };
  const yaml = policy(JSON.stringify(spec));
  expect(verdict(yaml, inside(bot, plain, get(`/a"b\\c$'${"\u00e9"}{1}`)))).toBe("allow");
  expect(verdict(yaml, inside(bot, plain, get("/abc")))).toBe("deny");
});
