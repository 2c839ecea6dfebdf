import { execFileSync } from "node:child_process";
import { generateKeyPairSync, type KeyObject, randomBytes, X509Certificate } from "node:crypto";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { type CertificateRequest, EMPTY_NAME, encodeCommonName, issueCertificate, localIssuer, signatureScheme } from "./certificate.ts";
import { readDer } from "./der-reader.ts";
import { encodePem } from "./pem.ts";

const DAY_MS = 24 * 60 * 60 * 1000;
const NOW_MS = Date.now();

const authorityKeys = generateKeyPairSync("ec", { namedCurve: "P-256" });
const leafKeys = generateKeyPairSync("ec", { namedCurve: "P-256" });
const publicKeyInfoOf = (keys: { readonly publicKey: KeyObject }): Uint8Array => keys.publicKey.export({ type: "spki", format: "der" });
const NAME = encodeCommonName("vigil test authority");
const issuer = localIssuer(NAME, publicKeyInfoOf(authorityKeys), authorityKeys.privateKey);

const AUTHORITY: CertificateRequest = {
  profile: { kind: "authority", pathLength: 0 },
  subject: NAME,
  publicKeyInfo: publicKeyInfoOf(authorityKeys),
  serial: randomBytes(16),
  notBeforeMs: NOW_MS - 60_000,
  notAfterMs: NOW_MS + 365 * DAY_MS,
  issuer,
};
const LEAF: CertificateRequest = {
  profile: {
    kind: "leaf",
    names: [
      { kind: "dns", value: "vigil.vigil-system.svc" },
      { kind: "ip", value: "127.0.0.1" },
      { kind: "ip", value: "::1" },
      { kind: "uri", value: "spiffe://example.org/vigil" },
    ],
    usages: ["serverAuth"],
  },
  subject: EMPTY_NAME,
  publicKeyInfo: publicKeyInfoOf(leafKeys),
  serial: randomBytes(16),
  notBeforeMs: NOW_MS - 60_000,
  notAfterMs: NOW_MS + DAY_MS,
  issuer,
};

const pemOf = (request: CertificateRequest): string => encodePem({ label: "CERTIFICATE", der: issueCertificate(request) });

/** The verdict of the openssl command on a chain, strict RFC 5280 checks on. */
describe("as openssl sees it", () => {
  let directory = "";
  beforeAll(() => {
    directory = mkdtempSync(join(tmpdir(), "vigil-certificate-"));
    writeFileSync(join(directory, "ca.pem"), pemOf(AUTHORITY));
    writeFileSync(join(directory, "leaf.pem"), pemOf(LEAF));
  });
  afterAll(() => rmSync(directory, { recursive: true }));
  const openssl = (...args: readonly string[]): string => execFileSync("openssl", args, { cwd: directory, encoding: "utf8" });

  test("the chain verifies under -x509_strict for a TLS server of each name", () => {
    const strict = ["verify", "-x509_strict", "-check_ss_sig", "-purpose", "sslserver", "-CAfile", "ca.pem"];
    expect(openssl(...strict, "-verify_hostname", "vigil.vigil-system.svc", "leaf.pem")).toContain("OK");
    expect(openssl(...strict, "-verify_ip", "::1", "leaf.pem")).toContain("OK");
  });

  test("its extensions say what the profile says", () => {
    const text = openssl("x509", "-in", "leaf.pem", "-noout", "-text");
    expect(text).toMatch(
      /Subject Alternative Name: critical\s+DNS:vigil\.vigil-system\.svc, IP Address:127\.0\.0\.1, IP Address:0:0:0:0:0:0:0:1, URI:spiffe:\/\/example\.org\/vigil/,
    );
    expect(text).toMatch(/Key Usage: critical\s+Digital Signature\n/);
    expect(text).toMatch(/Extended Key Usage:\s+TLS Web Server Authentication\n/);
    expect(text).toMatch(/Basic Constraints: critical\s+CA:FALSE/);
    expect(openssl("x509", "-in", "ca.pem", "-noout", "-text")).toMatch(
      /CA:TRUE, pathlen:0[\s\S]*Key Usage: critical\s+Certificate Sign, CRL Sign/,
    );
  });
});

test("node verifies the leaf against the authority, and the times are those asked for", () => {
  const authority = new X509Certificate(issueCertificate(AUTHORITY));
  const leaf = new X509Certificate(issueCertificate(LEAF));
  expect(leaf.verify(authority.publicKey)).toBe(true);
  expect(leaf.checkIssued(authority)).toBe(true);
  expect(authority.ca).toBe(true);
  expect(leaf.validToDate.getTime()).toBe(Math.floor(LEAF.notAfterMs / 1000) * 1000);
});

test("a serial number is positive whatever its first octet", () => {
  const serial = Uint8Array.from({ length: 16 }, () => 0xff);
  expect(new X509Certificate(issueCertificate({ ...LEAF, serial })).serialNumber).toBe(`7F${"FF".repeat(15)}`);
});

test("its DER is strict", () => {
  const result = readDer(issueCertificate(LEAF), (reader) =>
    reader.sequence((certificate) => {
      certificate.sequence((tbs) => {
        expect(tbs.optionalExplicit(0, (version) => version.integerBetween(0, 2))).toBe(2);
        tbs.integer();
        tbs.rest((field) => field.element());
      });
      certificate.sequence((algorithm) => algorithm.oid());
      return certificate.bitString().length;
    }),
  );
  expect(result.ok && result.value).toBeGreaterThan(64);
});

test.each<[string, CertificateRequest]>([
  ["a leaf without names", { ...LEAF, profile: { kind: "leaf", names: [], usages: [] } }],
  ["a name that is no address", { ...LEAF, profile: { kind: "leaf", names: [{ kind: "ip", value: "10.0.0" }], usages: [] } }],
  ["a DNS name outside ASCII", { ...LEAF, profile: { kind: "leaf", names: [{ kind: "dns", value: "bücher.example" }], usages: [] } }],
  ["an authority without a name", { ...AUTHORITY, subject: EMPTY_NAME }],
  ["an end before the start", { ...LEAF, notAfterMs: LEAF.notBeforeMs }],
  ["a short serial", { ...LEAF, serial: Uint8Array.of(1) }],
])("refuses %s", (_, request) => expect(() => issueCertificate(request)).toThrow(RangeError));

test.each([
  ["P-384", generateKeyPairSync("ec", { namedCurve: "P-384" })],
  ["RSA 2048", generateKeyPairSync("rsa", { modulusLength: 2048 })],
  ["RSA 3072", generateKeyPairSync("rsa", { modulusLength: 3072 })],
])("an issuer may have a key of %s", (_, { publicKey, privateKey }) => {
  const other = localIssuer(NAME, publicKeyInfoOf({ publicKey }), privateKey);
  const authority = new X509Certificate(issueCertificate({ ...AUTHORITY, publicKeyInfo: publicKeyInfoOf({ publicKey }), issuer: other }));
  const leaf = new X509Certificate(issueCertificate({ ...LEAF, issuer: other }));
  expect([authority.verify(publicKey), leaf.verify(publicKey), leaf.checkIssued(authority)]).toEqual([true, true, true]);
});

test.each([
  ["P-521", generateKeyPairSync("ec", { namedCurve: "P-521" }).privateKey],
  ["RSA 1024", generateKeyPairSync("rsa", { modulusLength: 1024 }).privateKey],
  ["Ed25519", generateKeyPairSync("ed25519").privateKey],
])("no certificate is signed with %s", (_, privateKey) => expect(() => signatureScheme(privateKey)).toThrow(RangeError));
