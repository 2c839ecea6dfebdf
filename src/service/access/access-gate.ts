/** The gate of a service: every call is judged here, in the process, and none passes that no policy allows. */
import { messageOf } from "../../lib/error.ts";
import { formatIpAddress } from "../../lib/ip-network.ts";
import type { JsonObject } from "../../lib/json.ts";
import { ok, type Result } from "../../lib/result.ts";
import type { Ground } from "../../policy/access/decide-access.ts";
import type { Call, CallRequest, Endpoint } from "../../policy/access/endpoint.ts";
import { EXTERNAL } from "../../policy/access/endpoint.ts";
import { parseSpiffeId, pathOf } from "../../spiffe/spiffe-id.ts";
import type { Peer } from "../peer.ts";
import type { AccessPolicies } from "./access-policies.ts";
import type { AuthorizationContext } from "./authorization-context.ts";
import { CONTEXT_HEADER, type ContextVerifier } from "./carried-context.ts";
import { type Refusal, refusal, refuseCall } from "./refusal.ts";
import { type RawRequest, requestFacts } from "./request-facts.ts";
import { RouteTable } from "./route-table.ts";
import { type TokenVerifier, type VerifiedToken, verifyBearer } from "./token-verifier.ts";

export interface AccessGateOptions {
  /** SPIFFE ID of this service: the `to` of its policies. */
  readonly self: string;
  readonly policies: AccessPolicies;
  /** Patterns as `GET /users/{id}`, see `RouteTable`: what fits none is refused. Not needed with Fastify, which knows its own. */
  readonly routes?: readonly string[];
  /** Names that may repeat in a query, such as `id` or `filter[]`; `request.query` has their values joined by `,`. */
  readonly listQuery?: readonly string[];
  /** Who verifies bearer tokens, for `claims`. Default: nobody, so that there are no claims whatever a request brings. */
  readonly tokens?: readonly TokenVerifier[];
  /** Who believes the contexts that services in front sign. Default: nobody, so that none counts whatever a request brings. */
  readonly context?: ContextVerifier;
  /**
   * Of whom a call speaks, and what that one may do: `tenant` and `permissions` of policies. What it throws refuses, and so does another
   * tenant than the carried one. Default: what is carried, else nobody and nothing.
   */
  readonly authorize?: (caller: Caller) => Authorization;
  /** Refuses calls without a tenant. Default false. */
  readonly isTenantRequired?: boolean;
  /** `audit` lets through what the policies refuse, and says so; never what is malformed. Default `enforce`. */
  readonly mode?: "enforce" | "audit";
  /** Every decision, for the log. Must not throw: a call whose decision cannot be told is refused. */
  readonly onDecision?: (decision: AccessDecision) => void;
  /** Milliseconds since the epoch. */
  readonly clock?: () => number;
}

/** Who calls, as far as it is proved. */
export interface Caller {
  /** Undefined: a connection without a verified peer. */
  readonly peer: Peer | undefined;
  /** Of the verified token; empty without one. */
  readonly claims: JsonObject;
  /** On whose behalf the peer calls, as it has signed; undefined when it did not say. */
  readonly carried: AuthorizationContext | undefined;
}

export interface Authorization {
  /** Empty: none. */
  readonly tenant: string;
  /** As `orders:read`. */
  readonly permissions: readonly string[];
}

/** A call as it arrives. */
export interface InboundCall {
  readonly raw: RawRequest;
  /** Undefined: a connection without a verified peer. */
  readonly peer: Peer | undefined;
  /** 4 or 16 octets, IPv4 unwrapped; none for unix sockets. */
  readonly sourceAddress: Uint8Array;
  readonly destinationAddress: Uint8Array;
  readonly port: number;
}

