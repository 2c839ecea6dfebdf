/** The SPIFFE Workload API (SPIFFE_Workload_Endpoint, SPIFFE_Workload_API). */
import type { CallContext } from "../../grpc/call-context.ts";
import type { EncodedMessage } from "../../grpc/encoded-message.ts";
import { GrpcError } from "../../grpc/grpc-error.ts";
import { implementService, type ServiceImplementation } from "../../grpc/service.ts";
import type { JsonObject, JsonValue } from "../../lib/json.ts";
import { isJsonArray, isJsonObject } from "../../lib/json.ts";
import { SpiffeWorkloadAPI, type ValidateJWTSVIDRequest } from "../../spiffe/generated/spiffe/workload_pb.ts";
import { verifyJwtSvid } from "../../spiffe/jwt-svid.ts";
import type { Agent } from "./agent.ts";
import type { CallerFacts } from "./agent-event.ts";
import { problemOf } from "./authority-link.ts";
import type { Caller, Callers, CallerView } from "./caller.ts";
import type { Composed, HeldIdentity, JwtAnswer, WorkloadMessages } from "./workload-messages.ts";
import { firstOf, workloadStream } from "./workload-stream.ts";

export interface WorkloadApiOptions {
  readonly agent: Agent;
  readonly callers: Callers;
  readonly messages: WorkloadMessages;
  /** How long a workload that is not registered yet may wait on its stream. */
  readonly patienceMs: number;
}

const SECURITY_HEADER = "workload.spiffe.io";
const MAX_AUDIENCES = 64;
const MAX_AUDIENCE_LENGTH = 2_048;

/** Only who means to call the Workload API sends this: no browser and no confused proxy does (SPIFFE_Workload_Endpoint §3). */
export function checkSecurityHeader({ headers }: CallContext): void {
  if (headers[SECURITY_HEADER] !== "true") throw new GrpcError("INVALID_ARGUMENT", `expected the metadata \`${SECURITY_HEADER}: true\``);
}

export function workloadApi(options: WorkloadApiOptions): ServiceImplementation {
  const { agent, callers, messages } = options;
  const stream = (
    context: CallContext,
    compose: (view: CallerView) => Composed<EncodedMessage>,
    onMessage: (caller: Caller) => void = () => {},
  ): AsyncGenerator<EncodedMessage> => streamOf(options, context, compose, onMessage);
  return implementService(
    SpiffeWorkloadAPI,
    {
      fetchX509SVID: (_request, context) =>
        stream(
          context,
          (view) => messages.x509(view),
          (caller) => tellX509(agent, caller, caller.lastView && messages.identitiesOf(caller.lastView)),
        ),
      fetchX509Bundles: (_request, context) => stream(context, (view) => messages.x509Bundles(view)),
      fetchJWTBundles: (_request, context) => stream(context, (view) => messages.jwtBundles(view)),
      fetchWITSVID: ({ spiffeId }, context) => stream(context, (view) => messages.wit(view, spiffeId)),
      fetchWITBundles: (_request, context) => stream(context, (view) => messages.witBundles(view)),
      fetchJWTSVID: async ({ audience, spiffeId }, context) => {
        checkAudience(audience);
        const caller = callers.of(context);
        try {
          const view = await caller.view();
          return messages.freshJwt(view, spiffeId, audience) ?? (await signedJwt(options, context, { spiffeId, audience }));
        } catch (error) {
          const failure = asGrpcError(error);
          caller.lastRefusal = failure.message;
          throw failure;
        }
      },
      validateJWTSVID: async (request, context) => {
        if (request.audience === "") throw new GrpcError("INVALID_ARGUMENT", "expected an audience");
        if (request.svid === "") throw new GrpcError("INVALID_ARGUMENT", "expected a JWT-SVID");
        const caller = callers.of(context);
        const view = await firstOf(context, {
          agent,
          caller,
          patienceMs: options.patienceMs,
          compose: (seen) => messages.registered(seen),
        });
        return validate(options, view, request);
      },
    },
    { check: checkSecurityHeader },
  );
}

async function* streamOf(
  { agent, callers, patienceMs }: WorkloadApiOptions,
  context: CallContext,
  compose: (view: CallerView) => Composed<EncodedMessage>,
  onMessage: (caller: Caller) => void,
): AsyncGenerator<EncodedMessage> {
  const caller = callers.of(context);
  const done = callers.limits.openStream(caller.connection.credentials.uid);
  try {
    const isSame = (one: EncodedMessage, other: EncodedMessage): boolean => one === other || Buffer.compare(one.framed, other.framed) === 0;
    for await (const message of workloadStream(context, { agent, caller, compose, isSame, patienceMs, usesX509: true })) {
      onMessage(caller);
      yield message;
    }
  } finally {
    done();
  }
}

