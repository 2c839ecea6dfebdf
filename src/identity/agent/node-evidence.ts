/** What an agent shows for its node, and the bundle that it knows its authority by before it has heard from it. Read anew for each attempt. */
import { createPrivateKey, hash, type KeyObject } from "node:crypto";
import { readFile, stat } from "node:fs/promises";
import { messageOf, VigilError } from "../../lib/error.ts";
import { parsePem } from "../../lib/pem.ts";
import { parseTrustBundle, parseX509BundlePem, type TrustBundle } from "../../spiffe/bundle.ts";
import type { TrustDomain } from "../../spiffe/spiffe-id.ts";
import { parseX509SvidPem } from "../../spiffe/x509-svid.ts";

/** Why an agent cannot prove which node it runs on, or has nothing to verify its authority with. */
export type NodeEvidenceErrorCode = "AGENT_EVIDENCE" | "AGENT_BUNDLE";

export type NodeEvidence =
  | { readonly kind: "join token"; readonly token: string }
  /** Leaf first, DER. A certificate of the operator's, or an SVID. */
  | { readonly kind: "certificate" | "svid"; readonly chain: readonly Uint8Array[]; readonly privateKey: KeyObject };

export type EvidencePaths =
  | { readonly kind: "join token"; readonly path: string }
  | { readonly kind: "certificate"; readonly certificatePath: string; readonly keyPath: string };

const MAX_FILE_BYTES = 4 * 1024 * 1024;
const MAX_TOKEN_LENGTH = 1_024;

/** Rejects with `AGENT_EVIDENCE`. A certificate with a SPIFFE ID is an SVID. */
export async function readNodeEvidence(paths: EvidencePaths): Promise<NodeEvidence> {
  try {
    if (paths.kind === "join token") {
      const token = (await readLimited(paths.path)).trim();
      if (token === "" || token.length > MAX_TOKEN_LENGTH) throw new RangeError("it holds no join token");
      return { kind: "join token", token };
    }
    const [certificates, key] = await Promise.all([readLimited(paths.certificatePath), readLimited(paths.keyPath)]);
    const svid = parseX509SvidPem(certificates, key);
    if (svid.ok) return { kind: "svid", chain: svid.value.certificates.map(({ der }) => der), privateKey: svid.value.privateKey };
    const blocks = parsePem(certificates);
    if (!blocks.ok) throw blocks.error;
    const chain = blocks.value.filter(({ label }) => label === "CERTIFICATE").map(({ der }) => der);
    return { kind: "certificate", chain, privateKey: createPrivateKey(key) };
  } catch (thrown) {
    const where = paths.kind === "join token" ? paths.path : paths.certificatePath;
    throw new VigilError<NodeEvidenceErrorCode>(
      "AGENT_EVIDENCE",
      `cannot show which node this is with \`${where}\`: ${messageOf(thrown)}`,
      {
        hint: paths.kind === "join token" ? "`vigil trust token NAME` at the authority makes one" : "expected a chain and its key, PEM",
        cause: thrown,
      },
    );
  }
}

export interface FirstBundle {
  readonly bundle: TrustBundle;
  /** Of the file's content: whether it is another one than before. */
  readonly digest: string;
}

/** A SPIFFE bundle document, as `vigil trust show --bundle` prints it, or PEM. Rejects with `AGENT_BUNDLE`. */
export async function readFirstBundle(path: string, trustDomain: TrustDomain): Promise<FirstBundle> {
  let why: unknown;
  try {
    const text = await readLimited(path);
    const bundle = text.includes("-----BEGIN") ? parseX509BundlePem(text, trustDomain) : parseTrustBundle(Buffer.from(text), trustDomain);
    if (bundle.ok && bundle.value.x509Authorities.length > 0) return { bundle: bundle.value, digest: hash("sha256", text, "hex") };
    why = bundle.ok ? new RangeError("it holds no authority of certificates") : bundle.error;
  } catch (thrown) {
    why = thrown;
  }
  throw new VigilError<NodeEvidenceErrorCode>("AGENT_BUNDLE", `cannot verify the authority with \`${path}\`: ${messageOf(why)}`, {
    hint: "`vigil trust show --bundle` at the authority prints it",
    cause: why,
  });
}

async function readLimited(path: string): Promise<string> {
  const { size } = await stat(path);
  if (size > MAX_FILE_BYTES) throw new RangeError(`expected at most ${MAX_FILE_BYTES} octets, got ${size}`);
  return readFile(path, "utf8");
}
