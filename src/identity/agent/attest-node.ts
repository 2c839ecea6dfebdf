/** One attestation of this node: shows evidence to the authority, and gets the agent's own SVID. */

import { sign } from "node:crypto";
import { once } from "node:events";
import { isIP } from "node:net";
import { createSecureContext, type TLSSocket, connect as tlsConnect } from "node:tls";
import type { MessageInitShape } from "@bufbuild/protobuf";
import { GrpcChannel } from "../../grpc/channel.ts";
import { GrpcError } from "../../grpc/grpc-error.ts";
import { signatureScheme } from "../../lib/certificate.ts";
import { presentedChain } from "../../service/presented-chain.ts";
import type { BundleSource } from "../../spiffe/bundle-source.ts";
import type { SpiffeId } from "../../spiffe/spiffe-id.ts";
import { verifyX509Svid } from "../../spiffe/x509-svid.ts";
import { type AgentSvid, type AttestAgentRequestSchema, Authority } from "../generated/vigil/authority/v1/authority_pb.ts";
import { isNodeChallenge } from "../node-challenge.ts";
import type { NodeEvidence } from "./node-evidence.ts";

export interface AuthorityPlace {
  readonly host: string;
  readonly port: number;
  /** Who must be there: `spiffe://<trust domain>/vigil/authority`. */
  readonly id: SpiffeId;
}

export interface AttestOptions {
  readonly place: AuthorityPlace;
  readonly bundles: BundleSource;
  readonly evidence: NodeEvidence;
  /** SubjectPublicKeyInfo, DER, of the agent's new key. */
  readonly publicKeyInfo: Uint8Array;
  readonly nowMs: () => number;
}

const ATTESTATION_TIMEOUT_MS = 10_000;

/** Rejects with a `GrpcError`. */
export async function attestNode({ place, bundles, evidence, publicKeyInfo, nowMs }: AttestOptions): Promise<AgentSvid> {
  const address = `${place.host}:${place.port}`;
  const channel = new GrpcChannel({
    address: { kind: "socket", authority: address, isTls: true, connect: (signal) => connectAsStranger(place, bundles, nowMs, signal) },
  });
  const challenged = Promise.withResolvers<Uint8Array | undefined>();
  try {
    const answers = channel.bidiStreaming(Authority.method.attestAgent, stepsOf(evidence, publicKeyInfo, challenged.promise), {
      timeoutMs: ATTESTATION_TIMEOUT_MS,
    });
    for await (const { step } of answers) {
      if (step.case === "result") return step.value;
      if (step.case === "challenge") challenged.resolve(answerTo(step.value.toBeSigned, evidence, publicKeyInfo));
    }
    throw new GrpcError("INTERNAL", "the authority ended the attestation without an answer");
  } finally {
    challenged.resolve(undefined);
    await channel.close({ cut: true });
  }
}

type Step = MessageInitShape<typeof AttestAgentRequestSchema>;

async function* stepsOf(
  evidence: NodeEvidence,
  publicKey: Uint8Array,
  answer: Promise<Uint8Array | undefined>,
): AsyncGenerator<Step, void, undefined> {
  yield { step: { case: "evidence", value: { publicKey, kind: kindOf(evidence) } } };
  const value = await answer;
  if (value !== undefined) yield { step: { case: "challengeResponse", value } };
}

type EvidenceKind =
  | { readonly case: "joinToken"; readonly value: string }
  | { readonly case: "x509Pop" | "spiffe"; readonly value: { readonly certificates: Uint8Array[] } };

function kindOf(evidence: NodeEvidence): EvidenceKind {
  if (evidence.kind === "join token") return { case: "joinToken", value: evidence.token };
  return { case: evidence.kind === "svid" ? "spiffe" : "x509Pop", value: { certificates: [...evidence.chain] } };
}

/** UNTRUSTED: the challenge. */
function answerTo(toBeSigned: Uint8Array, evidence: NodeEvidence, publicKeyInfo: Uint8Array): Uint8Array {
  if (evidence.kind === "join token" || !isNodeChallenge(toBeSigned, publicKeyInfo))
    throw new GrpcError("INTERNAL", "the authority asked for a signature over something else");
  return sign(signatureScheme(evidence.privateKey).hash, toBeSigned, evidence.privateKey);
}

/** Shows no certificate, and verifies the authority's: nothing is sent, a token least of all, to anybody else. */
async function connectAsStranger(
  { host, port, id }: AuthorityPlace,
  bundles: BundleSource,
  nowMs: () => number,
  signal: AbortSignal,
): Promise<TLSSocket> {
  const socket = tlsConnect({
    host,
    port,
    secureContext: createSecureContext({ ca: [], minVersion: "TLSv1.3" }),
    // Vigil's own validator decides, below.
    rejectUnauthorized: false,
    servername: isIP(host) === 0 ? host : "",
    ALPNProtocols: ["h2"],
  });
  try {
    await once(socket, "secureConnect", { signal });
    const svid = verifyX509Svid(presentedChain(socket), bundles, { nowMs: nowMs() });
    if (!svid.ok)
      throw new GrpcError("UNAVAILABLE", `\`${host}:${port}\` is not the authority: ${svid.error.message}`, { cause: svid.error });
    if (svid.value.id !== id) throw new GrpcError("UNAVAILABLE", `\`${host}:${port}\` is \`${svid.value.id}\`, not the authority`);
    return socket;
  } catch (thrown) {
    socket.on("error", () => undefined);
    socket.destroy();
    throw thrown;
  }
}
