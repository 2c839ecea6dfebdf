/**
 * Fuzzes the invariant that carries the product, by random policies of every kind and random calls: no layer denies what the policies allow,
 * all layers together decide exactly what they say, and both compiled forms say the same. A counterexample is made as small as it gets.
 */
import fc from "fast-check";
import { messageOf } from "../../src/lib/error.ts";
import { formatIpAddress } from "../../src/lib/ip-network.ts";
import type { JsonObject } from "../../src/lib/json.ts";
import type { Layer } from "../../src/policy/access/access-environment.ts";
import type { AccessSet } from "../../src/policy/access/access-set.ts";
import { CompiledAccess } from "../../src/policy/access/compiled-access.ts";
import { decideAccess, decideAtLayer } from "../../src/policy/access/decide-access.ts";
import { type Call, type Endpoint, EXTERNAL } from "../../src/policy/access/endpoint.ts";
import { KernelCompiler } from "../../src/target/kernel/compile-kernel.ts";
import { decideInKernel, EXTERNAL_IDENTITY, type KernelArtifact } from "../../src/target/kernel/kernel-artifact.ts";
import { calls, ENDPOINTS, policies } from "../access/random-access.ts";
import { accessSetOf } from "../access-text.ts";
import type { FuzzTarget } from "./target.ts";

const NOW = { nowMs: 1_790_000_000_000 };
/** The smallest counterexample until then has to do. */
const MAX_SHRINK_MS = 15_000;
/** Calls that are judged by each set of policies. */
const CALLS = 400;
/** What may enforce for a destination, from the lowest up. */
const COMBINATIONS: readonly (readonly Layer[])[] = [
  ["kernel"],
  ["proxy"],
  ["process"],
  ["kernel", "proxy"],
  ["kernel", "process"],
  ["proxy", "process"],
  ["kernel", "proxy", "process"],
];
const KNOWN = ENDPOINTS.filter((endpoint) => endpoint !== EXTERNAL);

const setOf = (documents: readonly JsonObject[]): AccessSet =>
  accessSetOf(documents.map((document) => JSON.stringify(document)).join("\n---\n"));

interface Kernel {
  readonly artifact: KernelArtifact;
  readonly identities: ReadonlyMap<Endpoint, number>;
}

function kernelOf(set: AccessSet, hasUpperLayer: (endpoint: Endpoint) => boolean): Kernel {
  const compiler = new KernelCompiler();
  const artifact = compiler.compile({
    set,
    subjects: KNOWN.map((endpoint) => ({ endpoint, hasUpperLayer: hasUpperLayer(endpoint) })),
    ...NOW,
  });
  return { artifact, identities: new Map(KNOWN.map((endpoint) => [endpoint, compiler.identityOf(endpoint) ?? EXTERNAL_IDENTITY])) };
}

function kernelVerdict({ artifact, identities }: Kernel, call: Call): "allow" | "deny" {
  const identity = (endpoint: Endpoint): number => identities.get(endpoint) ?? EXTERNAL_IDENTITY;
  return decideInKernel(artifact, { ...call, source: identity(call.source), destination: identity(call.destination) }).verdict;
}

function fail(what: string): never {
  throw new Error(what);
}

function checkLayers(set: AccessSet, call: Call, reference: "allow" | "deny"): void {
  for (const present of COMBINATIONS) {
    const verdicts = present.map((layer) => decideAtLayer(set, call, layer, present, NOW).verdict);
    const together = verdicts.includes("deny") ? "deny" : "allow";
    const names = present.join(" and ");
    if (present.at(-1) === "process") {
      if (together !== reference) fail(`${names} decide ${together}, not ${reference}`);
    } else if (together === "allow" && reference === "deny") fail(`${names} allow what is denied`);
    // Without the process, what only the process can see is not granted.
    if (reference === "allow" && verdicts.slice(0, -1).includes("deny"))
      fail(`a layer below the highest of ${names} denies what is allowed`);
  }
}

interface Forms {
  readonly compiled: CompiledAccess;
  readonly kernel: Kernel;
  /** What enforces for the destination, as the kernel's maps were compiled for it. */
  readonly present: readonly Layer[];
}

function check(set: AccessSet, call: Call, { compiled, kernel, present }: Forms): void {
  const { verdict } = decideAccess(set, call, NOW);
  checkLayers(set, call, verdict);
  if (compiled.decide(call, NOW.nowMs).verdict !== verdict) fail(`the compiled form does not decide ${verdict}`);
  const expected = decideAtLayer(set, call, "kernel", present, NOW).verdict;
  if (kernelVerdict(kernel, call) !== expected) fail(`the kernel's maps do not decide ${expected}`);
}

function textOf({ source, destination, sourceAddress, destinationAddress, ...facts }: Call): string {
  const end = ({ kind, namespace, name, labels }: Endpoint, address: Uint8Array): string =>
    `${kind} ${namespace}/${name}/${labels["colour"]} at ${formatIpAddress(address)}`;
  return `${end(source, sourceAddress)} to ${end(destination, destinationAddress)} with ${JSON.stringify(facts)}`;
}

const property = fc.property(
  policies,
  fc.subarray(KNOWN),
  fc.array(calls, { minLength: CALLS, maxLength: CALLS }),
  (documents, above, asked) => {
    const set = setOf(documents);
    const compiled = new CompiledAccess(set);
    const kernel = kernelOf(set, (endpoint) => above.includes(endpoint));
    for (const call of asked) {
      const present: readonly Layer[] = above.includes(call.destination) ? ["kernel", "process"] : ["kernel"];
      try {
        check(set, call, { compiled, kernel, present });
      } catch (cause) {
        throw new Error(`${messageOf(cause)}: ${textOf(call)}`, { cause });
      }
    }
  },
);

export const accessFuzz: FuzzTarget = {
  name: "access",
  casesPerInput: CALLS,
  run: (random) => {
    // Throws the smallest counterexample that it finds.
    fc.assert(property, { numRuns: 1, seed: Math.floor(random() * 2 ** 31), interruptAfterTimeLimit: MAX_SHRINK_MS });
  },
};
