/** The public certificates and bundles of test/data/spiffe, with the clock of their time. */
import { readFileSync } from "node:fs";
import { describe, expect, test } from "vitest";
import { domainOf, expectOk } from "../../test/spiffe/trust-fixture.ts";
import { encodeJson } from "../lib/json.ts";
import { parsePem } from "../lib/pem.ts";
import { jsonOfTrustBundle, parseJwtBundle, parseTrustBundle, parseX509BundlePem } from "./bundle.ts";
import { createBundleMap } from "./bundle-map.ts";
import { verifyWitSvid } from "./wit-svid.ts";
import { parseX509SvidPem, verifyX509Svid } from "./x509-svid.ts";

const readData = (name: string): string => readFileSync(new URL(`../../test/data/spiffe/${name}`, import.meta.url), "utf8");
const domain = domainOf("example.org");

describe("X.509-SVIDs", () => {
  const ecdsaKey = readData("x509svid/key-pkcs8-ecdsa.pem");
  const rsaKey = readData("x509svid/key-pkcs8-rsa.pem");
  const verdictOf = (certificates: string, key: string): string => {
    const result = parseX509SvidPem(readData(`x509svid/${certificates}`), key);
    return result.ok ? `${result.value.id}, ${result.value.certificates.length}` : result.error.rule;
  };

  test.each([
    ["good-cert-and-key.pem", readData("x509svid/good-cert-and-key.pem"), "spiffe://example.org/workload-1, 1"],
    ["good-key-and-cert.pem", readData("x509svid/good-key-and-cert.pem"), "spiffe://example.org/workload-1, 1"],
    ["good-leaf-and-intermediate.pem", ecdsaKey, "spiffe://example.org/workload-1, 2"],
    ["good-leaf-only.pem", rsaKey, "spiffe://example.org/workload-1, 1"],
    ["good-leaf-only.pem", ecdsaKey, "x509-private-key"],
    ["good-leaf-only.pem", readData("x509svid/corrupt-key.pem"), "x509-private-key"],
    ["good-leaf-only.pem", readData("x509svid/good-leaf-only.pem"), "x509-private-key"],
    ["wrong-leaf-ca-true.pem", rsaKey, "x509-leaf-ca"],
    ["wrong-leaf-cert-sign.pem", rsaKey, "x509-leaf-signs"],
    ["wrong-leaf-crl-sign.pem", rsaKey, "x509-leaf-signs"],
    ["wrong-leaf-empty-id.pem", rsaKey, "x509-one-uri"],
    // It has keyCertSign too, which stands first in the specification's list of what a validator must refuse.
    ["wrong-leaf-no-digital-signature.pem", rsaKey, "x509-leaf-signs"],
    ["wrong-intermediate-no-ca.pem", rsaKey, "x509-authority-ca"],
    ["wrong-intermediate-no-key-cert-sign.pem", rsaKey, "x509-authority-key-cert-sign"],
    ["corrupt-cert.pem", rsaKey, "x509-encoding"],
    ["key-pkcs8-rsa.pem", rsaKey, "x509-chain-limit"],
    ["not-pem", rsaKey, "x509-encoding"],
  ])("%s", (certificates, key, verdict) => expect(verdictOf(certificates, key)).toBe(verdict));

  const [leaf, authority] = expectOk(parsePem(readData("x509svid/good-leaf-and-intermediate.pem"))).map(({ der }) => der);
  const trust = (name: string): ReturnType<typeof createBundleMap> =>
    createBundleMap([
      {
        ...expectOk(parseTrustBundle(Buffer.from('{"keys":[]}'), domainOf(name))),
        x509Authorities: expectOk(parseX509SvidPem(readData("x509svid/good-leaf-and-intermediate.pem"), ecdsaKey)).certificates.slice(1),
      },
    ]);

  test.each([
    ["while it was valid", "2020-03-24T14:30:00Z", "example.org", "spiffe://example.org/workload-1"],
    ["before", "2020-03-24T14:07:29Z", "example.org", "x509-validity"],
    ["after", "2020-03-24T15:07:41Z", "example.org", "x509-validity"],
    ["in its first second", "2020-03-24T14:07:30Z", "example.org", "spiffe://example.org/workload-1"],
    ["with its authority as that of another trust domain", "2020-03-24T14:30:00Z", "example.com", "x509-trust-domain"],
  ])("the leaf of good-leaf-and-intermediate.pem %s", (_, now, name, verdict) => {
    const result = verifyX509Svid([leaf ?? new Uint8Array(), authority ?? new Uint8Array()], trust(name), { nowMs: Date.parse(now) });
    expect(result.ok ? result.value.id : result.error.rule).toBe(verdict);
  });
});

