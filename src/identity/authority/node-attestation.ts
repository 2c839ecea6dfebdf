/** Which node an agent runs on: by a join token, by a certificate of the operator's, or by an SVID that it has already. */
import { hash, type KeyObject, verify } from "node:crypto";
import { signatureScheme } from "../../lib/certificate.ts";
import { VigilError } from "../../lib/error.ts";
import { parsePem } from "../../lib/pem.ts";
import { err, ok, type Result } from "../../lib/result.ts";
import { validatePath } from "../../spiffe/path-validation.ts";
import type { SpiffeId } from "../../spiffe/spiffe-id.ts";
import { parseEach, publicKeyOfCertificate, type X509Certificate } from "../../spiffe/x509-certificate.ts";
import { verifyX509Svid } from "../../spiffe/x509-svid.ts";
import { encodeNodeChallenge } from "../node-challenge.ts";
import type { Authority } from "./authority.ts";

/** Why a node gets no agent identity. Each is a row in ERRORS.md. */
export type NodeAttestationErrorCode = "NODE_JOIN_TOKEN" | "NODE_CERTIFICATE" | "NODE_POSSESSION" | "NODE_DENIED";

export type NodeEvidence =
  | { readonly kind: "join token"; readonly token: string }
  | { readonly kind: "certificate"; readonly chain: readonly Uint8Array[] }
  | { readonly kind: "svid"; readonly chain: readonly Uint8Array[] };

/** What a node with certificates must still do: sign `toBeSigned` with the key of the first. */
export interface Challenge {
  readonly toBeSigned: Uint8Array;
  /** The agent when the signature is right. */
  readonly answer: (signature: Uint8Array) => Result<SpiffeId, VigilError<NodeAttestationErrorCode>>;
}

export type Attested =
  | { readonly kind: "agent"; readonly agentId: SpiffeId }
  | { readonly kind: "challenge"; readonly challenge: Challenge }
  | { readonly kind: "refused"; readonly error: VigilError<NodeAttestationErrorCode> };

const MAX_CHAIN = 8;

const refused = (
  code: NodeAttestationErrorCode,
  message: string,
  hint?: string,
): { readonly kind: "refused"; readonly error: VigilError<NodeAttestationErrorCode> } => ({
  kind: "refused",
  error: new VigilError(code, message, hint === undefined ? {} : { hint }),
});

/** Begins with the evidence of a node whose agent has the key `publicKeyInfo`. UNTRUSTED both. */
export async function attestNode(
  authority: Authority,
  evidence: NodeEvidence,
  publicKeyInfo: Uint8Array,
  { nowMs, random }: { readonly nowMs: number; readonly random: (bytes: number) => Uint8Array },
): Promise<Attested> {
  if (evidence.kind === "join token") {
    const agentId = await authority.redeemJoinToken(evidence.token);
    return agentId === undefined
      ? refused("NODE_JOIN_TOKEN", "the join token is unknown, used or expired", "`vigil trust token` makes another")
      : { kind: "agent", agentId };
  }
  if (evidence.chain.length === 0 || evidence.chain.length > MAX_CHAIN)
    return refused("NODE_CERTIFICATE", `expected 1 to ${MAX_CHAIN} certificates, got ${evidence.chain.length}`);
  const parsed = parseEach(evidence.chain);
  const [leaf, ...intermediates] = parsed.ok ? parsed.value : [];
  if (!parsed.ok || leaf === undefined) return refused("NODE_CERTIFICATE", parsed.ok ? "there is no certificate" : parsed.error.message);
  const identified =
    evidence.kind === "svid" ? bySvid(authority, evidence.chain, nowMs) : byCertificate(authority, leaf, intermediates, nowMs);
  if (!identified.ok) return { kind: "refused", error: identified.error };
  const key = publicKeyOfCertificate(leaf);
  if (key === undefined) return refused("NODE_CERTIFICATE", "the key of the certificate is of an unknown kind");
  const toBeSigned = encodeNodeChallenge(random, publicKeyInfo);
  const answer: Challenge["answer"] = (signature) =>
    isSigned(toBeSigned, signature, key)
      ? ok(identified.value)
      : err(new VigilError("NODE_POSSESSION", "the node did not prove that it holds the key of its certificate"));
  return { kind: "challenge", challenge: { toBeSigned, answer } };
}

/** The agent is named after the certificate: the same certificate is the same agent. */
function byCertificate(
  authority: Authority,
  leaf: X509Certificate,
  intermediates: readonly X509Certificate[],
  nowMs: number,
): Result<SpiffeId, VigilError<NodeAttestationErrorCode>> {
  const pem = authority.registrations.trustDomain?.nodes.x509Authorities;
  const blocks = pem === undefined ? undefined : parsePem(pem);
  const authorities = blocks?.ok ? parseEach(blocks.value.map(({ der }) => der)) : undefined;
  if (authorities === undefined || !authorities.ok)
    return err(
      new VigilError("NODE_CERTIFICATE", "no authority for nodes is configured", {
        hint: "`nodes.x509Authorities` of the TrustDomain resource",
      }),
    );
  if (leaf.isAuthority) return err(new VigilError("NODE_CERTIFICATE", "the certificate is that of an authority"));
  const path = validatePath(leaf, { authorities: authorities.value, intermediates, nowMs });
  if (!path.ok) return err(new VigilError("NODE_CERTIFICATE", path.error.message, { cause: path.error }));
  return ok(authority.agentIdOf(`x509-${hash("sha256", leaf.der, "hex").slice(0, 40)}`));
}

function bySvid(authority: Authority, chain: readonly Uint8Array[], nowMs: number): Result<SpiffeId, VigilError<NodeAttestationErrorCode>> {
  const svid = verifyX509Svid(chain, authority, { nowMs });
  if (!svid.ok) return err(new VigilError("NODE_CERTIFICATE", svid.error.message, { cause: svid.error }));
  const { id } = svid.value;
  if (authority.shared.denials.spiffeIds.has(id)) return err(new VigilError("NODE_DENIED", `the identity \`${id}\` is denied`));
  if (authority.registrations.trustDomain?.nodes.spiffeIds.includes(id) !== true)
    return err(
      new VigilError("NODE_CERTIFICATE", `the identity \`${id}\` is not one of an agent`, {
        hint: "`nodes.spiffeIds` of the TrustDomain resource",
      }),
    );
  return ok(authority.agentIdOf(`svid-${hash("sha256", id, "hex").slice(0, 40)}`));
}

function isSigned(data: Uint8Array, signature: Uint8Array, key: KeyObject): boolean {
  try {
    return verify(signatureScheme(key).hash, data, key, signature);
  } catch {
    // A key of a kind that no scheme has, or a signature that is none.
    return false;
  }
}
