/** The standard conformance tests of ClusterNetworkPolicy, against the simulator. */
import { describe, expect, test } from "vitest";
import { compileAccessSet } from "../../src/policy/access/access-set.ts";
import { CompiledAccess } from "../../src/policy/access/compiled-access.ts";
import { decideAccess } from "../../src/policy/access/decide-access.ts";
import type { AccessResource } from "../../src/resource/access-resource.ts";
import { call } from "../access-fixture.ts";
import { type ConformanceCase, conformanceCases, type Probe } from "./conformance-cases.ts";

const cases = conformanceCases();

/** Deciders of a set of policies: the reference, and what runs in a process. */
type Decide = (asked: Parameters<typeof decideAccess>[1]) => { readonly reference: string; readonly compiled: string };
const deciders = new WeakMap<readonly AccessResource[], Decide>();

function deciderOf(resources: readonly AccessResource[]): Decide {
  const known = deciders.get(resources);
  if (known !== undefined) return known;
  const { set, diagnostics } = compileAccessSet(resources);
  expect(diagnostics).toEqual([]);
  const process = new CompiledAccess(set);
  const decide: Decide = (asked) => ({
    reference: decideAccess(set, asked, { nowMs: 0 }).verdict,
    compiled: process.decide(asked, 0).verdict,
  });
  deciders.set(resources, decide);
  return decide;
}

function verdicts({ from, to, protocol, port, resources }: Probe): ReturnType<Decide> {
  const ends = { source: from.endpoint, destination: to.endpoint, protocol, port };
  return deciderOf(resources)({ ...call(ends), sourceAddress: from.address, destinationAddress: to.address });
}

const shown = ({ from, to, protocol, port }: Probe): string => `${from.endpoint.name} > ${to.endpoint.name} ${protocol}/${port}`;

function check({ probes }: ConformanceCase): void {
  const expected = probes.map((probe) => `${shown(probe)} ${probe.expected}`);
  expect(probes.map((probe) => `${shown(probe)} ${verdicts(probe).reference}`)).toEqual(expected);
  expect(probes.map((probe) => `${shown(probe)} ${verdicts(probe).compiled}`)).toEqual(expected);
}

describe("ClusterNetworkPolicy conformance", () => {
  test("the table has the 18 suites, 83 cases and 284 probes of the standard channel", () => {
    expect(new Set(cases.map(({ suite }) => suite)).size).toBe(18);
    expect(cases.length).toBe(83);
    const probes = cases.flatMap((each) => each.probes);
    expect(probes.length).toBe(284);
    expect(new Set(probes.map(({ protocol }) => protocol))).toEqual(new Set(["tcp", "udp", "sctp"]));
    // A decider that always says the same would not pass.
    expect(probes.filter(({ expected }) => expected === "allow").length).toBeGreaterThan(100);
    expect(probes.filter(({ expected }) => expected === "deny").length).toBeGreaterThan(100);
  });

  test.each(cases.map((each) => [each.suite, each.name, each] as const))("%s: %s", (_suite, _name, each) => check(each));

  test("and all of them over IPv6", () => {
    for (const each of conformanceCases(6)) check(each);
  });
});