describe("bundles", () => {
  test.each([
    ["spiffebundle_valid_1.json", "1 x509, 1 jwt, 0 wit"],
    ["spiffebundle_valid_2.json", "1 x509, 6 jwt, 0 wit"],
    ["spiffebundle_valid_with_wit.json", "1 x509, 2 jwt, 2 wit"],
    // The specification says: the first value counts.
    ["spiffebundle_multiple_x509.json", "1 x509, 1 jwt, 0 wit"],
    ["spiffebundle_missing_kid.json", "bundle-key-id"],
    ["spiffebundle_no_keys.json", "bundle-keys"],
  ])("%s", (name, verdict) => {
    const result = parseTrustBundle(Buffer.from(readData(`bundle/spiffebundle/${name}`)), domain);
    const { x509Authorities, jwtKeys, witKeys } = result.ok
      ? result.value
      : { x509Authorities: [], jwtKeys: new Map(), witKeys: new Map() };
    expect(result.ok ? `${x509Authorities.length} x509, ${jwtKeys.size} jwt, ${witKeys.size} wit` : result.error.rule).toBe(verdict);
  });

  test.each(["spiffebundle_valid_1.json", "spiffebundle_valid_2.json", "spiffebundle_valid_with_wit.json"])(
    "%s is written as it was read",
    (name) => {
      const text = readData(`bundle/spiffebundle/${name}`);
      expect(JSON.parse(encodeJson(jsonOfTrustBundle(expectOk(parseTrustBundle(Buffer.from(text), domain)))))).toEqual(JSON.parse(text));
    },
  );

  test.each([
    ["jwks_valid_1.json", 1],
    ["jwks_valid_2.json", 2],
    ["jwks_missing_kid.json", "bundle-key-id"],
  ])("the JWT bundle %s", (name, verdict) => {
    const result = parseJwtBundle(Buffer.from(readData(`bundle/jwtbundle/${name}`)), domain);
    expect(result.ok ? result.value.jwtKeys.size : result.error.rule).toBe(verdict);
  });

  test.each([
    ["cert.pem", 1],
    ["certs.pem", 2],
    ["corrupted.pem", "x509-encoding"],
    ["empty.pem", "x509-encoding"],
    ["key.pem", "x509-encoding"],
    ["not-pem.pem", "x509-encoding"],
  ])("the PEM bundle %s", (name, verdict) => {
    const result = parseX509BundlePem(readData(`bundle/x509bundle/${name}`), domain);
    expect(result.ok ? result.value.x509Authorities.length : result.error.rule).toBe(verdict);
  });
});

test("the WIT-SVID of the specification's appendix A is right in form, while it is valid", () => {
  const token =
    "eyJhbGciOiJFUzI1NiIsImtpZCI6ImxRU2kzaFpGbmRhMkQtWEprajF6bDdmb0pvdWl3STRuckF5aHk0alppSmciLCJ0eXAiOiJ3aXQrand0In0.eyJjbmYiOnsiandrIjp7ImFsZyI6IkVTMjU2IiwiY3J2IjoiUC0yNTYiLCJrdHkiOiJFQyIsIngiOiJyelA3bUxDS0FIV21zTTZYMEV3VklTQ19oSTN1amN1OTVmZlVreWVER0dvIiwieSI6InVPcmZEbGp0WDltM2pZLWhzeWhMSllheHRHa3pEdjVlNWttQ2U1OFo5N2cifX0sImV4cCI6MTc2NTQ1NjUwMywiaWF0IjoxNzY1NDUyOTAzLCJqdGkiOiIxeWoxOVY0TWNPQXpNY0ZpN3F2c2dfQWdDeGxyWTVFX3g1MDl3bEtLUXRjIiwic3ViIjoic3BpZmZlOi8vZXhhbXBsZS5jb20vbXktd29ya2xvYWQifQ.sfhEvZNdY_kWrICF08lX0u__rn39YnTavnW-VPBS20zgowDh6-X43v5eOUKZbjZf06yLBQM-Mry5w1g1QFsCkg";
  const ruleAt = (nowMs: number): string => {
    const result = verifyWitSvid(token, createBundleMap([]), { nowMs, provesPossession: () => true });
    return result.ok ? "accepted" : result.error.rule;
  };
  expect(ruleAt(1_765_453_000_000)).toBe("wit-trust-domain");
  expect(ruleAt(1_765_456_600_000)).toBe("wit-expiry");
});
