import fc from "fast-check";
import { expect, test } from "vitest";
import { formatUuid, parseUuid, uuidTimeMs, uuidV7 } from "./uuid-v7.ts";

test("the example of RFC 9562 A.6 comes out", () => {
  const random = Uint8Array.from([0x0c, 0xc3, 0x18, 0xc4, 0xdc, 0x0c, 0x0c, 0x07, 0x39, 0x8f]);
  expect(uuidV7(0x017f22e279b0, random)).toBe("017f22e2-79b0-7cc3-98c4-dc0c0c07398f");
});

test("ids sort by time and give it back", () => {
  fc.assert(
    fc.property(
      fc.integer({ min: 0, max: 2 ** 48 - 1 }),
      fc.integer({ min: 0, max: 2 ** 48 - 1 }),
      fc.uint8Array({ minLength: 10, maxLength: 10 }),
      (a, b, random) => {
        const [x, y] = [uuidV7(a, random), uuidV7(b, random)];
        expect(uuidTimeMs(parseUuid(x) ?? new Uint8Array(16))).toBe(a);
        expect(Math.sign(x.localeCompare(y))).toBe(Math.sign(a - b));
      },
    ),
  );
});

test("parse and format are inverse", () => {
  fc.assert(
    fc.property(fc.uint8Array({ minLength: 16, maxLength: 16 }), (bytes) => {
      expect(parseUuid(formatUuid(bytes))).toEqual(bytes);
    }),
  );
});

test.each(["", "017f22e2-79b0-7cc3-98c4-dc0c0c07398", "017F22E2-79B0-7CC3-98C4-DC0C0C07398F", "x".repeat(36)])(
  "%j is not a UUID of ours",
  (text) => {
    expect(parseUuid(text)).toBeUndefined();
  },
);
