/** The kernel's maps, looked up as the kernel does, say what the kernel layer must say: no more and no less. */
import fc from "fast-check";
import { describe, expect, test } from "vitest";
import type { Layer } from "../../src/policy/access/access-environment.ts";
import type { AccessSet } from "../../src/policy/access/access-set.ts";
import { decideAccess, decideAtLayer } from "../../src/policy/access/decide-access.ts";
import { type Call, EXTERNAL } from "../../src/policy/access/endpoint.ts";
import { KernelCompiler } from "../../src/target/kernel/compile-kernel.ts";
import { decideInKernel, EXTERNAL_IDENTITY, type KernelArtifact } from "../../src/target/kernel/kernel-artifact.ts";
import { accessSet, call, workload } from "../access-fixture.ts";
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

test("looked up in the maps, a call gets the verdict of the kernel layer", () => {
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

test("a change compiles to what a new compiler makes of it", () => {
  const property = fc.property(
    fc.array(sets, { minLength: 2, maxLength: 4 }),
    fc.array(calls, { minLength: 10, maxLength: 10 }),
    (steps, asked) => {
      const subjects = known.map((endpoint) => ({ endpoint, hasUpperLayer: true }));
      const reused = new KernelCompiler();
      for (const { set } of steps) {
        const artifact = reused.compile({ set, subjects, ...NOW });
        const fresh = new KernelCompiler();
        const expected = fresh.compile({ set, subjects, ...NOW });
        for (const one of asked) expect(ask(reused, artifact, one).verdict).toBe(ask(fresh, expected, one).verdict);
      }
    },
  );
  fc.assert(property, { numRuns: 60 });
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
