/** `vigil.authority.v1.Authority`: what agents call. */
import { create } from "@bufbuild/protobuf";
import type { CallContext } from "../../grpc/call-context.ts";
import { GrpcError } from "../../grpc/grpc-error.ts";
import { implementService, type ServiceImplementation } from "../../grpc/service.ts";
import { GRPC_STATUS, type GrpcFailure } from "../../grpc/status.ts";
import type { VigilError } from "../../lib/error.ts";
import type { Result } from "../../lib/result.ts";
import type { Tracer } from "../../lib/tracer.ts";
import type { SpiffeId } from "../../spiffe/spiffe-id.ts";
import {
  type AgentEvidence,
  type AttestAgentRequest,
  type AttestAgentResponse,
  AttestAgentResponseSchema,
  Authority as AuthorityDescription,
  type X509SvidRequest,
  type X509SvidResult,
  X509SvidResultSchema,
} from "../generated/vigil/authority/v1/authority_pb.ts";
import type { Authority, SubjectKey } from "./authority.ts";
import { bundlesMessage, svidMessage } from "./authority-message.ts";
import { CallRate } from "./call-rate.ts";
import { type Caller, CallerIdentification } from "./caller.ts";
import type { ConnectedAgents } from "./connected-agents.ts";
import { attestNode, type NodeEvidence } from "./node-attestation.ts";
import { traceSigning } from "./signing-trace.ts";
import type { IssuedToken, IssuedX509Svid, Refusal, Requester } from "./svid-issuer.ts";
import { syncStream } from "./sync-stream.ts";

export interface AuthorityServiceOptions {
  readonly authority: Authority;
  readonly nowMs: () => number;
  readonly random: (bytes: number) => Uint8Array;
  /** IDs of the agents that follow the state now. */
  readonly connected: ConnectedAgents;
  /** An agent attested its node, or did not. */
  readonly onAttestation: (agentId: SpiffeId | undefined, refusal: VigilError | undefined) => void;
  /** Where signing leaves its spans; nowhere unless given. */
  readonly tracer?: Tracer | undefined;
}

const MAX_BATCH = 500;
/** For each agent; SPIRE allows 500 a second for each address. */
const SIGNING = { perSecond: 5_000, burst: 10_000 };
/** For all together: attestation costs signatures and is open to strangers. */
const ATTESTATION = { perSecond: 20, burst: 100 };
/** A stranger must not hold a stream open. */
const ATTESTATION_TIMEOUT_MS = 10_000;

