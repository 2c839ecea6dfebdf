import fc from "fast-check";
import { expect, test } from "vitest";
import { formatIpAddress, parseIpPrefix } from "../../lib/ip-network.ts";
import type { AccessRule } from "../../policy/access/access-rule.ts";
import type { PeerMatch } from "../../policy/access/peer-match.ts";
import { type NetworkNodes, networkNodes, nodeOf, nodeOfNames } from "./network-node.ts";

const names = fc.constantFrom("a.test", "b.test", "x.a.test", "y.x.a.test", "mail.test", "elsewhere.org");
const address = fc.uint8Array({ minLength: 4, maxLength: 4 }).map((octets) => Uint8Array.of(10, octets[1] ?? 0, 0, (octets[3] ?? 0) % 4));
const learnedAddress = fc.record({ address, names: fc.uniqueArray(names, { minLength: 1, maxLength: 3 }) });
const match: fc.Arbitrary<PeerMatch> = fc.oneof(
  fc.constantFrom("a.test", "*.a.test", "+.test", "*", "m+l.test").map((pattern) => ({ kind: "dns" as const, pattern })),
  fc.constantFrom("10.0.0.0/8", "10.0.0.0/16", "10.0.0.1/32").map((text) => ({
    kind: "network" as const,
    prefix: parseIpPrefix(text) ?? expect.fail(text),
    except: [],
    scope: "all" as const,
  })),
);
const rules = fc.array(match, { maxLength: 6 }).map((peer) => [{ peer } as unknown as AccessRule]);

const nodeText = (network: NetworkNodes, number: number | undefined): string => JSON.stringify(network.nodes[number ?? -1]);

test("what is learned later has the node that compiling anew would give it, or none yet", () => {
  fc.assert(
    fc.property(rules, fc.array(learnedAddress, { maxLength: 5 }), learnedAddress, (own, before, next) => {
      const old = networkNodes(own, before);
      const others = before.filter(({ address: other }) => formatIpAddress(other) !== formatIpAddress(next.address));
      const fresh = networkNodes(own, [...others, next]);
      const found = nodeOfNames(old, next);
      if (found !== undefined) expect(nodeText(old, found)).toBe(nodeText(fresh, nodeOf(fresh, next.address)));
      // What is forgotten has the node of its longest prefix.
      const forgotten = networkNodes(own, others);
      const base = nodeOfNames(old, { address: next.address, names: [] });
      expect(nodeText(old, base)).toBe(nodeText(forgotten, nodeOf(forgotten, next.address)));
    }),
  );
});

test("what patterns foresee needs no compiling", () => {
  const peer: readonly PeerMatch[] = ["api.test", "*.test", "+.shop.test"].map((pattern) => ({ kind: "dns", pattern }));
  const network = networkNodes([{ peer } as unknown as AccessRule], []);
  for (const name of ["api.test", "other.test", "a.b.test", "cart.shop.test"])
    expect(nodeOfNames(network, { address: Uint8Array.of(192, 0, 2, 1), names: [name] }), name).toBeDefined();
});
