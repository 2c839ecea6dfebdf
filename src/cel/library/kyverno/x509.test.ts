import { X509Certificate } from "node:crypto";
import { expect, test } from "vitest";
import { evaluatorOf } from "../../../../test/evaluate-expression.ts";
import { STRING } from "../../type.ts";
import { x509Library } from "./x509.ts";

/** RSA, serial 4660, every extension that is read, valid for ten years from 2026. */
const CERTIFICATE = `-----BEGIN CERTIFICATE-----
MIIDCDCCAnGgAwIBAgICEjQwDQYJKoZIhvcNAQELBQAwTTELMAkGA1UEBhMCQVUx
HDAMBgNVBAoTBU9yZyBBMAwGA1UEChMFT3JnIEIxFDASBgNVBAMTC2V4YW1wbGUu
Y29tMQowCAYDVQQFEwE3MB4XDTI2MDEwMTAwMDAwMFoXDTM2MDEwMTAwMDAwMFow
TTELMAkGA1UEBhMCQVUxHDAMBgNVBAoTBU9yZyBBMAwGA1UEChMFT3JnIEIxFDAS
BgNVBAMTC2V4YW1wbGUuY29tMQowCAYDVQQFEwE3MIGfMA0GCSqGSIb3DQEBAQUA
A4GNADCBiQKBgQDazVcv/T8uu9T231UqcxevczsxqzHXVMbZfal+GlZYlnbdWTGX
6W8kNzGLNAhjbBHnoCAK59caTXO9GV0RHs0tmFlYkLT7UsFfTvSwyin0KS3LFwNv
xjCsLtdjWAHNWr6XwwvZ7/dhHzd39GID/23yj+hn6+5893CTlduhJqQWEQIDAQAB
o4H2MIHzMA4GA1UdDwEB/wQEAwIChDAiBgNVHSUEGzAZBggrBgEFBQcDAQYIKwYB
BQUHAwIGAyoDBDASBgNVHRMBAf8ECDAGAQH/AgEAMA0GA1UdDgQGBAQBAgMEMA8G
A1UdIwQIMAaABAECAwQwQgYIKwYBBQUHAQEENjA0MBkGCCsGAQUFBzABhg1odHRw
Oi8vb2NzcC5hMBcGCCsGAQUFBzAChgtodHRwOi8vY2EuYTBFBgNVHREEPjA8gg1h
LmV4YW1wbGUuY29tgQV4QHkueocECgAAAYcQAAAAAAAAAAAAAAAAAAAAAYYMc3Bp
ZmZlOi8vYS9iMA0GCSqGSIb3DQEBCwUAA4GBALyB+8Zlba+PhYbw/UfWqhmZp26a
TZrKLFf/E4K84xOUCkbOjcZkukMQkK9ZgsEk60dWdoha6/cQU2UOm0G2Vq+VbPL4
Nqm64+qId9L2lKS54/mQdOymqWewMXt1lLBMkkpazgY6PG5VBM53EHCg2KNLWh9G
pKdt1RuWDla/HTJg
-----END CERTIFICATE-----
`;

/** RSA, with a DNS name asked for. */
const REQUEST = `-----BEGIN CERTIFICATE REQUEST-----
MIIBhjCB8AIBADAcMQwwCgYDVQQKEwNPcmcxDDAKBgNVBAMTA3JlcTCBnzANBgkq
hkiG9w0BAQEFAAOBjQAwgYkCgYEA2s1XL/0/LrvU9t9VKnMXr3M7Masx11TG2X2p
fhpWWJZ23Vkxl+lvJDcxizQIY2wR56AgCufXGk1zvRldER7NLZhZWJC0+1LBX070
sMop9CktyxcDb8YwrC7XY1gBzVq+l8ML2e/3YR83d/RiA/9t8o/oZ+vufPdwk5Xb
oSakFhECAwEAAaArMCkGCSqGSIb3DQEJDjEcMBowGAYDVR0RBBEwD4INci5leGFt
cGxlLmNvbTANBgkqhkiG9w0BAQsFAAOBgQCy+LFAnE4OmIo/KHevpdfl2a47hXHq
DKiGLKJkmmRcgKMxua/PpRhDFmWyURCr69ngDSIdfQWRUHFnquKdxWheeXqzpDFk
dpbLQtgDOugBxAugaAYGcyXEWlOJgBX39ZJZNvMaPTpIwsuym1IuIwIKLjnNU8xi
6oZnK8XHFaczvg==
-----END CERTIFICATE REQUEST-----
`;

