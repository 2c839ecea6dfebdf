/** Names in the kernel: workloads ask, the proxy learns, and only what was an answer is reached. Needs root, cgroup v2, BTF and `ip`. */
import { type ChildProcess, execFileSync, spawn } from "node:child_process";
import { once } from "node:events";
import { rmdirSync } from "node:fs";
import { join } from "node:path";
import { afterAll, beforeAll, beforeEach, describe, expect, test, vi } from "vitest";
import { openPinDirectory } from "../../src/ebpf/index.ts";
import { parseIpAddress } from "../../src/lib/ip-address.ts";
import { type DnsProxy, openDnsProxy } from "../../src/network/dns/dns-proxy.ts";
import type { NameLookup } from "../../src/network/dns/question-answerer.ts";
import { type NetworkEnforcement, openNetworkEnforcement } from "../../src/network/enforcement.ts";
import { accessSet, workload } from "../access-fixture.ts";
import { encodeName, TestResolver, type ZoneRecord } from "./dns-server.ts";
import { TestCgroup, TestWorkload } from "./workload.ts";

const TAG = `vd${process.pid % 100_000}`;
const PORT = 4433;
/** Of the network outside: told apart from those of other runs, so that several can run at once. */
const SLOT = process.pid % 200;
const outside4 = (host: number): string => `198.18.${SLOT}.${host}`;
const outside6 = (host: number): string => `2001:db8:${SLOT.toString(16)}::${host.toString(16)}`;
const RESOLVER = `127.53.${SLOT}.1`;
const OTHER_RESOLVER = `127.53.${SLOT}.2`;
const RESOLVER6 = outside6(1);
const HOSTS = [10, 11, 12, 13, 14, 15, 16, 17, 18, 19];

const POLICY = `
apiVersion: vigil.dev/v1alpha1
kind: AccessPolicy
metadata: { name: bank, namespace: shop }
spec:
  from: [{ workload: orders }]
  to: [{ dns: api.bank.test }, { dns: '*.many.test' }]
  ports: [${PORT}]
`;

const a = (name: string, data: string, ttlS: number = 60): ZoneRecord => ({ name, type: "A", ttlS, data });
const aaaa = (name: string, data: string, ttlS: number = 60): ZoneRecord => ({ name, type: "AAAA", ttlS, data });
const alias = (name: string, data: string, ttlS: number = 60): ZoneRecord => ({ name, type: "CNAME", ttlS, data });

const ip = (...args: readonly string[]): void => void execFileSync("ip", args, { stdio: "pipe" });
const owned = new AsyncDisposableStack();
const lookups: NameLookup[] = [];
let shiftMs = 0;
const now = (): number => Date.now() + shiftMs;
let root: TestCgroup;
let enforcement: NetworkEnforcement;
let proxy: DnsProxy;
let orders: TestWorkload;
let front: TestWorkload;
let resolver: TestResolver;
let other: TestResolver;
let resolver6: TestResolver;

const trusted = (): readonly Uint8Array[] => [RESOLVER, RESOLVER6].flatMap((text) => parseIpAddress(text) ?? []);
const openProxy = (): Promise<DnsProxy> =>
  openDnsProxy(enforcement, { resolvers: trusted, timeoutMs: 300, now, onLookup: (lookup) => void lookups.push(lookup) });
const resolve = (asking: TestWorkload, name: string, family: 4 | 6 = 4, server: string = RESOLVER): Promise<string> =>
  asking.ask({ do: "resolve", server: server.includes(":") ? `[${server}]` : server, name, family });
const openEnforcement = (): NetworkEnforcement =>
  openNetworkEnforcement({ cgroupRoot: root.path, pins: openPinDirectory(TAG), now, nameLimits: { addressesPerName: 20 } });

