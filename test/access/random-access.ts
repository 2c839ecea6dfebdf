/** Random policies of every kind and random calls, small enough that they often meet. */
import fc from "fast-check";
import type { JsonObject } from "../../src/lib/json.ts";
import { type Call, type Endpoint, EXTERNAL, endpoint } from "../../src/policy/access/endpoint.ts";
import type { Protocol } from "../../src/resource/port-spec.ts";

const NAMES = ["front", "orders", "payments"] as const;
const NAMESPACES = ["shop", "bank"] as const;
const COLOURS = ["red", "blue"] as const;

/** Twelve workloads, a host and the world: the objects are the same in every call, as in a snapshot. */
export const ENDPOINTS: readonly Endpoint[] = [
  ...NAMESPACES.flatMap((namespace) =>
    NAMES.flatMap((name) =>
      COLOURS.map((colour) =>
        endpoint("workload", {
          name,
          namespace,
          labels: { app: name, colour },
          namespaceLabels: { team: namespace },
          spiffeId: `spiffe://${namespace}.test/${name}/${colour}`,
          trustDomain: `${namespace}.test`,
          namedPorts: [{ name: "api", protocol: "tcp", port: 80 }],
        }),
      ),
    ),
  ),
  endpoint("host", { name: "here", labels: { role: "edge" } }),
  EXTERNAL,
];

const NETWORKS = ["10.0.0.0/24", "10.0.0.0/8", "192.0.2.7/32", "0.0.0.0/0", "fd00::/8"] as const;
const ADDRESSES: readonly Uint8Array[] = [
  Uint8Array.of(10, 0, 0, 5),
  Uint8Array.of(10, 9, 0, 5),
  Uint8Array.of(192, 0, 2, 7),
  Uint8Array.of(0xfd, ...new Array<number>(14).fill(0), 1),
];

const peer: fc.Arbitrary<JsonObject> = fc.oneof(
  { weight: 4, arbitrary: fc.record({ workload: fc.constantFrom(...NAMES) }) },
  {
    weight: 2,
    arbitrary: fc.record({ labels: fc.record({ colour: fc.constantFrom(...COLOURS) }), namespace: fc.constantFrom("*", ...NAMESPACES) }),
  },
  {
    weight: 2,
    arbitrary: fc.record({
      spiffeId: fc.constantFrom("spiffe://shop.test/**", "spiffe://bank.test/payments/*", "spiffe://shop.test/*/red"),
    }),
  },
  fc.record({ trustDomain: fc.constantFrom("shop.test", "bank.test") }),
  fc.record({ cidr: fc.constantFrom(...NETWORKS) }),
  fc.record({ entity: fc.constantFrom("world", "host", "any") }),
);
const inside: fc.Arbitrary<JsonObject> = peer.filter((written) => !("cidr" in written || "entity" in written));

const atom: fc.Arbitrary<string> = fc.constantFrom(
  "true",
  "source.labels.colour == 'red'",
  "source.trustDomain == destination.trustDomain",
  "destination.namespace == 'bank'",
  "connection.port < 100",
  "connection.protocol == 'tcp'",
  "request.method == 'GET'",
  "request.path.startsWith('/public/')",
  "request.headers['x-team'] == source.namespace",
  "claims.sub == request.params.id",
  "'admin' in claims.roles",
  "tenant == 'blue'",
  "'orders:read' in permissions",
  "1 / connection.port > 0",
);
const condition: fc.Arbitrary<string> = fc.letrec<{ node: string }>((tie) => ({
  node: fc.oneof(
    { maxDepth: 3, withCrossShrink: true },
    atom,
    fc.tuple(tie("node"), fc.constantFrom("&&", "||"), tie("node")).map(([left, operator, right]) => `(${left} ${operator} ${right})`),
    tie("node").map((inner) => `!${inner.startsWith("(") ? inner : `(${inner})`}`),
  ),
})).node;

const ports = fc.uniqueArray(fc.constantFrom("80", "443", "50-90", "53/udp", "api", "icmp"), { maxLength: 2 });
const metadata = (index: number): JsonObject => ({ name: `p${index}` });

const accessPolicy: fc.Arbitrary<JsonObject> = fc
  .record({
    namespace: fc.constantFrom("", ...NAMESPACES),
    to: fc.array(peer, { minLength: 1, maxLength: 2 }),
    from: fc.array(inside, { minLength: 1, maxLength: 2 }),
    ports,
    action: fc.constantFrom("Allow", "Allow", "Deny"),
    when: fc.option(condition, { nil: null }),
    mode: fc.constantFrom("Enforce", "Enforce", "Enforce", "Audit"),
  })
  .map(({ namespace, ...spec }) => ({
    apiVersion: "vigil.dev/v1alpha1",
    kind: "AccessPolicy",
    metadata: namespace === "" ? {} : { namespace },
    spec,
  }));