/** A key on P-256. */
const ELLIPTIC = `-----BEGIN CERTIFICATE-----
MIIBbTCCAROgAwIBAgIUEpBDx087NWnjwwdh+N/tzUwUy5gwCgYIKoZIzj0EAwIw
DDEKMAgGA1UEAwwBZTAeFw0yNjExMjIyMTU3NThaFw0zNjExMTkyMTU3NThaMAwx
CjAIBgNVBAMMAWUwWTATBgcqhkjOPQIBBggqhkjOPQMBBwNCAATsMxaGS4Fa5X9U
2B8II51/bHoKXEvFuBCsAbLBeb7KzZ7CeWKZJ18KxAMgmduVDiDedsmujmaTAotq
o9FCTREQo1MwUTAdBgNVHQ4EFgQUQDNEiNFMxQ6SslKN1J2wAGJIRgUwHwYDVR0j
BBgwFoAUQDNEiNFMxQ6SslKN1J2wAGJIRgUwDwYDVR0TAQH/BAUwAwEB/zAKBggq
hkjOPQQDAgNIADBFAiAYyei0rtFujQ/gsOK0QK5fCexGxQGVvB50LmMU+6IUngIh
ALlwJIVu6OQMsUUC+aFjUZeBWscMnRvmEgAF65HTxBBL
-----END CERTIFICATE-----
`;

const evaluate = evaluatorOf(
  { libraries: [x509Library], variables: { certificate: STRING, request: STRING, elliptic: STRING, cut: STRING } },
  {
    certificate: CERTIFICATE,
    request: REQUEST,
    elliptic: ELLIPTIC,
    cut: CERTIFICATE.replace(/\n[^-\n]+\n[^-\n]+\n-----END/, "\n-----END"),
  },
);

test.each([
  ["x509.decode(certificate).SerialNumber", 4660],
  ["x509.decode(certificate).Issuer.CommonName", "example.com"],
  ["x509.decode(certificate).Issuer.Organization", ["Org A", "Org B"]],
  ["x509.decode(certificate).Issuer.SerialNumber", "7"],
  ["x509.decode(certificate).Issuer.Locality", null],
  ["x509.decode(certificate).Issuer.Names[0] == {'Type': [2, 5, 4, 6], 'Value': 'AU'}", true],
  ["x509.decode(certificate).NotBefore", "2026-01-01T00:00:00Z"],
  ["x509.decode(certificate).NotAfter", "2036-01-01T00:00:00Z"],
  ["x509.decode(certificate).PublicKeyAlgorithm", 1],
  ["x509.decode(certificate).PublicKey.E", 65537],
  ["x509.decode(certificate).KeyUsage", 33],
  ["x509.decode(certificate).ExtKeyUsage", [1, 2]],
  ["x509.decode(certificate).BasicConstraintsValid && x509.decode(certificate).IsCA", true],
  ["x509.decode(certificate).MaxPathLen", 0],
  ["x509.decode(certificate).MaxPathLenZero", true],
  ["x509.decode(certificate).DNSNames", ["a.example.com"]],
  ["x509.decode(certificate).EmailAddresses", ["x@y.z"]],
  ["x509.decode(certificate).IPAddresses", ["10.0.0.1", "::1"]],
  ["x509.decode(certificate).OCSPServer", ["http://ocsp.a"]],
  ["x509.decode(certificate).IssuingCertificateURL", ["http://ca.a"]],
  ["x509.decode(certificate).Extensions.exists(e, e.Id == [2, 5, 29, 19] && e.Critical && e.Value == 'MAYBAf8CAQA=')", true],
  ["x509.decode(certificate).RawSubject == x509.decode(certificate).RawIssuer", true],
  ["x509.decode(request).Subject.CommonName", "req"],
  ["x509.decode(request).Version", 0],
  ["x509.decode(request).DNSNames", ["r.example.com"]],
  ["x509.decode(request).IPAddresses", null],
  ["x509.decode(request).PublicKey == x509.decode(certificate).PublicKey", true],
  ["x509.decode(elliptic)", "CEL_INVALID_ARGUMENT"],
  ["x509.decode(cut)", "CEL_INVALID_ARGUMENT"],
  ["x509.decode('')", "CEL_INVALID_ARGUMENT"],
  ["x509.decode('-----BEGIN RSA PRIVATE KEY-----\\nAAAA\\n-----END RSA PRIVATE KEY-----\\n')", "CEL_INVALID_ARGUMENT"],
])("%s is %j", (text, expected) => expect(evaluate(text).result).toEqual(expected));

test("the bytes and the key are those that Node reads", () => {
  const { raw, publicKey } = new X509Certificate(CERTIFICATE);
  expect(evaluate("x509.decode(certificate).Raw").result).toBe(raw.toString("base64"));
  expect(evaluate("x509.decode(certificate).RawSubjectPublicKeyInfo").result).toBe(
    publicKey.export({ type: "spki", format: "der" }).toString("base64"),
  );
  const modulus = Buffer.from(publicKey.export({ format: "jwk" }).n ?? "", "base64url");
  expect(evaluate("x509.decode(certificate).PublicKey.N").result).toBe(String(BigInt(`0x${modulus.toString("hex")}`)));
});
