import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { encodeName, encodeResponse, type ZoneRecord } from "../../../test/network/dns-server.ts";
import { type DnsQuery, EXTENDED_ERROR, encodeQuery, encodeRefusal, parseAnswer, parseQuery, RCODE, readdressed } from "./message.ts";

function query(name: string, { type = 1, edns = false }: { readonly type?: number; readonly edns?: boolean } = {}): Uint8Array {
  const header = [0x12, 0x34, 0x01, 0x00, 0, 1, 0, 0, 0, 0, 0, edns ? 1 : 0];
  const opt = edns ? [0, 0, 41, 0x10, 0x00, 0, 0, 0x80, 0, 0, 0] : [];
  return Uint8Array.from([...header, ...encodeName(name), 0, type, 0, 1, ...opt]);
}

function read(bytes: Uint8Array): DnsQuery {
  const parsed = parseQuery(bytes);
  return parsed.ok ? parsed.value : expect.fail(parsed.error.message);
}

const a = (name: string, data: string, ttlS: number = 60): ZoneRecord => ({ name, type: "A", ttlS, data });
const alias = (name: string, data: string, ttlS: number = 60): ZoneRecord => ({ name, type: "CNAME", ttlS, data });

function answered(name: string, records: readonly ZoneRecord[]): readonly string[] {
  const asked = query(name);
  const parsed = parseAnswer(encodeResponse(asked, records), read(asked).question);
  return parsed.ok ? parsed.value.addresses.map(({ address, ttlS }) => `${address.join(".")} ${ttlS}`) : [parsed.error.message];
}

test("a query is read, and sent on as it was asked", () => {
  const asked = query("API.Bank.test", { edns: true });
  const { id, question, edns } = read(asked);
  expect({ id, name: question.name, type: question.type, edns }).toEqual({
    id: 0x1234,
    name: "api.bank.test",
    type: 1,
    edns: { payloadBytes: 4096, isDnssecOk: true },
  });
  expect(encodeQuery(read(asked), 0x1234)).toEqual(asked);
});

test("octets that no host name has are written as numbers, so that no name looks like another one", () => {
  const odd = Uint8Array.from([...query("x").subarray(0, 12), 3, 0x61, 0x2e, 0x62, 1, 0x00, 0, 0, 1, 0, 1]);
  expect(read(odd).question.name).toBe("a\\046b.\\000");
  expect(read(query(".")).question.name).toBe(".");
});

describe("addresses of an answer", () => {
  test("are those of the name that was asked for", () => {
    expect(answered("a.test", [a("a.test", "192.0.2.1"), a("A.TEST", "192.0.2.2", 5), a("b.test", "192.0.2.3")])).toEqual([
      "192.0.2.1 60",
      "192.0.2.2 5",
    ]);
  });

  test("are found over aliases in any order, and count no longer than each alias", () => {
    const records = [a("c.test", "192.0.2.1", 300), alias("b.test", "c.test", 20), alias("a.test", "b.test", 100)];
    expect(answered("a.test", records)).toEqual(["192.0.2.1 20"]);
  });

  test("of aliases in a circle are none", () => {
    expect(answered("a.test", [alias("a.test", "b.test"), alias("b.test", "a.test")])).toEqual([]);
  });

  test("of another question are refused", () => {
    const parsed = parseAnswer(encodeResponse(query("b.test"), [a("b.test", "192.0.2.1")]), read(query("a.test")).question);
    expect(parsed).toMatchObject({ ok: false });
  });
});

test.each<readonly [string, (bytes: Uint8Array) => readonly number[]]>([
  ["a response", (bytes) => [...bytes.with(2, 0x81)]],
  ["another operation", (bytes) => [...bytes.with(2, 0x28)]],
  ["no question", (bytes) => [...bytes.with(5, 0)]],
  ["two questions", (bytes) => [...bytes.with(5, 2)]],
  ["a pointer in the question", (bytes) => [...bytes].toSpliced(12, 1, 0xc0, 0x0c)],
  ["a label that is too long", (bytes) => [...bytes.with(12, 0x40)]],
  ["an end inside of a name", (bytes) => [...bytes].slice(0, 14)],
  ["an end before the class", (bytes) => [...bytes].slice(0, -2)],
  ["a transfer", (bytes) => [...bytes.with(bytes.length - 3, 252)]],
])("%s is no query", (_name, changed) => {
  expect(parseQuery(Uint8Array.from(changed(query("a.test")))).ok).toBe(false);
});

test("names of a pointer that leads to itself, forwards or in a circle are refused, and those that lead backwards are read", () => {
  const { question } = read(query("a.test"));
  const response = (pointer: number): Uint8Array => {
    const bytes = encodeResponse(query("a.test"), [a("x", "192.0.2.1")]);
    const at = 12 + question.octets.length;
    // The record's name `x` (three octets) becomes a pointer and a place that it may mean.
    return Uint8Array.from([...bytes.subarray(0, at), 0xc0 | (pointer >> 8), pointer & 0xff, ...bytes.subarray(at + 3)]);
  };
  const own = 12 + question.octets.length;
  for (const pointer of [own, own + 1, own + 100, 0x3fff]) expect(parseAnswer(response(pointer), question).ok, String(pointer)).toBe(false);
  const parsed = parseAnswer(response(12), question);
  expect(parsed).toMatchObject({ ok: true, value: { addresses: [{ ttlS: 60 }] } });
});

