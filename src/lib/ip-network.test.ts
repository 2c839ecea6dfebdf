import fc from "fast-check";
import { expect, test } from "vitest";
import { parseIpAddress } from "./ip-address.ts";
import { formatIpAddress, formatIpPrefix, isIpv4Mapped, maskAddress, parseIpPrefix, prefixContains, sameAddress } from "./ip-network.ts";

const address = fc.oneof(fc.uint8Array({ minLength: 4, maxLength: 4 }), fc.uint8Array({ minLength: 16, maxLength: 16 }));
const prefix = address.chain((octets) => fc.record({ address: fc.constant(octets), bits: fc.nat(octets.length * 8) }));

test("the text of an address reads back as the address", () => {
  fc.assert(
    fc.property(fc.oneof(fc.ipV4(), fc.ipV6()), address, (text, octets) => {
      expect(parseIpAddress(formatIpAddress(octets))).toEqual(octets);
      const parsed = parseIpAddress(text) ?? new Uint8Array();
      expect(formatIpAddress(parseIpAddress(formatIpAddress(parsed)) ?? parsed)).toBe(formatIpAddress(parsed));
    }),
  );
});

test("the text of a prefix reads back as the prefix", () => {
  fc.assert(
    fc.property(prefix, (value) => {
      expect(parseIpPrefix(formatIpPrefix(value))).toEqual(value);
    }),
  );
});

test("a prefix contains what its mask leaves equal", () => {
  fc.assert(
    fc.property(prefix, address, (value, other) => {
      const isSame = sameAddress(maskAddress(value.address, value.bits), maskAddress(other, value.bits));
      expect(prefixContains(value, other)).toBe(isSame);
      expect(prefixContains(value, value.address)).toBe(true);
    }),
  );
});

test.each([
  ["1:0:0:2:0:0:0:3", "1:0:0:2::3"],
  ["1:0:0:2:3:0:0:4", "1::2:3:0:0:4"],
  ["0:0:0:0:0:0:0:0", "::"],
  ["1:0:2:3:4:5:6:7", "1:0:2:3:4:5:6:7"],
  ["::102:304", "::102:304"],
  ["A:B::", "a:b::"],
])("%s is written %s", (text, canonical) => expect(formatIpAddress(parseIpAddress(text) ?? new Uint8Array())).toBe(canonical));

test.each(["10.0.0.0", "10.0.0.0/", "10.0.0.0/33", "10.0.0.0/-1", "10.0.0.0/08", "/8", "x/8", "::/129", "10.0.0.0/8/8", "10.0.0.0/1e1"])(
  "`%s` is no prefix",
  (text) => expect(parseIpPrefix(text)).toBeUndefined(),
);

test("only ::ffff:0:0/96 is IPv4 in IPv6", () => {
  const mapped = ["::ffff:1.2.3.4", "::fffe:1.2.3.4", "1.2.3.4", "::1.2.3.4"].map((text) =>
    isIpv4Mapped(parseIpAddress(text) ?? new Uint8Array()),
  );
  expect(mapped).toEqual([true, false, false, false]);
});