/** Throws a `GrpcError` for what cannot be the audiences of a token. UNTRUSTED. */
export function checkAudience(audience: readonly string[]): void {
  const isGood = audience.length > 0 && audience.every((name) => name !== "" && name.length <= MAX_AUDIENCE_LENGTH);
  if (isGood && audience.length <= MAX_AUDIENCES) return;
  throw new GrpcError(
    "INVALID_ARGUMENT",
    `expected 1 to ${MAX_AUDIENCES} audiences, none of them empty or longer than ${MAX_AUDIENCE_LENGTH}`,
  );
}

async function signedJwt(
  { agent, callers, messages, patienceMs }: WorkloadApiOptions,
  context: CallContext,
  { spiffeId, audience }: { readonly spiffeId: string; readonly audience: readonly string[] },
): Promise<EncodedMessage> {
  const caller = callers.of(context);
  const wanted = await firstOf(context, { agent, caller, patienceMs, compose: (view) => messages.wanted(view, spiffeId) });
  callers.limits.countSigning(caller.connection.credentials.uid);
  const { message, tokens } = await messages.jwt(await caller.view(), wanted, spiffeId, audience);
  tellTokens(agent, caller, audience, tokens);
  return message;
}

/** Tells of each token once for each caller that gets it. `facts`: who it is, as the events have it. */
export function tellTokens(
  agent: Agent,
  caller: Caller,
  audience: readonly string[],
  tokens: JwtAnswer["tokens"],
  facts: CallerFacts = caller.facts,
): void {
  for (const { entry, token } of tokens) {
    const { expiresAtMs } = token;
    const detail = audience.join(" ");
    if (!caller.isNews(`${entry.id} ${detail}`, String(expiresAtMs))) continue;
    agent.onEvent({ kind: "issued", what: "jwt", spiffeId: entry.spiffeId, caller: facts, detail, expiresAtMs });
  }
}

/** Tells of each certificate once for each caller that gets it. `facts`: who it is, as the events have it. */
export function tellX509(
  agent: Agent,
  caller: Caller,
  identities: Composed<readonly HeldIdentity[]> | undefined,
  facts: CallerFacts = caller.facts,
): void {
  if (identities?.kind !== "ready") return;
  for (const { entry, credential } of identities.value) {
    if (!caller.isNews(entry.id, credential.serial)) continue;
    const { serial: detail, notAfterMs: expiresAtMs } = credential;
    agent.onEvent({ kind: "issued", what: "x509", spiffeId: entry.spiffeId, caller: facts, detail, expiresAtMs });
  }
}

/** What no `GrpcError` describes is a failure of the authority's, which may pass. */
export function asGrpcError(error: unknown): GrpcError {
  if (!(error instanceof GrpcError)) return new GrpcError("INTERNAL", problemOf(error).message, { cause: error });
  // Whether the authority was out of reach, slow or refusing: to the workload it is the agent that answers.
  return error.status === "DEADLINE_EXCEEDED" || error.status === "CANCELLED"
    ? new GrpcError("UNAVAILABLE", `the authority did not sign in time: ${error.message}`, { cause: error })
    : error;
}

function validate(
  { agent, messages }: WorkloadApiOptions,
  view: CallerView,
  { svid, audience }: ValidateJWTSVIDRequest,
): { spiffeId: string; claims: { [name: string]: PlainJson } } {
  const domains = messages.domainsOf(view);
  const verified = verifyJwtSvid(svid, { bundleOf: (name) => domains.get(name)?.bundle }, { audiences: [audience], nowMs: agent.clock() });
  if (!verified.ok) throw new GrpcError("INVALID_ARGUMENT", verified.error.message, { cause: verified.error });
  if (agent.state.denials.spiffeIds.has(verified.value.id)) throw new GrpcError("INVALID_ARGUMENT", "the identity of the token is revoked");
  return { spiffeId: verified.value.id, claims: plainObject(verified.value.claims) };
}

type PlainJson = null | boolean | number | string | PlainJson[] | { [name: string]: PlainJson };

/** As `google.protobuf.Struct` has it: every number is a double. */
function plain(value: JsonValue): PlainJson {
  if (typeof value === "bigint") return Number(value);
  if (isJsonArray(value)) return value.map(plain);
  return isJsonObject(value) ? plainObject(value) : value;
}

const plainObject = (object: JsonObject): { [name: string]: PlainJson } =>
  Object.fromEntries(Object.entries(object).map(([name, value]) => [name, plain(value)]));