/** What was decided, and by what: for logs, never for callers. It has no headers, since some are secrets. */
export interface AccessDecision {
  /** `audited`: let through, though the policies refuse it. */
  readonly verdict: "allow" | "deny" | "audited";
  /** Undefined when it was allowed. */
  readonly refusal: Refusal | undefined;
  /** As people name it: `AccessPolicy shop/orders`; empty when none spoke. */
  readonly policy: string;
  /** Which of its rules; empty where it has one. */
  readonly rule: string;
  /** `file:line:column` of it. */
  readonly source: string;
  /** The policy in audit mode that would have refused it; empty when there is none. */
  readonly auditedBy: string;
  /** SPIFFE ID of the caller; empty without. */
  readonly caller: string;
  readonly method: string;
  /** Decoded; as it was written when it could not be read. */
  readonly path: string;
  /** Of the caller's end of the connection; empty for unix sockets. */
  readonly address: string;
  /** That was called. */
  readonly port: number;
  /** What the decision took, from the first look at the request; verifying a token is part of it. */
  readonly latencyUs: number;
}

export interface AdmittedCall {
  readonly request: CallRequest;
  readonly context: AuthorizationContext;
}

/** The call that may go on, or the status that a refused one is answered with. */
export type Judgement = Result<AdmittedCall, Refusal["status"]>;

const NO_GROUND: Pick<AccessDecision, "policy" | "rule" | "source"> = { policy: "", rule: "", source: "" };
const MAX_SHOWN_CHARACTERS = 256;

interface Verdict extends AdmittedCall {
  readonly ground: Ground;
  readonly audited: Ground | undefined;
  readonly refusal: Refusal | undefined;
}

export class AccessGate {
  readonly routes: RouteTable | undefined;
  readonly #self: string;
  readonly #policies: AccessPolicies;
  readonly #listQuery: ReadonlySet<string>;
  readonly #tokens: readonly TokenVerifier[];
  readonly #context: ContextVerifier | undefined;
  readonly #authorize: (caller: Caller) => Authorization;
  readonly #isTenantRequired: boolean;
  readonly #isAudit: boolean;
  readonly #onDecision: (decision: AccessDecision) => void;
  readonly #clock: () => number;

  constructor(options: AccessGateOptions) {
    const { self, policies, routes, listQuery = [], tokens = [], mode = "enforce", onDecision = () => {}, clock = Date.now } = options;
    const id = parseSpiffeId(self);
    if (!id.ok || pathOf(id.value) === "") throw new TypeError("expected the SPIFFE ID of this workload in `self`");
    this.routes = routes && new RouteTable(routes);
    this.#self = self;
    this.#policies = policies;
    this.#listQuery = new Set(listQuery);
    this.#tokens = tokens;
    this.#context = options.context;
    this.#authorize = options.authorize ?? (({ carried }) => carried ?? NOBODY);
    this.#isTenantRequired = options.isTenantRequired ?? false;
    this.#isAudit = mode === "audit";
    this.#onDecision = onDecision;
    this.#clock = clock;
  }