export function authorityService({
  authority,
  nowMs,
  random,
  connected,
  onAttestation,
  tracer,
}: AuthorityServiceOptions): ServiceImplementation {
  const callers = new CallerIdentification(authority, nowMs);
  const signing = new CallRate(SIGNING, () => performance.now());
  const attestation = new CallRate(ATTESTATION, () => performance.now());
  const traced = traceSigning(tracer, authority);

  const agentOf = (context: CallContext): Exclude<Caller, { kind: "stranger" }> => {
    const caller = callers.callerOf(context);
    if (caller.kind === "stranger") throw new GrpcError("UNAUTHENTICATED", "only an agent that has attested its node may call this");
    return caller;
  };
  const signerOf = (context: CallContext, count: number): Requester => {
    const { requester } = agentOf(context);
    if (!signing.take(requester.name, count)) throw new GrpcError("RESOURCE_EXHAUSTED", "the agent asks for too many SVIDs");
    return requester;
  };

  return implementService(AuthorityDescription, {
    async *attestAgent(requests, context): AsyncGenerator<AttestAgentResponse, void, undefined> {
      callers.callerOf(context);
      if (!attestation.take("all")) throw new GrpcError("RESOURCE_EXHAUSTED", "too many nodes attest at once");
      const steps = requests[Symbol.asyncIterator]();
      const evidence = evidenceOf(await nextStep(steps));
      const attested = await attestNode(authority, evidence.evidence, evidence.publicKey, { nowMs: nowMs(), random });
      if (attested.kind === "refused") throw refuseNode(attested.error);
      let agentId: SpiffeId;
      if (attested.kind === "challenge") {
        yield create(AttestAgentResponseSchema, { step: { case: "challenge", value: { toBeSigned: attested.challenge.toBeSigned } } });
        const { step } = await nextStep(steps);
        const answered = attested.challenge.answer(step.case === "challengeResponse" ? step.value : new Uint8Array(0));
        if (!answered.ok) throw refuseNode(answered.error);
        agentId = answered.value;
      } else agentId = attested.agentId;
      const svid = unwrap(await authority.signAgent(agentId, evidence.publicKey));
      onAttestation(agentId, undefined);
      yield create(AttestAgentResponseSchema, {
        step: { case: "result", value: { svid: svidMessage(svid), bundles: bundlesMessage(authority) } },
      });
    },

    async renewAgentSvid({ publicKey }, context) {
      const { agentId } = signerOf(context, 1);
      return { svid: svidMessage(unwrap(await authority.signAgent(agentId as SpiffeId, publicKey))) }; // callers are identified by valid IDs
    },

    async *sync(_, context) {
      const { requester } = agentOf(context);
      const leave = connected.join(requester.agentId);
      try {
        const ended = AbortSignal.any([context.signal, context.draining]);
        for await (const message of syncStream(authority, requester.agentId, ended)) {
          // Throws once the agent is denied, or its SVID has expired: what follows is not for it any more.
          agentOf(context);
          yield message;
        }
      } finally {
        leave();
      }
    },

    async signX509Svids({ requests }, context) {
      if (requests.length > MAX_BATCH)
        throw new GrpcError("INVALID_ARGUMENT", `expected at most ${MAX_BATCH} requests, got ${requests.length}`);
      const requester = signerOf(context, requests.length);
      const { agentId } = requester;
      const sign = (request: X509SvidRequest): Promise<X509SvidResult> =>
        traced(context, { kind: "x509", entryId: request.entryId, agentId }, () => signOne(authority, request, requester), refusalOf);
      return { results: await Promise.all(requests.map(sign)) };
    },

    async signJwtSvid({ entryId, audience }, context) {
      const requester = signerOf(context, 1);
      const request = { kind: "jwt", entryId, agentId: requester.agentId } as const;
      return traced(context, request, async () => tokenMessage(unwrap(await authority.signJwt(entryId, audience, requester))));
    },

    async signWitSvid({ entryId, publicKey, algorithm }, context) {
      const requester = signerOf(context, 1);
      const request = { kind: "wit", entryId, agentId: requester.agentId } as const;
      const proof = { publicKeyInfo: publicKey, algorithm };
      return traced(context, request, async () => tokenMessage(unwrap(await authority.signWit(entryId, proof, requester))));
    },
  });

  function refuseNode(error: VigilError): GrpcError {
    onAttestation(undefined, error);
    return new GrpcError("PERMISSION_DENIED", error.message, { cause: error });
  }
}

async function nextStep(steps: AsyncIterator<AttestAgentRequest>): Promise<AttestAgentRequest> {
  let timer: NodeJS.Timeout | undefined;
  const late = new Promise<never>((_, reject) => {
    timer = setTimeout(() => reject(new GrpcError("DEADLINE_EXCEEDED", "the node took too long to attest")), ATTESTATION_TIMEOUT_MS);
  });
  try {
    const { done, value } = await Promise.race([steps.next(), late]);
    if (done === true) throw new GrpcError("INVALID_ARGUMENT", "the stream ended before the attestation");
    return value;
  } finally {
    clearTimeout(timer);
  }
}

function evidenceOf({ step }: AttestAgentRequest): { readonly evidence: NodeEvidence; readonly publicKey: Uint8Array } {
  const value: AgentEvidence | undefined = step.case === "evidence" ? step.value : undefined;
  if (value === undefined) throw new GrpcError("INVALID_ARGUMENT", "expected evidence first");
  const { kind, publicKey } = value;
  switch (kind.case) {
    case "joinToken":
      return { evidence: { kind: "join token", token: kind.value }, publicKey };
    case "x509Pop":
      return { evidence: { kind: "certificate", chain: kind.value.certificates }, publicKey };
    case "spiffe":
      return { evidence: { kind: "svid", chain: kind.value.certificates }, publicKey };
    case undefined:
      throw new GrpcError("INVALID_ARGUMENT", "expected a join token or certificates as evidence");
    default:
      return kind satisfies never;
  }
}

