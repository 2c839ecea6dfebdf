/** An identity that somebody brings from elsewhere: a good certificate, with key and chain, of another trust domain's authority. */
import { generateKeyPairSync, randomBytes } from "node:crypto";
import { mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { EMPTY_NAME, encodeCommonName, issueCertificate, localIssuer } from "../../lib/certificate.ts";
import { encodePem } from "../../lib/pem.ts";

const DAY_MS = 24 * 60 * 60 * 1000;
const SERIAL_BYTES = 16;
const READABLE = 0o644;

/** Writes it as `vigil identity watch` does; `trusted` is the bundle (PEM) of `trustDomain`, so that its holder can call services there. */
export function writeStolenIdentity(
  directory: string,
  id: string,
  { trustDomain, trusted }: { readonly trustDomain: string; readonly trusted: string },
): void {
  const nowMs = Date.now();
  const dates = { notBeforeMs: nowMs - 60_000, notAfterMs: nowMs + DAY_MS };
  const foreign = new URL(id).host;
  const authority = keyPair();
  const name = encodeCommonName(`authority of ${foreign}`);
  const issuer = localIssuer(name, authority.publicKeyInfo, authority.privateKey);
  const ca = issueCertificate({
    profile: { kind: "authority", pathLength: undefined, names: [{ kind: "uri", value: `spiffe://${foreign}` }] },
    subject: name,
    publicKeyInfo: authority.publicKeyInfo,
    serial: randomBytes(SERIAL_BYTES),
    issuer,
    ...dates,
  });
  const own = keyPair();
  const leaf = issueCertificate({
    profile: { kind: "leaf", names: [{ kind: "uri", value: id }], usages: ["serverAuth", "clientAuth"] },
    subject: EMPTY_NAME,
    publicKeyInfo: own.publicKeyInfo,
    serial: randomBytes(SERIAL_BYTES),
    issuer,
    ...dates,
  });
  mkdirSync(join(directory, "federated"), { recursive: true, mode: 0o755 });
  const write = (file: string, text: string): void => writeFileSync(join(directory, file), text, { mode: READABLE });
  write("svid.pem", encodePem({ label: "CERTIFICATE", der: leaf }));
  write("svid_key.pem", encodePem({ label: "PRIVATE KEY", der: own.privateKey.export({ format: "der", type: "pkcs8" }) }));
  write("bundle.pem", encodePem({ label: "CERTIFICATE", der: ca }));
  write(join("federated", `${trustDomain}.pem`), trusted);
}

function keyPair(): { readonly privateKey: ReturnType<typeof generateKeyPairSync>["privateKey"]; readonly publicKeyInfo: Uint8Array } {
  const { publicKey, privateKey } = generateKeyPairSync("ec", { namedCurve: "P-256" });
  return { privateKey, publicKeyInfo: publicKey.export({ format: "der", type: "spki" }) };
}
