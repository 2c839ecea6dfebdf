import fc from "fast-check";
import { expect, test } from "vitest";
import type { Ground } from "../policy/access/decide-access.ts";
import type { Protocol } from "../resource/port-spec.ts";
import type { PortVerdict } from "../target/kernel/kernel-artifact.ts";
import { PROTOCOL_NUMBER, type Verdict, type VerdictKey } from "./kernel-maps.ts";
import { VerdictTables } from "./verdict-tables.ts";

const PROTOCOLS = Object.keys(PROTOCOL_NUMBER) as Protocol[];
const GROUNDS: readonly Ground[] = (["deny", "access", "isolation"] as const).map((tier) => ({
  direction: "ingress",
  tier,
  origin: undefined,
}));

const lastOf = (protocol: Protocol): number => (protocol.startsWith("icmp") ? 255 : 65_535);
const outcome = fc.record({ verdict: fc.constantFrom("allow" as const, "deny" as const), ground: fc.constantFrom(...GROUNDS) });

/** Ranges that leave no port of any protocol out. */
const table: fc.Arbitrary<readonly PortVerdict[]> = fc
  .tuple(
    ...PROTOCOLS.map((protocol) =>
      fc.tuple(
        fc.uniqueArray(fc.integer({ min: 1, max: lastOf(protocol) }), { maxLength: 4 }),
        fc.array(outcome, { minLength: 5, maxLength: 5 }),
      ),
    ),
  )
  .map((parts) =>
    parts.flatMap(([cuts, outcomes], index) => {
      const protocol = PROTOCOLS[index] ?? "tcp";
      const starts = [0, ...cuts.sort((a, b) => a - b)];
      return starts.map((first, position): PortVerdict => {
        const last = (starts[position + 1] ?? lastOf(protocol) + 1) - 1;
        const own = outcomes[position] ?? { verdict: "deny", ground: GROUNDS[0] as Ground };
        return { protocol, first, last, ...own, audited: undefined, isProvisional: false };
      });
    }),
  );

/** As the kernel finds the longest prefix. */
function longest(entries: readonly (readonly [VerdictKey, Verdict])[], protocol: number, port: number): Verdict | undefined {
  const asked = protocol * 65_536 + port;
  const fits = ({ bits, protocol: own, port: start }: VerdictKey): boolean => {
    const free = 2 ** (64 - bits);
    return Math.floor((own * 65_536 + start) / free) === Math.floor(asked / free);
  };
  return entries.filter(([key]) => fits(key)).sort(([a], [b]) => b.bits - a.bits)[0]?.[1];
}

test("every port has the verdict of its range, in as few entries as there are pieces or fewer", () => {
  fc.assert(
    fc.property(table, fc.array(fc.integer({ min: 0, max: 65_535 }), { minLength: 10, maxLength: 10 }), (ranges, ports) => {
      let written: readonly (readonly [VerdictKey, Verdict])[] = [];
      const tables = new VerdictTables((_table, entries) => {
        written = entries;
      });
      tables.take(ranges);
      const grounds = tables.grounds();
      // What is none of the protocols is not allowed by what is said of them.
      expect(longest(written, 0, 80)?.isAllowed ?? 0).toBe(0);
      for (const { protocol, first, last, verdict, ground } of ranges) {
        for (const port of [first, last, ...ports.filter((each) => first <= each && each <= last)]) {
          const found = longest(written, PROTOCOL_NUMBER[protocol], port);
          expect([found?.isAllowed, grounds[found?.ground ?? 0]]).toEqual([verdict === "allow" ? 1 : 0, ground]);
        }
      }
    }),
  );
});

test("one port beside a default takes two entries", () => {
  const [deny, allow] = GROUNDS as [Ground, Ground, Ground];
  const all = PROTOCOLS.map(
    (protocol): PortVerdict => ({
      protocol,
      first: 0,
      last: lastOf(protocol),
      verdict: "deny",
      ground: deny,
      audited: undefined,
      isProvisional: false,
    }),
  );
  const [tcp, ...others] = all as [PortVerdict, ...PortVerdict[]];
  const ranges = [
    { ...tcp, last: 442 },
    { ...tcp, first: 443, last: 443, verdict: "allow", ground: allow } as const,
    { ...tcp, first: 444 },
    ...others,
  ];
  const sizes: number[] = [];
  const tables = new VerdictTables((_table, entries) => void sizes.push(entries.length));
  const table = tables.take(ranges);
  expect(tables.take(ranges)).toBe(table);
  tables.giveBack(table);
  expect(sizes).toEqual([2]);
  tables.giveBack(table);
  expect(sizes).toEqual([2, 0]);
  expect(tables.grounds().filter((ground) => ground !== undefined)).toEqual([]);
});
