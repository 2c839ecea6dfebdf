/**
 * The standard tables of ClusterNetworkPolicy and the truth tables of NetworkPolicy in the kernel: pods are processes in network namespaces
 * and cgroups, and every cell of a table is a connection or a datagram that is answered, or is not. Needs root, cgroup v2 and BTF.
 */
import { afterAll, beforeAll, expect, test } from "vitest";
import { parseIpAddress } from "../../src/lib/ip-address.ts";
import { formatIpAddress } from "../../src/lib/ip-network.ts";
import { type NetworkEnforcement, openNetworkEnforcement } from "../../src/network/enforcement.ts";
import { compileAccessSet } from "../../src/policy/access/access-set.ts";
import { conformanceCases, type Pod, type Probe } from "../access/conformance-cases.ts";
import { allows, CASES, documents, endpointOf, PODS, PORTS } from "../access/network-policy-cases.ts";
import { accessSet } from "../access-fixture.ts";
import { type NetworkProbe, PodNetwork } from "./pod-network.ts";

/** There is no SCTP in the kernels that this runs on. */
const PROTOCOLS = ["TCP", "UDP"] as const;
const FAMILIES = ["ip", "ip6"] as const;

let pods: PodNetwork;
let enforcement: NetworkEnforcement;

beforeAll(async () => {
  // Nine pods serve both tables: each has its addresses in the one and in the other.
  const places = PODS.map(({ ip, ip6 }, place) => ({
    name: `pod${place}`,
    addresses: [`10.244.0.${place + 1}/24`, `fd00::${place + 1}/64`, `${ip}/16`, `${ip6}/64`],
  }));
  pods = await PodNetwork.start(`vigil-conformance-${process.pid}`, places, { tcp: [80, 81, 8080], udp: [80, 81, 53, 5353] });
  // Full soon, and for most of the time: what is new must not be forgotten for that.
  enforcement = openNetworkEnforcement({ cgroupRoot: pods.root.path, sizes: { connections: 8192 } });
}, 60_000);

afterAll(async () => {
  enforcement[Symbol.dispose]();
  await pods[Symbol.asyncDispose]();
});

const octets = (text: string): Uint8Array => parseIpAddress(text) ?? expect.fail(`no address: ${text}`);

test("without policies every pod reaches every pod", async () => {
  const probes = PODS.flatMap((target) =>
    PODS.flatMap((source, from) =>
      FAMILIES.map((family) => ({
        from,
        protocol: "tcp" as const,
        source: source[family],
        address: target[family],
        port: 80,
        expected: "allow" as const,
      })),
    ),
  );
  expect(await pods.wrong(probes)).toEqual([]);
});

/** Probes in a row between which nothing changes. */
function* unchanged(probes: readonly Probe[]): Generator<readonly [Probe, ...Probe[]], void> {
  let run: [Probe, ...Probe[]] | undefined;
  for (const probe of probes) {
    if (run?.[0].resources === probe.resources && run[0].pods === probe.pods) run.push(probe);
    else {
      if (run !== undefined) yield run;
      run = [probe];
    }
  }
  if (run !== undefined) yield run;
}

test.each([4, 6] as const)("all cases of ClusterNetworkPolicy hold over IPv%i", { timeout: 120_000 }, async (family) => {
  const cases = conformanceCases(family);
  const wrong: string[] = [];
  let count = 0;
  for (const { suite, name, probes } of cases) {
    for (const run of unchanged(probes)) {
      const [{ resources, pods: known }] = run;
      const { set, diagnostics } = compileAccessSet(resources);
      expect(diagnostics).toEqual([]);
      const placeOf = (pod: Pod): number => known.findIndex(({ endpoint }) => endpoint === pod.endpoint);
      enforcement.setInventory(
        known.map(({ endpoint, address }, place) => ({ endpoint, addresses: [address], cgroupPath: pods.cgroupPaths[place] })),
      );
      enforcement.setPolicies(set);
      const asked = run.flatMap(({ from, to, protocol, port, expected }) =>
        protocol === "tcp" || protocol === "udp"
          ? [{ from: placeOf(from), protocol, source: formatIpAddress(from.address), address: formatIpAddress(to.address), port, expected }]
          : [],
      );
      count += asked.length;
      for (const { from, address, protocol, port, expected } of await pods.wrong(asked))
        wrong.push(`${suite} ${name}: ${from} > ${address} ${protocol}/${port} is to be ${expected}`);
    }
  }
  expect(wrong).toEqual([]);
  expect(cases.length).toBe(83);
  // Of 284, without the 88 of SCTP.
  expect(count).toBe(196);
});

test("the truth tables of NetworkPolicy hold over both families", { timeout: 240_000 }, async () => {
  enforcement.setInventory(
    PODS.map((pod, place) => ({
      endpoint: endpointOf(pod),
      addresses: [octets(pod.ip), octets(pod.ip6)],
      cgroupPath: pods.cgroupPaths[place],
    })),
  );
  const wrong: string[] = [];
  let count = 0;
  for (const [name, policies] of CASES) {
    enforcement.setPolicies(accessSet(documents(policies)));
    const probes = PODS.flatMap((source, from) =>
      PODS.flatMap((target) =>
        PORTS.flatMap((port) =>
          PROTOCOLS.flatMap((protocol) =>
            FAMILIES.map((family): NetworkProbe => {
              const expected = allows(policies, source, target, port, protocol) ? "allow" : "deny";
              const [own, address] = [source[family], target[family]];
              return { from, protocol: protocol === "TCP" ? "tcp" : "udp", source: own, address, port, expected };
            }),
          ),
        ),
      ),
    );
    count += probes.length;
    for (const { from, address, protocol, port, expected } of await pods.wrong(probes))
      wrong.push(`${name}: ${from} > ${address} ${protocol}/${port} is to be ${expected}`);
  }
  expect(wrong.slice(0, 20)).toEqual([]);
  expect(count).toBe(188 * 81 * 2 * 2 * 2);
});
