/** Findings about policies against brute force: what is called useless can be taken away, and every example replays. */
import fc from "fast-check";
import { expect, test } from "vitest";
import type { AccessRule, Isolation } from "../../src/policy/access/access-rule.ts";
import { type AccessSet, compileAccessSet } from "../../src/policy/access/access-set.ts";
import { decideAccess } from "../../src/policy/access/decide-access.ts";
import type { Call, Endpoint } from "../../src/policy/access/endpoint.ts";
import { endpoint } from "../../src/policy/access/endpoint.ts";
import { matchesAny, matchesPeer, type PeerMatch } from "../../src/policy/access/peer-match.ts";
import { findConflicts } from "../../src/policy/conflict/conflict-analysis.ts";
import type { Finding } from "../../src/policy/conflict/finding.ts";
import { coversPeer } from "../../src/policy/conflict/peer-cover.ts";
import { ruleMatches } from "../../src/policy/conflict/sample-call.ts";
import { sampleEnd } from "../../src/policy/conflict/sample-end.ts";
import type { LabelSelector } from "../../src/resource/label-selector.ts";
import { accessResources, accessSet } from "../access-fixture.ts";
import { calls, clusterPolicies, ENDPOINTS, policies } from "./random-access.ts";

const NOW = { nowMs: 1_790_000_000_000 };

const sets = fc.oneof(policies, clusterPolicies).map((documents) => ({
  documents,
  set: accessSet(documents.map((document) => JSON.stringify(document)).join("\n---\n")),
}));

const rulesOf = (set: AccessSet): readonly AccessRule[] =>
  [set.rules.ingress, set.rules.egress].flatMap(({ deny, admin, access, baseline }) => [...deny, ...admin, ...access, ...baseline]);

function without(set: AccessSet, gone: ReadonlySet<AccessRule>): AccessSet {
  const left = ({ deny, admin, access, baseline }: AccessSet["rules"]["ingress"]): AccessSet["rules"]["ingress"] => {
    const keep = (rules: readonly AccessRule[]): readonly AccessRule[] => rules.filter((rule) => !gone.has(rule));
    return { deny: keep(deny), admin: keep(admin), access: keep(access), baseline: keep(baseline) };
  };
  return { ...set, rules: { ingress: left(set.rules.ingress), egress: left(set.rules.egress) } };
}

/** Findings that say that a rule changes nothing. */
const isUseless = ({ kind, severity }: Finding): boolean => kind !== "contradiction" || severity === "error";

test("rules that are called useless change no verdict, alone and together", () => {
  const property = fc.property(sets, fc.array(calls, { minLength: 20, maxLength: 40 }), ({ set }, asked) => {
    const { findings, isComplete } = findConflicts(set, NOW);
    expect(isComplete).toBe(true);
    const useless = rulesOf(set).filter((rule) => findings.some((finding) => isUseless(finding) && finding.rule === rule.origin));
    // A policy's two directions share one origin: only rules with an origin of their own can be told apart here.
    const clear = useless.filter((rule) => rulesOf(set).filter(({ origin }) => origin === rule.origin).length === 1);
    const bare = without(set, new Set(clear));
    if (clear.length === 0) return;
    for (const call of asked) {
      for (const source of ENDPOINTS) {
        const tried = { ...call, source };
        expect(decideAccess(bare, tried, NOW).verdict).toBe(decideAccess(set, tried, NOW).verdict);
      }
    }
  });
  fc.assert(property, { numRuns: 300 });
});

const isEndOf = ({ direction, subject }: Isolation, call: Call): boolean =>
  matchesAny(
    subject,
    direction === "ingress"
      ? { endpoint: call.destination, address: call.destinationAddress, names: call.destinationNames }
      : { endpoint: call.source, address: call.sourceAddress, names: [] },
  );

test("every example is a call that both rules match, and decides again as it did", () => {
  let examples = 0;
  const property = fc.property(sets, ({ set }) => {
    for (const { kind, rule, against, witness } of findConflicts(set, NOW).findings) {
      if (kind === "contradiction") expect(witness).toBeDefined();
      if (witness === undefined) continue;
      examples++;
      const { call, ...said } = witness;
      expect(decideAccess(set, call, NOW)).toMatchObject(said);
      const matching = rulesOf(set).filter((each) => ruleMatches(each, call));
      expect(matching.some(({ origin }) => origin === rule)).toBe(true);
      // What makes an end default-deny has the origin of its policy, as that policy's rules may have.
      const isolates = (["ingress", "egress"] as const).some((direction) =>
        set.isolations[direction].some((each) => each.origin === against && isEndOf(each, call)),
      );
      if (against !== undefined) expect(isolates || matching.some(({ origin }) => origin === against)).toBe(true);
    }
  });
  fc.assert(property, { numRuns: 300 });
  expect(examples).toBeGreaterThan(10);
});

