/**
 * The kernel's programs give random packets under random policies the verdict of the reference: each packet is run through the source's egress
 * program and the destination's ingress program (BPF_PROG_TEST_RUN), in a process that is in the cgroup of each in turn.
 */
import { readFileSync, writeFileSync } from "node:fs";
import { createServer } from "node:net";
import { join } from "node:path";
import fc from "fast-check";
import { expect, test } from "vitest";
import { attachCgroup, KeyedMap, loadCollection, testRun } from "../../src/ebpf/index.ts";
import { formatIpAddress, sameAddress } from "../../src/lib/ip-network.ts";
import { cgroup2Path } from "../../src/linux/mounts.ts";
import { mappedAddress, type Whereabouts } from "../../src/network/encode-whereabouts.ts";
import { networkPrograms } from "../../src/network/enforcement.ts";
import { DEFAULT_SIZES, networkMaps, PROTOCOL_NUMBER } from "../../src/network/kernel-maps.ts";
import { PolicyBanks } from "../../src/network/policy-banks.ts";
import { SetEncoder } from "../../src/network/set-encoder.ts";
import { decideAtLayer } from "../../src/policy/access/decide-access.ts";
import { type Call, type Endpoint, EXTERNAL } from "../../src/policy/access/endpoint.ts";
import { KernelCompiler } from "../../src/target/kernel/compile-kernel.ts";
import { EXTERNAL_IDENTITY } from "../../src/target/kernel/kernel-artifact.ts";
import { calls, ENDPOINTS, policies } from "../access/random-access.ts";
import { accessSet } from "../access-fixture.ts";
import { packetOf } from "./packet.ts";
import { TestCgroup } from "./workload.ts";

const NOW = { nowMs: 1_790_000_000_000 };
const SETS = 60;
const CALLS_OF_A_SET = 400;
const HOST_ADDRESSES = [Uint8Array.of(10, 9, 0, 77), Uint8Array.of(0xfd, ...new Array<number>(14).fill(0), 77)];

const half = (address: Uint8Array, index: 0 | 8): bigint => new DataView(mappedAddress(address).buffer).getBigUint64(index, true);

/** As it can be on a wire: both ends of one family, and the host at the addresses that are its own. */
function onWire(call: Call): Call | undefined {
  const placed = (end: Endpoint, address: Uint8Array): Uint8Array =>
    end.kind === "host" ? (HOST_ADDRESSES[address.length === 4 ? 0 : 1] ?? address) : address;
  const sourceAddress = placed(call.source, call.sourceAddress);
  const destinationAddress = placed(call.destination, call.destinationAddress);
  if (sourceAddress.length !== destinationAddress.length) return undefined;
  if (call.protocol.startsWith("icmp") && (call.protocol === "icmp") !== (sourceAddress.length === 4)) return undefined;
  // What a workload sends to itself by ICMP cannot be told from its answer; the kernel answers it without asking the workload.
  if (call.protocol.startsWith("icmp") && call.source === call.destination && sameAddress(sourceAddress, destinationAddress))
    return undefined;
  return { ...call, sourceAddress, destinationAddress };
}

function textOf({ source, destination, sourceAddress, destinationAddress, protocol, port }: Call): string {
  const end = ({ kind, namespace, name, labels }: Endpoint, address: Uint8Array): string =>
    `${kind} ${namespace}/${name}/${labels["colour"]} at ${formatIpAddress(address)}`;
  return `${end(source, sourceAddress)} → ${end(destination, destinationAddress)} ${protocol} ${port}`;
}