const selector = fc.constantFrom<JsonObject>(
  {},
  { matchLabels: { app: "payments" } },
  { matchExpressions: [{ key: "colour", operator: "NotIn", values: ["red"] }] },
);
const networkPeer = fc.oneof(
  fc.record({ podSelector: selector }),
  fc.record({ namespaceSelector: fc.constantFrom<JsonObject>({}, { matchLabels: { team: "bank" } }), podSelector: selector }),
  fc.record({ ipBlock: fc.record({ cidr: fc.constantFrom(...NETWORKS) }) }),
);
const networkPort = fc.constantFrom<JsonObject>({ port: 80 }, { protocol: "UDP" }, { port: 50, endPort: 90 }, { port: "api" });
const networkPolicy: fc.Arbitrary<JsonObject> = fc
  .record({
    namespace: fc.constantFrom(...NAMESPACES),
    podSelector: selector,
    policyTypes: fc.subarray(["Ingress", "Egress"], { minLength: 1 }),
    ingress: fc.array(fc.record({ from: fc.array(networkPeer, { maxLength: 2 }), ports: fc.array(networkPort, { maxLength: 2 }) }), {
      maxLength: 2,
    }),
    egress: fc.array(fc.record({ to: fc.array(networkPeer, { maxLength: 2 }), ports: fc.array(networkPort, { maxLength: 2 }) }), {
      maxLength: 2,
    }),
  })
  .map(({ namespace, ...spec }) => ({ apiVersion: "networking.k8s.io/v1", kind: "NetworkPolicy", metadata: { namespace }, spec }));

const clusterRule = (side: "from" | "to"): fc.Arbitrary<JsonObject> =>
  fc
    .record({
      action: fc.constantFrom("Accept", "Deny", "Pass"),
      peers: fc.array(
        fc.constantFrom<JsonObject>(
          { namespaces: { matchLabels: { team: "shop" } } },
          { pods: { podSelector: { matchLabels: { app: "front" } } } },
          { namespaces: {} },
        ),
        {
          minLength: 1,
          maxLength: 2,
        },
      ),
      protocols: fc.array(
        fc.constantFrom<JsonObject>({ tcp: { destinationPort: { number: 80 } } }, { udp: {} }, { destinationNamedPort: "api" }),
        { maxLength: 1 },
      ),
    })
    .map(({ action, peers, protocols }) => ({ action, protocols, [side]: peers }));
const clusterPolicy: fc.Arbitrary<JsonObject> = fc
  .record({
    tier: fc.constantFrom("Admin", "Baseline"),
    priority: fc.integer({ min: 0, max: 2 }),
    subject: fc.constantFrom<JsonObject>({ namespaces: {} }, { pods: { podSelector: { matchLabels: { colour: "blue" } } } }),
    ingress: fc.array(clusterRule("from"), { maxLength: 2 }),
    egress: fc.array(clusterRule("to"), { maxLength: 2 }),
  })
  .map((spec) => ({ apiVersion: "policy.networking.k8s.io/v1alpha2", kind: "ClusterNetworkPolicy", metadata: {}, spec }));

/** Up to six policies of a kind as one JSON document for each; names are unique. */
const upToSix = (policy: fc.Arbitrary<JsonObject>): fc.Arbitrary<readonly JsonObject[]> =>
  fc
    .array(policy, { minLength: 1, maxLength: 6 })
    .map((list) => list.map((each, index) => ({ ...each, metadata: { ...(each["metadata"] as JsonObject), ...metadata(index) } })));

export const policies: fc.Arbitrary<readonly JsonObject[]> = upToSix(
  fc.oneof({ weight: 3, arbitrary: accessPolicy }, networkPolicy, clusterPolicy),
);
/** Those of administrators alone, whose priorities often meet. */
export const clusterPolicies: fc.Arbitrary<readonly JsonObject[]> = upToSix(clusterPolicy);

const request: fc.Arbitrary<Call["request"]> = fc.option(
  fc.record({
    method: fc.constantFrom("GET", "POST"),
    path: fc.constantFrom("/public/a", "/users/7"),
    host: fc.constant("shop.test"),
    headers: fc.constantFrom<Record<string, string>>({}, { "x-team": "shop" }),
    query: fc.constant({}),
    params: fc.constantFrom<Record<string, string>>({}, { id: "7" }),
  }),
  { nil: undefined, freq: 6 },
);

const traffic: fc.Arbitrary<Pick<Call, "protocol" | "port">> = fc.oneof(
  {
    weight: 5,
    arbitrary: fc.record({ protocol: fc.constantFrom<Protocol>("tcp", "tcp", "udp"), port: fc.constantFrom(0, 80, 443, 60, 53, 8) }),
  },
  fc.record({ protocol: fc.constantFrom<Protocol>("icmp", "icmpv6"), port: fc.constantFrom(0, 8, 128) }),
);

export const calls: fc.Arbitrary<Call> = fc
  .record({
    source: fc.constantFrom(...ENDPOINTS),
    destination: fc.constantFrom(...ENDPOINTS),
    sourceAddress: fc.constantFrom(...ADDRESSES),
    destinationAddress: fc.constantFrom(...ADDRESSES),
    destinationNames: fc.constant([]),
    traffic,
    request,
    claims: fc.constantFrom<Record<string, unknown>>({}, { sub: "7", roles: ["admin"] }, { sub: "8", roles: [] }, { roles: "admin" }),
    tenant: fc.constantFrom("", "blue", "red"),
    permissions: fc.subarray(["orders:read", "orders:write"]),
  })
  .map(({ traffic: { protocol, port }, ...facts }) => ({ ...facts, protocol, port }));