beforeAll(async () => {
  // A network outside, with hosts that answer at every address.
  ip("netns", "add", TAG);
  owned.defer(() => ip("netns", "del", TAG));
  ip("link", "add", TAG, "type", "veth", "peer", "name", "out", "netns", TAG);
  ip("addr", "add", `${outside4(1)}/24`, "dev", TAG);
  ip("addr", "add", `${outside6(1)}/64`, "dev", TAG, "nodad");
  ip("link", "set", TAG, "up");
  ip("-n", TAG, "link", "set", "out", "up");
  for (const host of HOSTS) {
    ip("-n", TAG, "addr", "add", `${outside4(host)}/24`, "dev", "out");
    ip("-n", TAG, "addr", "add", `${outside6(host)}/64`, "dev", "out", "nodad");
  }
  const server: ChildProcess = spawn(
    "ip",
    ["netns", "exec", TAG, process.execPath, join(import.meta.dirname, "outside-server.ts"), String(PORT)],
    {
      stdio: ["pipe", "pipe", "inherit"],
    },
  );
  const ended = new Promise<string>((resolve) =>
    server.once("exit", (code, signal) => resolve(`the host outside ended: ${code} ${signal}`)),
  );
  let isOver = false;
  void ended.then((why) => {
    if (!isOver) console.error(why);
  });
  owned.defer(async () => {
    isOver = true;
    server.stdin?.end();
    await ended;
  });
  if (server.stdout !== null) await once(server.stdout, "data");
  resolver = owned.use(await TestResolver.listen(RESOLVER));
  other = owned.use(await TestResolver.listen(OTHER_RESOLVER));
  resolver6 = owned.use(await TestResolver.listen(RESOLVER6));
  const pins = openPinDirectory(TAG);
  owned.defer(() => rmdirSync(pins.path));
  root = owned.use(new TestCgroup(`vigil-dns-${process.pid}`));
  enforcement = openEnforcement();
  orders = owned.use(new TestWorkload(workload("orders"), root.path));
  front = owned.use(new TestWorkload(workload("front"), root.path));
  enforcement.setInventory([orders, front]);
  enforcement.setPolicies(accessSet(POLICY));
  proxy = await openProxy();
});

afterAll(async () => {
  await proxy.close();
  enforcement[Symbol.dispose]();
  await owned.disposeAsync();
});

beforeEach(() => {
  lookups.length = 0;
  resolver.asked.length = 0;
});

const call = (asking: TestWorkload, address: string, port: number = PORT): Promise<string> => asking.call("tcp", address, port);

test("an address is reached once it was the answer to an allowed name, and no other one, and not on another port", async () => {
  resolver.zone = { "api.bank.test": [a("api.bank.test", outside4(10))] };
  expect(await call(orders, outside4(10))).toBe("EPERM");
  expect(await resolve(orders, "api.bank.test")).toBe(outside4(10));
  expect(await call(orders, outside4(10))).toBe("answered");
  expect(await call(orders, outside4(11))).toBe("EPERM");
  expect(await call(orders, outside4(10), PORT + 1)).toBe("EPERM");
  expect(lookups).toMatchObject([
    {
      name: "api.bank.test",
      verdict: "allow",
      resolver: RESOLVER,
      protocol: "udp",
      rcode: 0,
      addresses: [outside4(10)],
      source: { name: "orders" },
      ground: { tier: "access", origin: { policy: "AccessPolicy shop/bank" } },
    },
  ]);
});

test("the first packet after an answer passes, each time", async () => {
  resolver.zone = Object.fromEntries(HOSTS.map((host) => [`h${host}.many.test`, [a(`h${host}.many.test`, outside4(host))]]));
  for (const host of HOSTS) {
    const address = await resolve(orders, `h${host}.many.test`);
    expect(await call(orders, address), address).toBe("answered");
  }
});

test("the first packet passes when many are asked for at once, by names that nobody knew", async () => {
  const names = Array.from({ length: 60 }, (_, index) => `n${index}.burst.test`);
  enforcement.setPolicies(accessSet(POLICY.replace("'*.many.test'", "'*.burst.test'")));
  expect(await call(orders, outside4(19))).toBe("EPERM");
  resolver.zone = Object.fromEntries(names.map((name, index) => [name, [a(name, outside4(HOSTS[index % HOSTS.length] ?? 10))]]));
  const outcomes = await Promise.all(names.map(async (name) => call(orders, await resolve(orders, name))));
  expect(new Set(outcomes)).toEqual(new Set(["answered"]));
  expect(lookups.filter(({ verdict, rcode }) => verdict === "allow" && rcode === 0)).toHaveLength(names.length);
  enforcement.setPolicies(accessSet(POLICY));
});

test("a name that no policy allows is refused, and nobody outside hears of it", async () => {
  resolver.zone = { "evil.test": [a("evil.test", outside4(12))] };
  expect(await resolve(orders, "evil.test")).toBe("EREFUSED");
  expect(resolver.asked).toEqual([]);
  expect(lookups).toMatchObject([{ name: "evil.test", verdict: "deny", rcode: 5, ground: { tier: "isolation" } }]);
});

