import { constants, generateKeyPairSync, type SigningOptions, sign } from "node:crypto";
import { expect, test } from "vitest";
import { buildLeaf, type Keys, newKeys } from "../../test/spiffe/certificate-builder.ts";
import { expectOk } from "../../test/spiffe/trust-fixture.ts";
import { isStrongKey, verifyCertificateSignature } from "./certificate-signature.ts";
import { parseX509Certificate } from "./x509-certificate.ts";

const bytesOf = (hex: string): Uint8Array => Buffer.from(hex, "hex");
const rsa = generateKeyPairSync("rsa", { modulusLength: 2048 });
const weakRsa = generateKeyPairSync("rsa", { modulusLength: 1024 });
const ed25519 = generateKeyPairSync("ed25519");
const p256 = newKeys();
const p384 = generateKeyPairSync("ec", { namedCurve: "P-384" });
const koblitz = generateKeyPairSync("ec", { namedCurve: "secp256k1" });
const PSS = { padding: constants.RSA_PKCS1_PSS_PADDING, saltLength: 32 };

// AlgorithmIdentifiers as RFC 4055, RFC 5758 and RFC 8410 write them.
const IDENTIFIERS = {
  ecdsaSha256: "300a06082a8648ce3d040302",
  ecdsaSha384: "300a06082a8648ce3d040303",
  ecdsaSha1: "300906072a8648ce3d0401",
  rsaSha1: "300d06092a864886f70d0101050500",
  rsaSha256: "300d06092a864886f70d01010b0500",
  rsaSha512: "300d06092a864886f70d01010d0500",
  pssSha256:
    "304106092a864886f70d01010a3034a00f300d06096086480165030402010500a11c301a06092a864886f70d010108300d06096086480165030402010500a203020120",
  ed25519: "300506032b6570",
} as const;

type Row = readonly [
  name: string,
  keys: Keys,
  identifier: keyof typeof IDENTIFIERS,
  hash: string | null,
  options: SigningOptions,
  verdict: string,
];

test.each<Row>([
  ["ECDSA P-256 with SHA-256", p256, "ecdsaSha256", "sha256", {}, "right"],
  ["ECDSA P-256 with SHA-384", p256, "ecdsaSha384", "sha384", {}, "right"],
  ["ECDSA P-384 with SHA-384", p384, "ecdsaSha384", "sha384", {}, "right"],
  ["RSA with SHA-256", rsa, "rsaSha256", "sha256", {}, "right"],
  ["RSA with SHA-512", rsa, "rsaSha512", "sha512", {}, "right"],
  ["RSA-PSS with SHA-256", rsa, "pssSha256", "sha256", PSS, "right"],
  ["Ed25519", ed25519, "ed25519", null, {}, "right"],
  ["another hash than it says", p256, "ecdsaSha384", "sha256", {}, "wrong"],
  ["PKCS #1 where it says PSS", rsa, "pssSha256", "sha256", {}, "wrong"],
  ["ECDSA with SHA-1", p256, "ecdsaSha1", "sha1", {}, "unsupported"],
  ["RSA with SHA-1", rsa, "rsaSha1", "sha1", {}, "unsupported"],
  ["RSA with 1024 bits", weakRsa, "rsaSha256", "sha256", {}, "unsupported"],
  ["another curve", koblitz, "ecdsaSha256", "sha256", {}, "unsupported"],
  ["another kind of key than it says", p256, "rsaSha256", "sha256", {}, "unsupported"],
])("a certificate signed with %s", (_, keys, identifier, hash, options, verdict) => {
  const issuer = { name: "issuer", keys, der: new Uint8Array() };
  const signWith = (bytes: Uint8Array): Uint8Array => sign(hash, bytes, { ...options, key: keys.privateKey });
  const der = buildLeaf(issuer, { algorithm: bytesOf(IDENTIFIERS[identifier]), signWith });
  expect(verifyCertificateSignature(expectOk(parseX509Certificate(der)), keys.publicKey)).toBe(verdict);
});

test("weak keys are known as such", () => {
  expect([p256, p384, rsa, ed25519, weakRsa, koblitz].map(({ publicKey }) => isStrongKey(publicKey))).toEqual([
    true,
    true,
    true,
    true,
    false,
    false,
  ]);
});
