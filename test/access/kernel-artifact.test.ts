/** The kernel's maps, looked up as the kernel does, say what the kernel layer must say: no more and no less. */
import fc from "fast-check";
import { describe, expect, test } from "vitest";
import type { Layer } from "../../src/policy/access/access-environment.ts";
import { type AccessSet, compileAccessSet } from "../../src/policy/access/access-set.ts";
import { decideAccess, decideAtLayer } from "../../src/policy/access/decide-access.ts";
import { type Call, EXTERNAL } from "../../src/policy/access/endpoint.ts";
import { KernelCompiler } from "../../src/target/kernel/compile-kernel.ts";
import { decideInKernel, EXTERNAL_IDENTITY, type KernelArtifact } from "../../src/target/kernel/kernel-artifact.ts";
import { accessResources, accessSet, call, workload } from "../access-fixture.ts";
import { calls, ENDPOINTS, policies } from "./random-access.ts";

const NOW = { nowMs: 1_790_000_000_000 };
const known = ENDPOINTS.filter((endpoint) => endpoint !== EXTERNAL);
const sets = policies.map((documents) => ({
  documents,
  set: accessSet(documents.map((document) => JSON.stringify(document)).join("\n---\n")),
}));

function ask(compiler: KernelCompiler, artifact: KernelArtifact, asked: Call): ReturnType<typeof decideInKernel> {
  const identity = (endpoint: Call["source"]): number => compiler.identityOf(endpoint) ?? EXTERNAL_IDENTITY;
  return decideInKernel(artifact, { ...asked, source: identity(asked.source), destination: identity(asked.destination) });
}

/** Some destinations have a layer above the kernel, and some have none. */
function compileFor(set: AccessSet, hasUpperLayer: (name: string) => boolean): { compiler: KernelCompiler; artifact: KernelArtifact } {
  const compiler = new KernelCompiler();
  const subjects = known.map((endpoint) => ({ endpoint, hasUpperLayer: hasUpperLayer(endpoint.name) }));
  return { compiler, artifact: compiler.compile({ set, subjects, ...NOW }) };
}

test("looked up in the maps, a call gets the verdict of the kernel layer", { timeout: 120_000 }, () => {
  const property = fc.property(
    sets,
    fc.subarray(["front", "orders", "payments"]),
    fc.array(calls, { minLength: 20, maxLength: 40 }),
    ({ set }, above, asked) => {
      const { compiler, artifact } = compileFor(set, (name) => above.includes(name));
      for (const one of asked) {
        const present: readonly Layer[] = above.includes(one.destination.name) ? ["kernel", "process"] : ["kernel"];
        const expected = decideAtLayer(set, one, "kernel", present, NOW);
        const answer = ask(compiler, artifact, one);
        expect(answer.verdict).toBe(expected.verdict);
        if (answer.verdict === "allow" && present.length === 1) expect(decideAccess(set, one, NOW).verdict).toBe("allow");
        if (decideAccess(set, one, NOW).verdict === "allow" && present.length === 2) expect(answer.verdict).toBe("allow");
      }
    },
  );
  fc.assert(property, { numRuns: 400 });
});

test("a change compiles to what a new compiler makes of it", { timeout: 120_000 }, () => {
  const step = fc.record({
    documents: policies,
    present: fc.oneof(fc.constant(known), fc.subarray([...known], { minLength: 4 })),
    isKept: fc.boolean(),
    // Policies expire, trust domains are closed, addresses are learned.
    nowMs: fc.constantFrom(NOW.nowMs, NOW.nowMs + 1, NOW.nowMs + 86_400_000),
    deniedByDefault: fc.subarray(["shop.test", "bank.test"]),
    above: fc.subarray(["front", "orders", "payments"]),
    learned: fc.subarray([
      { address: Uint8Array.of(192, 0, 2, 7), names: ["a.mail.test"] },
      { address: Uint8Array.of(10, 0, 0, 5), names: ["b.test"] },
    ]),
  });
  const property = fc.property(
    fc.array(step, { minLength: 2, maxLength: 5 }),
    fc.array(calls, { minLength: 20, maxLength: 20 }),
    (steps, asked) => {
      const reused = new KernelCompiler();
      let resources: ReturnType<typeof accessResources> = [];
      for (const [position, { documents, present, isKept, nowMs, deniedByDefault, above, learned }] of steps.entries()) {
        const texts = documents.map((document, index) =>
          JSON.stringify({ ...document, metadata: { ...(document["metadata"] as object), name: `p${position}-${index}` } }),
        );
        const next = accessResources([...texts, OUT, BRIEF].join("\n---\n"));
        // Some of the policies before stay, as the objects that they are.
        resources = isKept
          ? [...resources.slice(0, 2).filter(({ metadata }) => !next.some((other) => other.metadata.name === metadata.name)), ...next]
          : next;
        const { set } = compileAccessSet(resources, { deniedByDefault });
        const subjects = present.map((endpoint) => ({ endpoint, hasUpperLayer: above.includes(endpoint.name) }));
        const artifact = reused.compile({ set, subjects, learned, nowMs });
        const fresh = new KernelCompiler();
        const expected = fresh.compile({ set, subjects, learned, nowMs });
        for (const one of asked) expect(ask(reused, artifact, one)).toEqual(ask(fresh, expected, one));
      }
    },
  );
  fc.assert(property, { numRuns: 40 });
});

const OUT = JSON.stringify({
  apiVersion: "vigil.dev/v1alpha1",
  kind: "AccessPolicy",
  metadata: { name: "out" },
  spec: { from: [{ workload: "front" }], to: [{ dns: "*.mail.test" }], ports: [443] },
});
/** In force until then, and before that for a share of the sources. */
const BRIEF = JSON.stringify({
  apiVersion: "vigil.dev/v1alpha1",
  kind: "AccessPolicy",
  metadata: { name: "brief" },
  spec: {
    from: [{ workload: "orders" }],
    to: [{ workload: "payments" }],
    expiresAt: new Date(NOW.nowMs + 1000).toISOString(),
    rollout: { percent: 50 },
  },
});

describe("names", () => {
  const set = accessSet(`
apiVersion: vigil.dev/v1alpha1
kind: AccessPolicy
metadata: { name: mailer-out }
spec:
  from: [{ workload: mailer }]
  to: [{ dns: "*.mail.test" }]
  ports: [25]
`);
  const mailer = workload("mailer");

  test("an address is reached once a name has led to it, and by no other way", () => {
    const compiler = new KernelCompiler();
    const subjects = [{ endpoint: mailer, hasUpperLayer: false }];
    const out = call({ source: mailer, to: "192.0.2.1", port: 25 });
    expect(ask(compiler, compiler.compile({ set, subjects, ...NOW }), out).verdict).toBe("deny");
    const learned = [{ address: out.destinationAddress, names: ["mx.mail.test"] }];
    const artifact = compiler.compile({ set, subjects, learned, ...NOW });
    expect(ask(compiler, artifact, out).verdict).toBe("allow");
    expect(ask(compiler, artifact, call({ source: mailer, to: "192.0.2.2", port: 25 })).verdict).toBe("deny");
    expect(ask(compiler, artifact, call({ source: mailer, to: "192.0.2.1", port: 26 })).verdict).toBe("deny");
  });
});