test("a workload of which no policy says names asks its resolver itself", async () => {
  resolver.zone = { "evil.test": [a("evil.test", outside4(12))] };
  expect(await resolve(front, "evil.test")).toBe(outside4(12));
  expect(lookups).toEqual([]);
});

test("a resolver that the workload found for itself is not asked", async () => {
  other.zone = { "api.bank.test": [a("api.bank.test", outside4(13))] };
  expect(await resolve(orders, "api.bank.test", 4, OTHER_RESOLVER)).toBe("EREFUSED");
  expect(other.asked).toEqual([]);
});

test("aliases lead to addresses, and only those of the name that was asked for are learned", async () => {
  resolver.zone = {
    "x.many.test": [alias("x.many.test", "cdn.test"), a("cdn.test", outside4(14)), a("unrelated.many.test", outside4(15))],
  };
  await resolve(orders, "x.many.test");
  expect(await call(orders, outside4(14))).toBe("answered");
  expect(enforcement.names.namesOf(parseIpAddress(outside4(15)) ?? new Uint8Array())).not.toContain("unrelated.many.test");
});

test("an address that means this host or its links is told and never learned", async () => {
  resolver.zone = { "rebind.many.test": [a("rebind.many.test", "127.0.0.1"), a("rebind.many.test", "169.254.169.254")] };
  expect(await resolve(orders, "rebind.many.test")).toContain("127.0.0.1");
  expect(await call(orders, "127.0.0.1", PORT)).toBe("EPERM");
  expect(enforcement.names.namesOf(Uint8Array.of(127, 0, 0, 1))).toEqual([]);
  expect(enforcement.names.namesOf(Uint8Array.of(169, 254, 169, 254))).toEqual([]);
});

test("an answer that is cut is asked for again by TCP", async () => {
  const records = HOSTS.map((host) => a("big.many.test", outside4(host)));
  resolver.zone = { "big.many.test": { truncated: records } };
  expect((await resolve(orders, "big.many.test")).split(" ")).toHaveLength(records.length);
  expect(resolver.asked).toEqual(["big.many.test udp", "big.many.test tcp"]);
  expect(lookups.map(({ protocol }) => protocol)).toEqual(["udp", "tcp"]);
});

test("a resolver that says nothing, or is not there, is a failure in bounded time", async () => {
  resolver.zone = { "api.bank.test": "silence" };
  expect(await resolve(orders, "api.bank.test")).toBe("ESERVFAIL");
  expect(resolver.asked).toHaveLength(2);
  expect(lookups).toMatchObject([{ rcode: 2, failure: "no answer in time" }]);
});

test("a name that does not exist is told so", async () => {
  resolver.zone = {};
  expect(await resolve(orders, "api.bank.test")).toBe("ENOTFOUND");
});

test("more addresses than are remembered of a name are a failure rather than a surprise later", async () => {
  resolver.zone = { "wide.many.test": Array.from({ length: 21 }, (_, index) => a("wide.many.test", `198.51.100.${index}`)) };
  expect(await resolve(orders, "wide.many.test")).toBe("ESERVFAIL");
  expect(lookups[0]?.failure).toBe("the limit of `addressesPerName` is reached");
});

test("hundreds of names are each their own: an address of one is none of another's", async () => {
  const ports = (index: number): number => PORT + (index % 2);
  const policies = Array.from({ length: 300 }, (_, index) =>
    POLICY.replace("{ name: bank,", `{ name: n${index},`)
      .replace("{ dns: api.bank.test }, { dns: '*.many.test' }", `{ dns: n${index}.each.test }`)
      .replace(`ports: [${PORT}]`, `ports: [${ports(index)}]`),
  );
  enforcement.setPolicies(accessSet(policies.join("---")));
  resolver.zone = {
    "n298.each.test": [a("n298.each.test", outside4(12))],
    "n299.each.test": [a("n299.each.test", outside4(13))],
    "n300.each.test": [a("n300.each.test", outside4(14))],
  };
  expect(await resolve(orders, "n298.each.test")).toBe(outside4(12));
  expect(await call(orders, outside4(12))).toBe("answered");
  expect(await resolve(orders, "n299.each.test")).toBe(outside4(13));
  expect(await call(orders, outside4(13))).toBe("EPERM"); // on the port of another name
  expect(await resolve(orders, "n300.each.test")).toBe("EREFUSED");
  enforcement.setPolicies(accessSet(POLICY));
});

