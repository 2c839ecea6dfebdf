/** The truth tables of NetworkPolicy, against the simulator. */
import { expect, test } from "vitest";
import { decideAccess } from "../../src/policy/access/decide-access.ts";
import { accessSet, call } from "../access-fixture.ts";
import { allows, CASES, documents, endpointOf, PODS, PORTS, type Pod, PROTOCOLS, protocolOf } from "./network-policy-cases.ts";

/** A row for each source, a column for each destination: `.` allowed, `X` denied. */
const table = (decide: (source: Pod, target: Pod) => boolean): string =>
  PODS.map((source) => `${source.namespace}/${source.name} ${PODS.map((target) => (decide(source, target) ? "." : "X")).join("")}`).join(
    "\n",
  );

test.each(CASES)("%s", (_name, policies) => {
  const set = accessSet(documents(policies));
  for (const port of PORTS) {
    for (const protocol of PROTOCOLS) {
      const decided = table((source, target) => {
        const facts = { source: endpointOf(source), destination: endpointOf(target), port, protocol: protocolOf(protocol) };
        const [ipv4, ipv6] = (["ip", "ip6"] as const).map((family) => {
          const asked = call({ ...facts, from: source[family], to: target[family] });
          return decideAccess(set, asked, { nowMs: 0 }).verdict;
        });
        expect(ipv6).toBe(ipv4);
        return ipv4 === "allow";
      });
      const expected = table((source, target) => allows(policies, source, target, port, protocol));
      expect(`${port}/${protocol}\n${decided}`).toBe(`${port}/${protocol}\n${expected}`);
    }
  }
});

test("the tables differ from each other", () => {
  const tables = CASES.map(([, policies]) =>
    PORTS.flatMap((port) => PROTOCOLS.map((protocol) => table((a, b) => allows(policies, a, b, port, protocol)))).join(),
  );
  expect(CASES.length).toBe(188);
  expect(new Set(tables).size).toBeGreaterThan(100);
});