  /** Judges a call by the policies of this moment, and reports the decision. Never rejects: what fails is refused. UNTRUSTED: the call. */
  async judge(inbound: InboundCall): Promise<Judgement> {
    const { raw, peer, sourceAddress, port } = inbound;
    const startMs = performance.now();
    let verdict: Result<Verdict, Refusal>;
    try {
      verdict = await this.#decide(inbound);
    } catch (thrown) {
      verdict = refuseCall("failure", messageOf(thrown));
    }
    const refused = verdict.ok ? verdict.value.refusal : verdict.error;
    // Only what the policies refuse is let through for trial.
    const isAudited = this.#isAudit && refused?.kind === "policy";
    const { origin } = verdict.ok ? verdict.value.ground : {};
    const { method, path } = verdict.ok ? verdict.value.request : { method: raw.method, path: raw.target };
    try {
      this.#onDecision({
        verdict: refused === undefined ? "allow" : isAudited ? "audited" : "deny",
        refusal: refused,
        ...(origin === undefined ? NO_GROUND : { policy: origin.policy, rule: origin.rule, source: origin.source }),
        auditedBy: (verdict.ok && verdict.value.audited?.origin?.policy) || "",
        caller: peer?.id ?? "",
        method: method.slice(0, MAX_SHOWN_CHARACTERS),
        path: path.slice(0, MAX_SHOWN_CHARACTERS),
        address: sourceAddress.length === 0 ? "" : formatIpAddress(sourceAddress),
        port,
        latencyUs: Math.round((performance.now() - startMs) * 10_000) / 10,
      });
    } catch {
      // Nobody would know of the call.
      return { ok: false, error: 403 };
    }
    return verdict.ok && (refused === undefined || isAudited) ? ok(verdict.value) : { ok: false, error: refused?.status ?? 403 };
  }

  async #decide({ raw, peer, sourceAddress, destinationAddress, port }: InboundCall): Promise<Result<Verdict, Refusal>> {
    const facts = requestFacts(raw, { routes: this.routes, listQuery: this.#listQuery });
    if (!facts.ok) return facts;
    const { [CONTEXT_HEADER]: signed, ...headers } = facts.value.headers;
    const request: CallRequest = { ...facts.value, headers };
    const token = await this.#tokenOf(request);
    if (!token.ok) return token;
    const claims = token.value?.claims ?? {};
    const carriedContext = this.#carriedBy(peer, signed);
    if (!carriedContext.ok) return carriedContext;
    const carried = carriedContext.value;
    const { tenant, permissions } = this.#authorize({ peer, claims, carried });
    if (carried !== undefined && tenant !== carried.tenant) return refuseCall("context", "the call is for another tenant than its context");
    if (this.#isTenantRequired && tenant === "") return refuseCall("tenant", "the call has no tenant");
    const caller = peer?.id ?? "";
    const subject = carried?.subject ?? (typeof claims["sub"] === "string" ? claims["sub"] : caller);
    const context: AuthorizationContext = { tenant, subject, permissions, caller, hops: carried?.hops };
    // INVARIANT: nothing is waited for from here on, so that one set of policies decides.
    const { current } = this.#policies;
    const source: Endpoint = peer === undefined ? EXTERNAL : current.endpointOf(peer.id);
    const call: Call = {
      source,
      destination: current.endpointOf(this.#self),
      sourceAddress,
      destinationAddress,
      destinationNames: [],
      protocol: "tcp",
      port,
      request,
      claims,
      tenant,
      permissions,
    };
    const { verdict, ground, audited } = current.access.decide(call, this.#clock());
    // A workload that no policy speaks of is open elsewhere, so that policies can be introduced; not here.
    if (verdict === "allow" && ground.tier !== "default") return ok({ request, context, ground, audited, refusal: undefined });
    const refused = refusal("policy", verdict === "allow" ? "no policy allows it" : `denied by the ${ground.tier} tier`);
    // Who may bring a token and brings none is asked for one.
    const isAnonymous = this.#tokens.length > 0 && token.value === undefined;
    return ok({ request, context, ground, audited, refusal: isAnonymous ? { ...refused, status: 401 } : refused });
  }

  #carriedBy(peer: Peer | undefined, signed: string | undefined): Result<AuthorizationContext | undefined, Refusal> {
    if (this.#context === undefined || signed === undefined) return ok(undefined);
    if (peer === undefined) return refuseCall("context", "a context over a connection without a verified peer");
    return this.#context.verifyFrom(peer.id, signed);
  }

  async #tokenOf({ headers }: CallRequest): Promise<Result<VerifiedToken | undefined, Refusal>> {
    const authorization = headers["authorization"];
    if (this.#tokens.length === 0 || authorization === undefined) return ok(undefined);
    return verifyBearer(authorization, this.#tokens, this.#clock());
  }
}

const NOBODY: Authorization = { tenant: "", permissions: [] };