test("random packets get the verdict of the reference", { timeout: 300_000 }, async () => {
  const maps = networkMaps(DEFAULT_SIZES);
  const programs = networkPrograms(maps);
  using owned = new DisposableStack();
  const loaded = owned.use(loadCollection({ programs, maps: [maps.fence.outer, ...Object.values(maps.banks).map(({ outer }) => outer)] }));
  const [egressSpec, ingressSpec] = programs;
  if (egressSpec === undefined || ingressSpec === undefined) throw new Error("no programs");
  const [egress, ingress] = [loaded.program(egressSpec), loaded.program(ingressSpec)];
  const [flows, listeners] = [new KeyedMap(loaded.map(maps.flows)), new KeyedMap(loaded.map(maps.listeners))];
  const connections = new KeyedMap(loaded.map(maps.connections));
  const banks = owned.use(new PolicyBanks(maps, loaded));
  const compiler = new KernelCompiler();
  const encoder = new SetEncoder();
  const known = ENDPOINTS.filter((endpoint) => endpoint !== EXTERNAL);
  const subjects = known.map((endpoint) => ({ endpoint, hasUpperLayer: false }));
  const identityOf = (end: Endpoint): number => compiler.identityOf(end) ?? EXTERNAL_IDENTITY;

  const root = owned.use(new TestCgroup(`vigil-verdicts-${process.pid}`));
  const home = join(cgroup2Path() ?? "", /^0::(.*)$/m.exec(readFileSync("/proc/self/cgroup", "utf8"))?.[1] ?? "/");
  const enter = (path: string): void => writeFileSync(join(path, "cgroup.procs"), String(process.pid));
  const workloads = known.filter(({ kind }) => kind === "workload");
  const cgroups = new Map(workloads.map((endpoint, index) => [endpoint, owned.use(new TestCgroup(`w${index}`, root.path))]));
  const ids = new Map([...cgroups].map(([endpoint, { id }]) => [endpoint, id]));
  owned.defer(() => enter(home));

  const places = (): Whereabouts => ({
    cgroups: [...ids].map(([endpoint, id]) => ({ id, identity: identityOf(endpoint) })),
    // Workloads share addresses that anybody may have: only cgroups tell them apart.
    addresses: [
      ...HOST_ADDRESSES.map((address) => ({ address, identity: identityOf(known.at(-1) ?? EXTERNAL), isLocal: true })),
      ...SHARED.map((address) => ({ address, identity: EXTERNAL_IDENTITY, isLocal: true })),
    ],
    host: identityOf(known.at(-1) ?? EXTERNAL),
  });
  const SHARED = fc.sample(calls, 200).map(({ sourceAddress }) => sourceAddress);

  // Which network the test run is in, by a socket that a workload binds.
  const options = { levels: 1 << 2, isAudit: false };
  const begin = compiler.compile({ set: accessSet(""), subjects, ...NOW });
  banks.swap(encoder.encode(begin, places()), options);
  const network = await (async (): Promise<bigint> => {
    using links = new DisposableStack();
    for (const spec of programs) links.use(attachCgroup(loaded.program(spec), root.path));
    enter([...cgroups.values()][0]?.path ?? home);
    const server = createServer();
    await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
    const [key] = [...listeners.entries()][0] ?? [];
    await new Promise((resolve) => server.close(resolve));
    enter(home);
    return key?.network ?? expect.fail("the bound socket was not seen");
  })();

  const wrong: string[] = [];
  let judged = 0;
  let denied = 0;
  const sets = fc.sample(policies, { numRuns: SETS, seed: 20_261_128 });
  for (const [round, documents] of sets.entries()) {
    const set = accessSet(documents.map((document) => JSON.stringify(document)).join("\n---\n"));
    const artifact = compiler.compile({ set, subjects, ...NOW });
    banks.swap(encoder.encode(artifact, places()), options);
    const samples = fc.sample(calls, { numRuns: CALLS_OF_A_SET, seed: round }).flatMap((call, index) => {
      const wire = onWire(call);
      if (wire === undefined) return [];
      // A source port of its own, so that no sample is taken for a part of another one.
      return [
        { call: wire, sourcePort: 1024 + index, verdict: decideAtLayer(set, wire, "kernel", ["kernel"], NOW).verdict, isPassed: true },
      ];
    });
    const bySource = Map.groupBy(samples, ({ call }) => call.source);
    for (const [source, own] of bySource) {
      const cgroup = cgroups.get(source);
      if (cgroup === undefined) continue;
      enter(cgroup.path);
      for (const sample of own) {
        const { call, sourcePort } = sample;
        const destination = ids.get(call.destination);
        const protocol = PROTOCOL_NUMBER[call.protocol];
        const isIcmp = call.protocol.startsWith("icmp");
        const where = {
          network,
          high: half(call.destinationAddress, 0),
          low: half(call.destinationAddress, 8),
          port: isIcmp ? sourcePort : call.port,
          protocol,
          zero: 0,
        };
        if (destination === undefined) listeners.delete(where);
        else listeners.set(where, { cgroup: destination, cookie: 0n });
        sample.isPassed = testRun(egress, { data: packetOf(call, sourcePort) }).returned === 1;
      }
    }
    const byDestination = Map.groupBy(samples, ({ call }) => call.destination);
    for (const [destination, own] of byDestination) {
      const cgroup = cgroups.get(destination);
      if (cgroup === undefined) continue;
      enter(cgroup.path);
      for (const sample of own) {
        if (sample.isPassed) sample.isPassed = testRun(ingress, { data: packetOf(sample.call, sample.sourcePort) }).returned === 1;
      }
    }
    enter(home);
    for (const { call, verdict, isPassed } of samples) {
      judged++;
      if (verdict === "deny") denied++;
      if (isPassed !== (verdict === "allow"))
        wrong.push(`round ${round}: ${textOf(call)} is to be ${verdict} by ${JSON.stringify(documents)}`);
    }
    // The same ports stand for other calls in the next round.
    flows.deleteAll([...flows.entries()].map(([key]) => key));
    connections.deleteAll([...connections.entries()].map(([key]) => key));
  }
  expect(wrong.slice(0, 5)).toEqual([]);
  console.log(`${judged} packets, ${denied} of them denied`);
  expect(judged).toBeGreaterThan(10_000);
  expect(denied).toBeGreaterThan(judged / 10);
  expect(denied).toBeLessThan((judged * 9) / 10);
});
