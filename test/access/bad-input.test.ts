/** Policies that nobody should write, and far too many of them: refused by name, or meant as they are written. */
import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { compileAccessSet } from "../../src/policy/access/access-set.ts";
import { CompiledAccess } from "../../src/policy/access/compiled-access.ts";
import { decideAccess } from "../../src/policy/access/decide-access.ts";
import { EXTERNAL } from "../../src/policy/access/endpoint.ts";
import { parseAccessResource } from "../../src/resource/access-resource.ts";
import { readDocuments } from "../../src/resource/document.ts";
import { KernelCompiler } from "../../src/target/kernel/compile-kernel.ts";
import { decideInKernel, EXTERNAL_IDENTITY } from "../../src/target/kernel/kernel-artifact.ts";
import { accessResources, accessSet, call, workload } from "../access-fixture.ts";

const NOW = { nowMs: 1_790_000_000_000 };
const document = (kind: string, spec: unknown, name: string = "p", apiVersion: string = "vigil.dev/v1alpha1"): string =>
  JSON.stringify({ apiVersion, kind, metadata: { name, namespace: "shop" }, spec });

describe("10,000 policies at once", () => {
  const COUNT = 10_000;
  const SERVICES = 200;
  const text = Array.from({ length: COUNT }, (_, index) =>
    document(
      "AccessPolicy",
      { from: [{ workload: `s${(index * 7 + 1) % SERVICES}` }], to: [{ workload: `s${index % SERVICES}` }], ports: [8000 + (index % 50)] },
      `p${index}`,
    ),
  ).join("\n---\n");
  const set = accessSet(text);
  const services = Array.from({ length: SERVICES }, (_, index) => workload(`s${index}`));

  test("are read, and decided by the process as by the reference", { timeout: 60_000 }, () => {
    const compiled = new CompiledAccess(set);
    const verdicts = new Set<string>();
    for (let index = 0; index < 60; index++) {
      const asked = call({
        source: services[(index * 7 + 1) % SERVICES] ?? EXTERNAL,
        destination: services[index % SERVICES] ?? EXTERNAL,
        port: 8000 + (index % 60),
      });
      const { verdict } = decideAccess(set, asked, NOW);
      expect(compiled.decide(asked, NOW.nowMs).verdict).toBe(verdict);
      verdicts.add(verdict);
    }
    expect([...verdicts].sort()).toEqual(["allow", "deny"]);
  });

  test("become maps for the kernel that say the same", { timeout: 60_000 }, () => {
    const compiler = new KernelCompiler();
    const artifact = compiler.compile({ set, subjects: services.map((endpoint) => ({ endpoint, hasUpperLayer: false })), ...NOW });
    for (let index = 0; index < 60; index++) {
      const [source, destination] = [services[(index * 13) % SERVICES], services[index % SERVICES]];
      if (source === undefined || destination === undefined) return expect.fail("no service");
      const asked = call({ source, destination, port: 8000 + (index % 60) });
      const inKernel = decideInKernel(artifact, {
        source: compiler.identityOf(source) ?? EXTERNAL_IDENTITY,
        destination: compiler.identityOf(destination) ?? EXTERNAL_IDENTITY,
        sourceAddress: asked.sourceAddress,
        destinationAddress: asked.destinationAddress,
        protocol: "tcp",
        port: asked.port,
      });
      expect(inKernel.verdict).toBe(decideAccess(set, asked, NOW).verdict);
    }
  });

  test("one of which is wrong are refused with its place", () => {
    const broken = text.replace('"name":"p9999"', '"nam":"p9999"');
    const { documents } = readDocuments(broken, "many.yaml");
    const refused = documents.flatMap((each) => {
      const parsed = parseAccessResource(each);
      return parsed.kind === "refused" ? parsed.diagnostics : [];
    });
    expect(refused.map(({ code, line }) => `${code} ${line}`)).toEqual([
      `RESOURCE_UNKNOWN_FIELD ${COUNT * 2 - 1}`,
      `RESOURCE_MISSING_FIELD ${COUNT * 2 - 1}`,
    ]);
  });
});

describe("labels with odd characters", () => {
  const odd = fc.oneof(
    fc.constantFrom(
      "__proto__",
      "constructor",
      "toString",
      "hasOwnProperty",
      "",
      " ",
      "a b",
      "a/b",
      "ä",
      "\u0000",
      "\u202e",
      '"',
      "'",
      "`",
      "\\",
      "x".repeat(300),
      "a=b",
      "{}",
      "😀",
      "k8s:app",
      "reserved:host",
    ),
    fc.string({ maxLength: 8 }),
  );
  /** `__proto__` as a key like any other. */
  const mapping = (key: string, value: string): { readonly [name: string]: string } => Object.fromEntries([[key, value]]);

  test("mean themselves alone, in the process and in the kernel", () => {
    fc.assert(
      fc.property(odd, odd, odd, odd, (key, value, ownKey, ownValue) => {
        const text = document("AccessPolicy", {
          from: [{ labels: mapping(key, value) }],
          to: [{ workload: "target" }],
        });
        const read = readDocuments(text, "odd.yaml");
        const isRefused = read.diagnostics.length > 0 || read.documents.some((each) => parseAccessResource(each).kind !== "access");
        // `__proto__` is no key that is accepted, and some characters are none of YAML's.
        if (key === "__proto__") expect(isRefused).toBe(true);
        if (isRefused) return;
        const set = accessSet(text);
        const source = workload("caller", { labels: mapping(ownKey, ownValue) });
        const target = workload("target");
        const asked = call({ source, destination: target });
        const expected = key === ownKey && value === ownValue ? "allow" : "deny";
        expect(decideAccess(set, asked, NOW).verdict).toBe(expected);
        expect(new CompiledAccess(set).decide(asked, NOW.nowMs).verdict).toBe(expected);
        const compiler = new KernelCompiler();
        const artifact = compiler.compile({
          set,
          subjects: [source, target].map((endpoint) => ({ endpoint, hasUpperLayer: false })),
          ...NOW,
        });
        const question = {
          source: compiler.identityOf(source) ?? EXTERNAL_IDENTITY,
          destination: compiler.identityOf(target) ?? EXTERNAL_IDENTITY,
          sourceAddress: asked.sourceAddress,
          destinationAddress: asked.destinationAddress,
          protocol: "tcp",
          port: asked.port,
        } as const;
        expect(decideInKernel(artifact, question).verdict).toBe(expected);
      }),
    );
  });

  test("of selectors that ask for what is not there never find what every object has", () => {
    for (const key of ["__proto__", "constructor", "toString"]) {
      const text = document(
        "NetworkPolicy",
        { podSelector: { matchExpressions: [{ key, operator: "Exists" }] }, ingress: [] },
        "p",
        "networking.k8s.io/v1",
      );
      const asked = call({ source: EXTERNAL, destination: workload("target") });
      expect(decideAccess(accessSet(text), asked, NOW).verdict, key).toBe("allow");
    }
  });
});