const refusalOf = ({ result }: X509SvidResult): string | undefined =>
  result.case === "refusal" ? `${result.value.reason}: ${result.value.message}` : undefined;

async function signOne(authority: Authority, { entryId, subject }: X509SvidRequest, requester: Requester): Promise<X509SvidResult> {
  if (subject.case === undefined)
    return create(X509SvidResultSchema, {
      result: {
        case: "refusal",
        value: { code: GRPC_STATUS.INVALID_ARGUMENT, reason: "IDENTITY_PUBLIC_KEY", message: "expected a public key or a CSR" },
      },
    });
  const key: SubjectKey = { kind: subject.case === "csr" ? "csr" : "public key", der: subject.value };
  const signed = await signSafely(() => authority.signX509(entryId, key, requester));
  if (signed.ok) return create(X509SvidResultSchema, { result: { case: "svid", value: svidMessage(signed.value) } });
  const { code, message } = signed.error;
  return create(X509SvidResultSchema, {
    result: { case: "refusal", value: { code: GRPC_STATUS[statusOf(signed.error)], reason: code, message } },
  });
}

/** A key service that fails refuses one request, not the batch. */
async function signSafely(
  work: () => Result<IssuedX509Svid, Refusal> | Promise<Result<IssuedX509Svid, Refusal>>,
): Promise<Result<IssuedX509Svid, VigilError>> {
  try {
    return await work();
  } catch (thrown) {
    return { ok: false, error: new GrpcError("UNAVAILABLE", "the authority cannot sign now", { cause: thrown }) };
  }
}

export const tokenMessage = ({
  spiffeId,
  token,
  issuedAtMs,
  expiresAtMs,
  hint,
  authorityId,
}: IssuedToken): {
  readonly spiffeId: string;
  readonly token: string;
  readonly issuedAtMs: bigint;
  readonly expiresAtMs: bigint;
  readonly hint: string;
  readonly authorityId: string;
} => ({ spiffeId, token, hint, authorityId, issuedAtMs: BigInt(issuedAtMs), expiresAtMs: BigInt(expiresAtMs) });

/** Which status a refusal is. */
function statusOf({ code }: VigilError): GrpcFailure {
  switch (code) {
    case "IDENTITY_UNKNOWN_ENTRY":
    case "AUTHORITY_UNKNOWN":
      return "NOT_FOUND";
    case "IDENTITY_DENIED":
    case "IDENTITY_RULE":
      return "PERMISSION_DENIED";
    case "IDENTITY_AUDIENCE":
    case "IDENTITY_ALGORITHM":
    case "IDENTITY_CSR":
    case "IDENTITY_PUBLIC_KEY":
    case "AUTHORITY_KEY_CONFLICT":
      return "INVALID_ARGUMENT";
    case "AUTHORITY_PHASE":
    case "AUTHORITY_NOT_PUBLISHED":
    case "IDENTITY_DOWNSTREAM":
      return "FAILED_PRECONDITION";
    case "AUTHORITY_LIMIT":
      return "RESOURCE_EXHAUSTED";
    default:
      return "UNAVAILABLE";
  }
}

/** The value, or its refusal as the end of the call; the code stands before the message, and the hint behind it. */
export function unwrap<T>(result: Result<T, VigilError>): T {
  if (result.ok) return result.value;
  throw asCallFailure(result.error);
}

/** An error as the end of a call, in words that the command line takes apart again. */
export function asCallFailure(error: VigilError): GrpcError {
  const hint = error.hint === undefined ? "" : `\n${error.hint}`;
  return error instanceof GrpcError ? error : new GrpcError(statusOf(error), `${error.code}: ${error.message}${hint}`, { cause: error });
}
