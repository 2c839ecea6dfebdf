import { generateKeyPairSync, sign, verify } from "node:crypto";
import { expect, test } from "vitest";
import { derOfPlainSignature, plainSignatureOf } from "./ecdsa-signature.ts";

const DATA = Buffer.from("what is signed");

test.each([
  ["prime256v1", 32],
  ["secp384r1", 48],
  ["secp521r1", 66],
] as const)("signatures on %s are converted both ways as OpenSSL does", (namedCurve, coordinateBytes) => {
  const { privateKey, publicKey } = generateKeyPairSync("ec", { namedCurve });
  for (let i = 0; i < 40; i++) {
    const der = sign("sha256", DATA, privateKey);
    const plain = plainSignatureOf(der, coordinateBytes);
    expect(verify("sha256", DATA, { key: publicKey, dsaEncoding: "ieee-p1363" }, plain)).toBe(true);
    expect(Buffer.compare(derOfPlainSignature(plain, coordinateBytes) ?? DATA, der)).toBe(0);
  }
});

test("leading zeros of a number are its own in the plain form only", () => {
  const plain = Buffer.concat([Buffer.alloc(31), Buffer.of(1), Buffer.of(0xff), Buffer.alloc(31)]);
  const der = derOfPlainSignature(plain, 32) ?? DATA;
  expect(Buffer.from(der).toString("hex")).toBe(`3026020101022100ff${"00".repeat(31)}`);
  expect(Buffer.compare(plainSignatureOf(der, 32), plain)).toBe(0);
});

test("a plain signature of another size is none", () => {
  for (const size of [0, 63, 65, 96]) expect(derOfPlainSignature(Buffer.alloc(size), 32)).toBe(undefined);
});

test.each([
  ["a number of more octets than the curve has", `3026022100ff${"00".repeat(31)}020101`, 31],
  ["a negative number", "3006020180020101", 32],
  ["one number", "3003020101", 32],
  ["three numbers", "3009020101020101020101", 32],
  ["no DER", "00", 32],
] as const)("%s is no signature", (_, hex, coordinateBytes) =>
  expect(() => plainSignatureOf(Buffer.from(hex, "hex"), coordinateBytes)).toThrow(TypeError),
);