// A small world in which everything that these matches distinguish is there.
const VALUES = [undefined, "a", "b", "other"] as const;
const labelled = (x: string | undefined, y: string | undefined): Record<string, string> => ({
  ...(x !== undefined && { x }),
  ...(y !== undefined && { y }),
});
const IDS = [
  "",
  "spiffe://d",
  "spiffe://d/p",
  "spiffe://d/p/q",
  "spiffe://d/p/z",
  "spiffe://d/r/q",
  "spiffe://d/r",
  "spiffe://e/p",
  "spiffe://e/z",
];
const WORLD: readonly Endpoint[] = (["workload", "node", "host", "external"] as const).flatMap((kind) =>
  VALUES.flatMap((x) =>
    VALUES.flatMap((y) =>
      ["n", "m", "n/", "m/"].flatMap((name) =>
        IDS.map((spiffeId) =>
          endpoint(kind, {
            name: name.charAt(0),
            namespace: name.length === 1 ? "n" : "m",
            labels: labelled(x, y),
            spiffeId,
            trustDomain: spiffeId.split("/")[2] ?? "",
          }),
        ),
      ),
    ),
  ),
);
const ADDRESSES = [
  Uint8Array.of(10, 0, 0, 0),
  Uint8Array.of(10, 0, 0, 1),
  Uint8Array.of(10, 0, 0, 2),
  Uint8Array.of(10, 0, 0, 3),
  Uint8Array.of(11, 0, 0, 0),
];

const selector: fc.Arbitrary<LabelSelector> = fc.record({
  matchLabels: fc.constantFrom<Record<string, string>>({}, {}, { x: "a" }, { y: "b" }),
  matchExpressions: fc.array(
    fc.oneof(
      fc.record({
        key: fc.constantFrom("x", "y"),
        operator: fc.constantFrom("In" as const, "NotIn" as const),
        values: fc.subarray(["a", "b"], { minLength: 1 }),
      }),
      fc.record({
        key: fc.constantFrom("x", "y"),
        operator: fc.constantFrom("Exists" as const, "DoesNotExist" as const),
        values: fc.constant([]),
      }),
    ),
    { maxLength: 2 },
  ),
});
const prefix = fc
  .constantFrom([30, 0], [31, 0], [31, 2], [32, 1], [32, 2])
  .map(([bits = 0, last = 0]) => ({ address: Uint8Array.of(10, 0, 0, last), bits }));
const match: fc.Arbitrary<PeerMatch> = fc.oneof(
  {
    weight: 4,
    arbitrary: fc.record({
      kind: fc.constant("workload" as const),
      namespace: fc.constantFrom({ kind: "any" as const }, { kind: "name" as const, name: "n" }),
      name: fc.constantFrom(undefined, undefined, "n", "m"),
      labels: selector,
    }),
  },
  fc.record({ kind: fc.constant("node" as const), labels: selector }),
  fc.constantFrom<PeerMatch>(
    { kind: "any" },
    { kind: "known" },
    { kind: "host" },
    { kind: "world", family: undefined },
    { kind: "world", family: 4 },
  ),
  {
    weight: 2,
    arbitrary: fc.record({
      kind: fc.constant("spiffe-id" as const),
      pattern: fc.constantFrom(
        "spiffe://d/p",
        "spiffe://d/*",
        "spiffe://d/**",
        "spiffe://d/p/*",
        "spiffe://d/*/q",
        "spiffe://e/p",
        "spiffe://d/*/**",
      ),
    }),
  },
  fc.record({ kind: fc.constant("trust-domain" as const), domain: fc.constantFrom("d", "e") }),
  {
    weight: 2,
    arbitrary: fc.record({
      kind: fc.constant("network" as const),
      prefix,
      except: fc.array(prefix, { maxLength: 2 }),
      scope: fc.constantFrom("all" as const, "external" as const),
    }),
  },
);

const place = fc.record({ side: fc.constantFrom("source" as const, "destination" as const), isSubject: fc.boolean() });

const means = (peer: PeerMatch, isSubject: boolean): ReadonlySet<string> => {
  const found = new Set<string>();
  for (const [index, each] of WORLD.entries()) {
    if (isSubject && each.kind !== "workload") continue;
    for (const address of ADDRESSES) if (matchesPeer(peer, { endpoint: each, address, names: [] })) found.add(`${index} ${address}`);
  }
  return found;
};

test("whether matches meet, and whether one covers the other, is what trying all ends says", () => {
  let covered = 0;
  const property = fc.property(match, match, place, (a, b, at) => {
    const [left, right] = [means(a, at.isSubject), means(b, at.isSubject)];
    const common = [...left].filter((end) => right.has(end));
    const sample = sampleEnd([a, b], at);
    expect(sample !== undefined).toBe(common.length > 0);
    if (sample !== undefined) expect(matchesPeer(a, sample) && matchesPeer(b, sample)).toBe(true);
    if (left.size === 0) return;
    const isCovered = common.length === left.size;
    if (isCovered) covered++;
    expect(coversPeer(b, a, at)).toBe(isCovered);
  });
  fc.assert(property, { numRuns: 300 });
  expect(covered).toBeGreaterThan(0);
});