test.each([
  [3, true],
  [63, true],
  [64, false],
  [5_000, false],
])("a name behind %i pointers and its own is read: %s", (links, isRead) => {
  const { question } = read(query("a.test"));
  const at = 12 + question.octets.length;
  // A record of another type has the chain as its data; the address after it has a name that points to the chain's end.
  const dataAt = at + 12;
  const chain = Array.from({ length: links }, (_, index) => (index === 0 ? 12 : dataAt + (index - 1) * 2));
  const pointer = (place: number): readonly number[] => [0xc0 | (place >> 8), place & 0xff];
  const record = (name: number, type: number, data: readonly number[]): readonly number[] => [
    ...pointer(name),
    ...[0, type, 0, 1, 0, 0, 0, 60, data.length >> 8, data.length & 0xff],
    ...data,
  ];
  const header = encodeResponse(query("a.test"), []);
  header[7] = 2;
  const rest = [...record(12, 99, chain.flatMap(pointer)), ...record(dataAt + (links - 1) * 2, 1, [192, 0, 2, 1])];
  const parsed = parseAnswer(Uint8Array.from([...header, ...rest]), question);
  expect(parsed.ok).toBe(isRead);
  if (parsed.ok) expect(parsed.value.addresses).toHaveLength(1);
});

test("a refusal repeats the question and says why where EDNS is spoken", () => {
  const asked = read(query("evil.test", { edns: true }));
  const bytes = encodeRefusal(asked, { rcode: RCODE.refused, reason: EXTENDED_ERROR.blocked, text: "no policy allows this name" });
  expect(parseAnswer(bytes, asked.question)).toMatchObject({ ok: true, value: { id: 0x1234, rcode: RCODE.refused, addresses: [] } });
  expect(Buffer.from(bytes).toString("latin1")).toContain("no policy allows this name");
  const plain = read(query("evil.test"));
  expect(encodeRefusal(plain, { rcode: RCODE.refused, reason: EXTENDED_ERROR.blocked, text: "secret" }).length).toBe(
    query("evil.test").length,
  );
});

test("times to live are shortened, and nothing else", () => {
  const asked = query("a.test");
  const bytes = encodeResponse(asked, [a("a.test", "192.0.2.1", 90_000), a("a.test", "192.0.2.2", 10)]);
  const parsed = parseAnswer(bytes, read(asked).question);
  if (!parsed.ok) return expect.fail(parsed.error.message);
  const changed = readdressed(bytes, 7, parsed.value.ttls, 3_600);
  const again = parseAnswer(changed, read(asked).question);
  expect(again).toMatchObject({ ok: true, value: { id: 7, addresses: [{ ttlS: 3_600 }, { ttlS: 10 }] } });
  expect(changed.length).toBe(bytes.length);
});

const label = fc.stringMatching(/^[a-z0-9_-]{1,20}$/);
const name = fc.array(label, { minLength: 1, maxLength: 6 }).map((labels) => labels.join("."));

test("names are read back as they were written", () => {
  fc.assert(
    fc.property(name, (written) => {
      expect(read(query(written)).question.name).toBe(written);
    }),
  );
});

test("whatever arrives is read or refused, and a query that is read is sent on as one that reads the same", () => {
  const bytes = fc.oneof(
    fc.uint8Array({ maxLength: 80 }),
    fc.tuple(name, fc.uint8Array({ maxLength: 40 })).map(([written, rest]) => Uint8Array.from([...query(written), ...rest])),
    fc.tuple(name, fc.array(fc.tuple(fc.nat(60), fc.nat(255)), { maxLength: 4 })).map(([written, changes]) => {
      const changed = query(written, { edns: true });
      for (const [at, octet] of changes) if (at < changed.length) changed[at] = octet;
      return changed;
    }),
  );
  fc.assert(
    fc.property(bytes, (given) => {
      const parsed = parseQuery(given);
      if (!parsed.ok) return;
      const again = parseQuery(encodeQuery(parsed.value, parsed.value.id));
      expect(again.ok && again.value.question.name).toBe(parsed.value.question.name);
    }),
    { numRuns: 2_000 },
  );
});

test("whatever answers is read or refused, within bounds", () => {
  const { question } = read(query("a.test"));
  const base = encodeResponse(query("a.test"), [alias("a.test", "b.test"), a("b.test", "192.0.2.1")]);
  const changed = fc.array(fc.tuple(fc.nat(base.length - 1), fc.nat(255)), { maxLength: 6 }).map((changes) => {
    const bytes = base.slice();
    for (const [at, octet] of changes) bytes[at] = octet;
    return bytes;
  });
  fc.assert(
    fc.property(
      fc.oneof(
        changed,
        fc.uint8Array({ maxLength: 200 }),
        fc.nat(base.length).map((length) => base.slice(0, length)),
      ),
      (bytes) => {
        const parsed = parseAnswer(bytes, question);
        if (!parsed.ok) return;
        expect(parsed.value.addresses.length).toBeLessThanOrEqual(parsed.value.ttls.length);
        for (const { at } of parsed.value.ttls) expect(at + 4).toBeLessThanOrEqual(bytes.length);
      },
    ),
    { numRuns: 5_000 },
  );
});
