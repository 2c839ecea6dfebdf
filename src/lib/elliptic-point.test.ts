import { ECDH, generateKeyPairSync } from "node:crypto";
import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { isUncompressedPoint } from "./elliptic-point.ts";

describe.each([
  ["P-256", "prime256v1", 65],
  ["P-384", "secp384r1", 97],
] as const)("points of %s", (curve, opensslName, bytes) => {
  const newPoint = (): Buffer =>
    generateKeyPairSync("ec", { namedCurve: curve }).publicKey.export({ type: "spki", format: "der" }).subarray(-bytes);
  const isPointOfOpenssl = (point: Uint8Array): boolean => {
    try {
      ECDH.convertKey(point, opensslName, undefined, undefined, "uncompressed");
      return true;
    } catch {
      return false;
    }
  };

  test("are those that OpenSSL takes", () => {
    const points = Array.from({ length: 8 }, newPoint);
    const near = fc.tuple(
      fc.constantFrom(...points),
      fc.array(fc.tuple(fc.integer({ min: 1, max: bytes - 1 }), fc.nat(255)), { maxLength: 2 }),
    );
    fc.assert(
      fc.property(near, ([point, changes]) => {
        const changed = Buffer.from(point);
        for (const [at, value] of changes) changed[at] = value;
        expect(isUncompressedPoint(changed, curve)).toBe(isPointOfOpenssl(changed));
      }),
      { numRuns: 500 },
    );
  });

  test("are not compressed, short, long, or with a coordinate beyond the field", () => {
    const point = newPoint();
    expect(isUncompressedPoint(point, curve)).toBe(true);
    for (const other of [point.subarray(0, -1), Buffer.concat([point, Buffer.of(0)]), Buffer.of(0), Buffer.alloc(0)])
      expect(isUncompressedPoint(other, curve)).toBe(false);
    const compressed = Buffer.from(ECDH.convertKey(point, opensslName, undefined, undefined, "compressed") as Buffer);
    expect(isUncompressedPoint(compressed, curve)).toBe(false);
    expect(isUncompressedPoint(Buffer.alloc(bytes, 0xff).fill(4, 0, 1), curve)).toBe(false);
    expect(isUncompressedPoint(Buffer.alloc(bytes).fill(4, 0, 1), curve)).toBe(false);
  });
});

test("a coordinate is not reduced: the point of x + p is none", () => {
  // x = 5 is on P-256; 5 + p fits into 32 octets.
  const y = "459243b9aa581806fe913bce99817ade11ca503c64d9a3c533415c083248fbcc";
  const at = (x: bigint): Buffer => Buffer.from(`04${x.toString(16).padStart(64, "0")}${y}`, "hex");
  const prime = 2n ** 256n - 2n ** 224n + 2n ** 192n + 2n ** 96n - 1n;
  expect(isUncompressedPoint(at(5n), "P-256")).toBe(true);
  expect(isUncompressedPoint(at(5n + prime), "P-256")).toBe(false);
});
