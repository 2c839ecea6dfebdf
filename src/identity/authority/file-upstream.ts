/** An upstream authority whose certificate and key are files: an enterprise root, or an intermediate of it, on this machine. */
import { readFile } from "node:fs/promises";
import { encodeSigned, encodeToBeSigned } from "../../lib/certificate.ts";
import { messageOf } from "../../lib/error.ts";
import { parsePem } from "../../lib/pem.ts";
import { parseEach, parseX509Certificate, type X509Certificate } from "../../spiffe/x509-certificate.ts";
import { authorityError } from "./authority-error.ts";
import { readLocalKey, type SigningKey } from "./key-store.ts";
import type { UpstreamAuthority, UpstreamCertificate, UpstreamRequest } from "./upstream-authority.ts";

export interface UpstreamFiles {
  /** PEM: the authority's certificate, and after it those between it and a root, if there are any. */
  readonly certificatePath: string;
  /** PEM, PKCS#8. */
  readonly keyPath: string;
  /** PEM: the roots, when the certificate is not one itself. */
  readonly bundlePath: string | undefined;
}

/** Reads the files for each certificate anew: whoever replaces them is followed. */
export const fileUpstream = (files: UpstreamFiles): UpstreamAuthority => ({
  name: `file ${files.certificatePath}`,
  issue: (request) => issueFrom(files, request),
});

async function issueFrom(files: UpstreamFiles, request: UpstreamRequest): Promise<UpstreamCertificate> {
  const [own, ...above] = await readCertificates(files.certificatePath);
  const key = await readKey(files.keyPath);
  const roots = files.bundlePath === undefined ? [] : await readCertificates(files.bundlePath);
  const authority = own && parseX509Certificate(own);
  if (own === undefined || authority === undefined || !authority.ok) throw wrong(files.certificatePath, "it holds no certificate");
  if (Buffer.compare(key.publicKeyInfo, authority.value.publicKeyInfo) !== 0)
    throw wrong(files.keyPath, "the key is not that of the certificate");
  const isRoot = Buffer.compare(authority.value.subject, authority.value.issuer) === 0;
  if (!isRoot && roots.length === 0) throw wrong(files.certificatePath, "it is no root, and no bundle with its root is given");
  const certificate = await signBelow(authority.value, key, request);
  return { certificate, intermediates: isRoot ? [] : [own, ...above], roots: isRoot && roots.length === 0 ? [own] : roots };
}

async function signBelow(authority: X509Certificate, key: SigningKey, request: UpstreamRequest): Promise<Uint8Array> {
  const { subjectKeyIdentifier, pathLength, notAfterMs, subject } = authority;
  if (subjectKeyIdentifier === undefined)
    throw authorityError("AUTHORITY_UPSTREAM", "the upstream certificate has no subject key identifier");
  const toBeSigned = encodeToBeSigned({
    profile: {
      kind: "authority",
      pathLength: pathLength === undefined ? undefined : Math.max(0, pathLength - 1),
      names: [{ kind: "uri", value: request.spiffeId }],
    },
    subject: request.subject,
    publicKeyInfo: request.key.publicKeyInfo,
    serial: request.serial,
    notBeforeMs: request.notBeforeMs,
    notAfterMs: Math.min(request.notAfterMs, notAfterMs),
    issuer: { name: subject, keyIdentifier: subjectKeyIdentifier, scheme: key.scheme },
  });
  return encodeSigned(toBeSigned, key.scheme, await key.sign(toBeSigned));
}

async function readCertificates(path: string): Promise<readonly Uint8Array[]> {
  const blocks = parsePem(await readText(path));
  if (!blocks.ok) throw wrong(path, blocks.error.message);
  const ders = blocks.value.filter(({ label }) => label === "CERTIFICATE").map(({ der }) => der);
  const parsed = parseEach(ders);
  if (!parsed.ok) throw wrong(path, parsed.error.message);
  return ders;
}

async function readKey(path: string): Promise<SigningKey> {
  const blocks = parsePem(await readText(path));
  const block = blocks.ok ? blocks.value.find(({ label }) => label === "PRIVATE KEY") : undefined;
  const key = block && readLocalKey("upstream", block.der);
  if (key === undefined) throw wrong(path, "it holds no private key in PKCS#8 that may sign certificates");
  return key;
}

async function readText(path: string): Promise<string> {
  try {
    return await readFile(path, "latin1");
  } catch (thrown) {
    throw wrong(path, messageOf(thrown), thrown);
  }
}

const wrong = (path: string, reason: string, cause?: unknown): Error =>
  authorityError("AUTHORITY_UPSTREAM", `the upstream authority's file \`${path}\` cannot be used: ${reason}`, {
    hint: "check the settings `identity.upstream…`",
    cause,
  });