test("what a set does not name is known again when the next one names it", async () => {
  resolver.zone = { "api.bank.test": [a("api.bank.test", outside4(10))] };
  await resolve(orders, "api.bank.test");
  enforcement.setPolicies(accessSet(POLICY.replace("{ dns: api.bank.test }, { dns: '*.many.test' }", "{ dns: other.test }")));
  expect(await call(orders, outside4(10))).toBe("EPERM");
  enforcement.setPolicies(accessSet(POLICY));
  expect(await call(orders, outside4(10))).toBe("answered");
});

describe("by IPv6", () => {
  test("a resolver is asked and an address reached", async () => {
    resolver6.zone = { "api.bank.test": [aaaa("api.bank.test", outside6(16))] };
    expect(await call(orders, outside6(16))).toBe("EPERM");
    expect(await resolve(orders, "api.bank.test", 6, RESOLVER6)).toBe(outside6(16));
    expect(await call(orders, outside6(16))).toBe("answered");
    expect(await call(orders, outside6(17))).toBe("EPERM");
    expect(lookups).toMatchObject([{ resolver: RESOLVER6, addresses: [outside6(16)] }]);
  });
});

/** A query for A records. */
const query = (name: string): string =>
  Buffer.from([0x12, 0x34, 1, 0, 0, 1, 0, 0, 0, 0, 0, 0, ...encodeName(name), 0, 1, 0, 1]).toString("hex");

test.each([RESOLVER, RESOLVER6, `::ffff:${RESOLVER}`])(
  "a socket that is not connected hears its answer from %s, whom it asked",
  async (server) => {
    for (const each of [resolver, resolver6]) each.zone = { "api.bank.test": [a("api.bank.test", outside4(10))] };
    expect(await orders.ask({ do: "ask", server, query: query("api.bank.test") })).toBe(`${server} 53 0`);
    expect(await orders.ask({ do: "ask", server, query: query("evil.test") })).toBe(`${server} 53 5`);
    expect(await orders.ask({ do: "ask", server, query: "1234" })).toBe("silence");
  },
);

test.each([RESOLVER, RESOLVER6, `::ffff:${RESOLVER}`])("a connected socket takes %s for its other end", async (server) => {
  expect(await orders.ask({ do: "peer", server })).toBe(`${server} 53`);
});

test("after its time and the grace an address is refused, unless a connection to it is open", async () => {
  resolver.zone = { "api.bank.test": [a("api.bank.test", outside4(18), 60)], "k.many.test": [a("k.many.test", outside4(19), 60)] };
  await resolve(orders, "api.bank.test");
  await resolve(orders, "k.many.test");
  expect(await orders.ask({ do: "keep", host: outside4(19), port: PORT })).toBe("answered");
  expect(await call(orders, outside4(18))).toBe("answered");
  shiftMs += 80_000; // within the grace of half a minute
  enforcement.names.expire();
  expect(await call(orders, outside4(18))).toBe("answered");
  shiftMs += 11_000;
  await vi.waitFor(async () => {
    enforcement.names.expire();
    expect(await call(orders, outside4(18))).toBe("EPERM");
  });
  expect(await orders.ask({ do: "echo" })).toBe("answered");
  // Another set in force judges open connections again.
  enforcement.refresh();
  expect(await orders.ask({ do: "echo" })).toBe("answered");
});

test("what was learned is known after a restart", async () => {
  resolver.zone = { "api.bank.test": [a("api.bank.test", outside4(11))] };
  await resolve(orders, "api.bank.test");
  await proxy.close({ keepOpen: true });
  enforcement.close({ keepPinned: true });
  expect(await call(orders, outside4(11))).toBe("answered");
  enforcement = openEnforcement();
  enforcement.setInventory([orders, front]);
  enforcement.setPolicies(accessSet(POLICY));
  expect(await call(orders, outside4(11))).toBe("answered");
  proxy = await openProxy();
  expect(await resolve(orders, "api.bank.test")).toBe(outside4(11));
  shiftMs += 100_000;
  enforcement.names.expire();
  expect(await call(orders, outside4(11))).toBe("EPERM");
});

test("without a proxy no name is asked for, and none is reached", async () => {
  await proxy.close();
  resolver.zone = { "api.bank.test": [a("api.bank.test", outside4(12))] };
  expect(await resolve(orders, "api.bank.test")).not.toBe(outside4(12));
  expect(resolver.asked).toEqual([]);
  expect(await call(orders, outside4(12))).toBe("EPERM");
});