const found = (yaml: string, inventory?: readonly Endpoint[]): readonly string[] => {
  const { set } = compileAccessSet(accessResources(yaml));
  const options = inventory === undefined ? NOW : { ...NOW, inventory };
  return findConflicts(set, options).findings.map(({ kind, severity, rule, against }) =>
    [kind, severity, rule.policy, against?.policy ?? "-"].join(" "),
  );
};

const access = (name: string, spec: string): string =>
  `apiVersion: vigil.dev/v1alpha1\nkind: AccessPolicy\nmetadata: {name: ${name}, namespace: shop}\nspec: ${spec}\n---\n`;

test("an allow that a deny covers is a contradiction, and the call that shows it is denied", () => {
  const yaml =
    access("open", "{to: [{workload: payments}], from: [{workload: front}], ports: [443]}") +
    access("closed", "{to: [{workload: payments}], from: [{namespace: '*'}], action: Deny}");
  expect(found(yaml)).toEqual(["contradiction error AccessPolicy shop/open AccessPolicy shop/closed"]);
  const [finding] = findConflicts(accessSet(yaml), NOW).findings;
  const call: Partial<Call> | undefined = finding?.witness?.call;
  expect(call).toMatchObject({ source: { name: "front" }, destination: { name: "payments" }, protocol: "tcp", port: 443 });
  expect(finding?.witness).toMatchObject({ verdict: "deny", ground: { tier: "deny" } });
});

test.each([
  ["request.method == 'GET'", "request.method in ['GET', 'HEAD']", true],
  ["request.method in ['GET', 'HEAD']", "request.method == 'GET'", false],
  ["connection.port > 100 && connection.port < 200", "connection.port >= 80 && !(connection.port > 300)", true],
  ["permissions.exists(p, p == 'a')", "permissions.exists(q, q == 'a')", true],
  ["permissions.exists(p, p == 'a')", "permissions.exists(q, q == 'b')", false],
  ["tenant == 'a' && request.path.startsWith('/x')", "request.path.startsWith('/')", false],
  ["true", "request.method != 'TRACE'", false],
  ["tenant != 'a' && tenant != 'b'", "tenant != 'a'", true],
])("an allow when %s is redundant beside one when %s: %s", (inner, outer, isRedundant) => {
  const spec = (when: string): string => `{to: [{workload: b}], from: [{workload: a}], when: ${JSON.stringify(when)}}`;
  const findings = found(access("second", spec(inner)) + access("first", spec(outer)));
  expect(findings.some((line) => line.startsWith("redundant note AccessPolicy shop/second"))).toBe(isRedundant);
});

test("a condition that is an error in a deny is not taken for one that never holds", () => {
  const deny = (when: string): string => `{to: [{workload: b}], from: [{workload: a}], action: Deny, when: ${JSON.stringify(when)}}`;
  expect(found(access("open", deny("request.method == 'GET' && request.method == 'PUT'")))).toEqual([]);
  expect(found(access("open", deny("tenant == 'a' && tenant == 'b'")))).toEqual(["dead warning AccessPolicy shop/open -"]);
});

const cluster = (name: string, tier: string, priority: number, action: string, from: string): string =>
  `apiVersion: policy.networking.k8s.io/v1alpha2\nkind: ClusterNetworkPolicy\nmetadata: {name: ${name}}\n` +
  `spec: {tier: ${tier}, priority: ${priority}, subject: {namespaces: {}}, ingress: [{action: ${action}, from: [{namespaces: ${from}}]}]}\n---\n`;

test("rules of the administrator shadow what is asked after them, unless a pass may lead past", () => {
  const open = access("open", "{to: [{workload: b}], from: [{workload: a}]}");
  const deny = cluster("deny", "Admin", 5, "Deny", "{}");
  expect(found(open + deny)).toEqual(["shadowed warning AccessPolicy shop/open ClusterNetworkPolicy deny"]);
  expect(found(open + deny + cluster("pass", "Admin", 1, "Pass", "{matchLabels: {team: shop}}"))).toEqual([]);
  expect(found(cluster("first", "Admin", 1, "Accept", "{}") + cluster("second", "Admin", 2, "Deny", "{matchLabels: {a: b}}"))).toEqual([
    "shadowed warning ClusterNetworkPolicy second ClusterNetworkPolicy first",
  ]);
  expect(found(cluster("one", "Admin", 1, "Accept", "{}") + cluster("two", "Admin", 1, "Deny", "{matchLabels: {a: b}}"))).toEqual([
    "contradiction warning ClusterNetworkPolicy one ClusterNetworkPolicy two",
  ]);
});

test("the inventory says which rules are about nobody", () => {
  const yaml =
    access("here", "{to: [{workload: b}], from: [{labels: {app: a}}]}") +
    access("gone", "{to: [{workload: c}], from: [{labels: {app: a}}]}");
  const inventory = ["a", "b"].map((name) => endpoint("workload", { name, namespace: "shop", labels: { app: name } }));
  expect(found(yaml, inventory)).toEqual(["dead warning AccessPolicy shop/gone -"]);
  expect(found(yaml)).toEqual([]);
});
