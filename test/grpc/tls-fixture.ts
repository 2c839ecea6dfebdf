/** Certificates for tests of TLS: each signs itself. */
import { generateKeyPairSync, type KeyObject, randomBytes } from "node:crypto";
import { encodeCommonName, issueCertificate, localIssuer } from "../../src/lib/certificate.ts";
import { encodePem } from "../../src/lib/pem.ts";

export interface SelfSigned {
  readonly privateKey: KeyObject;
  readonly certificatePem: string;
}

export function selfSigned(commonName: string): SelfSigned {
  const { privateKey, publicKey } = generateKeyPairSync("ec", { namedCurve: "P-256" });
  const publicKeyInfo = publicKey.export({ type: "spki", format: "der" });
  const subject = encodeCommonName(commonName);
  const der = issueCertificate({
    profile: { kind: "leaf", names: [{ kind: "dns", value: commonName }], usages: ["serverAuth", "clientAuth"] },
    subject,
    publicKeyInfo,
    serial: randomBytes(16),
    notBeforeMs: Date.now() - 60_000,
    notAfterMs: Date.now() + 3_600_000,
    issuer: localIssuer(subject, publicKeyInfo, privateKey),
  });
  return { privateKey, certificatePem: encodePem({ label: "CERTIFICATE", der }) };
}

export const pemOfKey = ({ privateKey }: SelfSigned): string => String(privateKey.export({ type: "pkcs8", format: "pem" }));