describe("fields that a kind does not have", () => {
  const CILIUM = { endpointSelector: {} };
  const CLUSTER = { tier: "Admin", priority: 1, subject: { namespaces: {} } };
  const ADMIN = { priority: 1, subject: { namespaces: {} } };
  test.each<readonly [kind: string, apiVersion: string, spec: object, field: string]>([
    ["AccessPolicy", "vigil.dev/v1alpha1", { from: [{ workload: "a" }], to: [{ workload: "b" }], port: [1] }, "spec.port"],
    ["AccessPolicy", "vigil.dev/v1alpha1", { from: [{ workload: "a", app: "x" }], to: [{ workload: "b" }] }, "spec.from[0].app"],
    ["AccessRole", "vigil.dev/v1alpha1", { grants: [{ permissions: ["a"], scope: "global", only: 1 }] }, "spec.grants[0].only"],
    ["RoleAssignment", "vigil.dev/v1alpha1", { users: ["a"], roles: ["r"], role: "x" }, "spec.role"],
    ["NetworkPolicy", "networking.k8s.io/v1", { podSelector: {}, ingres: [] }, "spec.ingres"],
    [
      "NetworkPolicy",
      "networking.k8s.io/v1",
      { podSelector: {}, ingress: [{ from: [{ podSelecter: {} }] }] },
      "spec.ingress[0].from[0].podSelecter",
    ],
    ["ClusterNetworkPolicy", "policy.networking.k8s.io/v1alpha2", { ...CLUSTER, audit: true }, "spec.audit"],
    ["AdminNetworkPolicy", "policy.networking.k8s.io/v1alpha1", { ...ADMIN, tier: "x" }, "spec.tier"],
    ["BaselineAdminNetworkPolicy", "policy.networking.k8s.io/v1alpha1", { subject: { namespaces: {} }, priority: 1 }, "spec.priority"],
    ["CiliumNetworkPolicy", "cilium.io/v2", { ...CILIUM, egress: [{ toFQDN: [] }] }, "spec.egress[0].toFQDN"],
    ["CiliumNetworkPolicy", "cilium.io/v2", { ...CILIUM, egress: [{ toFQDNs: [{ name: "x" }] }] }, "spec.egress[0].toFQDNs[0].name"],
    ["CiliumNetworkPolicy", "cilium.io/v2", { ...CILIUM, auditMode: true }, "spec.auditMode"],
  ])("of a %s are refused by name", (kind, apiVersion, spec, field) => {
    const [read] = readDocuments(document(kind, spec, "p", apiVersion), "p.yaml").documents;
    if (read === undefined) return expect.fail("no document");
    const parsed = parseAccessResource(read);
    const messages = parsed.kind === "refused" ? parsed.diagnostics.map(({ code, message }) => `${code} ${message}`) : [parsed.kind];
    expect(messages).toContainEqual(`RESOURCE_UNKNOWN_FIELD unknown field \`${field}\``);
  });
});

test.each([
  ["a name that is too long", `${"a".repeat(60)}.`.repeat(5)],
  ["a wildcard in the middle", "api.*.test"],
  ["a URL", "https://api.test"],
  ["an empty label", "api..test"],
  ["a space", "api test"],
])("%s is no DNS name", (_name, dns) => {
  const [read] = readDocuments(document("AccessPolicy", { from: [{ workload: "a" }], to: [{ dns }] }), "p.yaml").documents;
  expect(read && parseAccessResource(read)).toMatchObject({ kind: "refused", diagnostics: [{ code: "RESOURCE_INVALID_VALUE" }] });
});

test("policies that contradict leave nothing open: the denial counts", () => {
  const ends = { from: [{ workload: "orders" }], to: [{ workload: "payments" }] };
  const text = [document("AccessPolicy", ends, "a"), document("AccessPolicy", { ...ends, action: "Deny" }, "b")].join("\n---\n");
  const { set, diagnostics } = compileAccessSet(accessResources(text));
  expect(diagnostics).toEqual([]);
  expect(decideAccess(set, call({ source: workload("orders"), destination: workload("payments") }), NOW).verdict).toBe("deny");
});
