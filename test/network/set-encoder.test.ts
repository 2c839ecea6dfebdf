/** Encoded after many others, a set says what its policies say: looked up as the kernel does, in what the blocks hold. */
import fc from "fast-check";
import { expect, test } from "vitest";
import { codecOf, type MapSpec, u32 } from "../../src/ebpf/index.ts";
import { DIRECTION_NUMBER, networkBanks, PROTOCOL_NUMBER } from "../../src/network/kernel-maps.ts";
import { type EncodedMap, type EncodedSet, SetEncoder } from "../../src/network/set-encoder.ts";
import type { Direction } from "../../src/policy/access/access-rule.ts";
import { type Call, type Endpoint, EXTERNAL } from "../../src/policy/access/endpoint.ts";
import { KernelCompiler } from "../../src/target/kernel/compile-kernel.ts";
import { decideInKernel, EXTERNAL_IDENTITY, type KernelArtifact } from "../../src/target/kernel/kernel-artifact.ts";
import { nodeOf } from "../../src/target/kernel/network-node.ts";
import { calls, ENDPOINTS, policies } from "../access/random-access.ts";
import { accessSet } from "../access-fixture.ts";

const NOW = { nowMs: 1_790_000_000_000 };
const known = ENDPOINTS.filter((endpoint) => endpoint !== EXTERNAL);
const BANKS = networkBanks();

/** What the kernel's map holds; no entry may be in two blocks. */
function entriesOf<K, V>({ inner }: { readonly inner: MapSpec<K, V> }, { blocks, entryCount }: EncodedMap): ReadonlyMap<string, V> {
  const [keyLayout, valueLayout] = [inner.key ?? u32, inner.value ?? expect.fail("no layout")];
  const found = new Map<string, V>();
  let count = 0;
  for (const block of blocks.values()) {
    const [keys, values] = [new DataView(block.keys.buffer), new DataView(block.values.buffer)];
    for (let index = 0; index < block.count; index++) {
      const key = JSON.stringify(codecOf(keyLayout as typeof u32).decode(keys, index * inner.keySize), (_name, value: unknown) =>
        typeof value === "bigint" ? String(value) : value,
      );
      expect(found.has(key)).toBe(false);
      found.set(key, codecOf(valueLayout).decode(values, index * inner.valueSize));
      count++;
    }
  }
  expect(count).toBeLessThanOrEqual(entryCount);
  return found;
}

/** The look-ups of the programs. */
class Lookup {
  readonly #set: { readonly [M in keyof typeof BANKS]: ReadonlyMap<string, unknown> };
  readonly #grounds: EncodedSet["grounds"];

  constructor({ maps, grounds }: EncodedSet) {
    const names = Object.keys(BANKS) as (keyof typeof BANKS)[];
    this.#set = Object.fromEntries(names.map((name) => [name, entriesOf(BANKS[name] as { inner: MapSpec }, maps[name])])) as never;
    this.#grounds = grounds;
  }

  #get<T>(name: keyof typeof BANKS, key: unknown): T | undefined {
    return this.#set[name].get(JSON.stringify(key)) as T | undefined;
  }

  direction(
    direction: Direction,
    identity: number,
    peer: number,
    node: number,
    { protocol, port }: Pick<Call, "protocol" | "port">,
  ): unknown {
    const policy = this.#get<{ policy: number; otherPeers: number; networkClasses: number; firstCell: number }>("policies", {
      identity,
      direction: DIRECTION_NUMBER[direction],
    });
    if (policy === undefined) return undefined;
    const own = this.#get<number>("peers", { policy: policy.policy, member: peer }) ?? policy.otherPeers;
    const network = this.#get<number>("networks", { policy: policy.policy, member: node }) ?? 0;
    const table = this.#get<number>("cells", policy.firstCell + own * policy.networkClasses + network);
    for (let bits = 64; bits >= 32; bits--) {
      // The key as it is masked to so many bits.
      const protocolNumber = bits >= 48 ? PROTOCOL_NUMBER[protocol] : 0;
      const masked = bits <= 48 ? 0 : port - (port % 2 ** (64 - bits));
      const found = this.#get<{ isAllowed: number; ground: number }>("verdicts", { bits, table, protocol: protocolNumber, port: masked });
      if (found !== undefined) return { verdict: found.isAllowed === 1 ? "allow" : "deny", ground: this.#grounds[found.ground] };
    }
    return "nothing";
  }
}

function expected(artifact: KernelArtifact, direction: Direction, identity: number, peer: number, call: Call): unknown {
  if (!artifact[direction].has(identity)) return undefined;
  const alone = { ...artifact, egress: new Map(), ingress: new Map(), [direction]: artifact[direction] } as KernelArtifact;
  const [source, destination] = direction === "egress" ? [identity, peer] : [peer, identity];
  const { verdict, by } = decideInKernel(alone, { ...call, source, destination });
  return { verdict, ground: by?.audited ?? by?.ground };
}

test("whatever was encoded before, the maps say what the policies say", { timeout: 120_000 }, () => {
  const step = fc.record({
    documents: policies,
    // Replicas come and go, and with them the numbers.
    present: fc.oneof(fc.constant(known), fc.subarray([...known], { minLength: 6 })),
    asked: fc.array(calls, { minLength: 12, maxLength: 12 }),
  });
  const property = fc.property(fc.array(step, { minLength: 2, maxLength: 5 }), (steps) => {
    const [compiler, encoder] = [new KernelCompiler(), new SetEncoder()];
    const places = new Map<readonly Endpoint[], Parameters<SetEncoder["encode"]>[1]>();
    for (const { documents, present, asked } of steps) {
      const set = accessSet(documents.map((document) => JSON.stringify(document)).join("\n---\n"));
      const artifact = compiler.compile({ set, subjects: present.map((endpoint) => ({ endpoint, hasUpperLayer: false })), ...NOW });
      const identityOf = (endpoint: Endpoint): number => compiler.identityOf(endpoint) ?? EXTERNAL_IDENTITY;
      const whereabouts = places.get(present) ?? {
        cgroups: present.map((endpoint, index) => ({ id: BigInt(index), identity: identityOf(endpoint) })),
        addresses: [],
        host: 0,
      };
      places.set(present, whereabouts);
      const lookup = new Lookup(encoder.encode(artifact, whereabouts));
      for (const call of asked) {
        const [source, destination] = [identityOf(call.source), identityOf(call.destination)];
        const out = lookup.direction("egress", source, destination, nodeOf(artifact, call.destinationAddress), call);
        expect(out).toEqual(expected(artifact, "egress", source, destination, call));
        const into = lookup.direction("ingress", destination, source, nodeOf(artifact, call.sourceAddress), call);
        expect(into).toEqual(expected(artifact, "ingress", destination, source, call));
      }
    }
  });
  fc.assert(property, { numRuns: 40 });
});
