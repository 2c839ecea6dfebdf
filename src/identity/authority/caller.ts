/** Who calls the authority: a process of this machine over the unix socket, or an agent elsewhere by its SVID. */
import type { Socket } from "node:net";
import { TLSSocket } from "node:tls";
import type { CallContext, GrpcSession } from "../../grpc/call-context.ts";
import { GrpcError } from "../../grpc/grpc-error.ts";
import { descriptorOf, peerCredentials } from "../../linux/peer-credentials.ts";
import { presentedChain } from "../../service/presented-chain.ts";
import { pathOf, trustDomainOf } from "../../spiffe/spiffe-id.ts";
import { verifyX509Svid } from "../../spiffe/x509-svid.ts";
import type { Authority } from "./authority.ts";
import type { Requester } from "./svid-issuer.ts";

export type Caller =
  /** Root, or the user who runs the authority: may do everything, and speaks for the local agent. */
  | { readonly kind: "local"; readonly uid: number; readonly requester: Requester }
  | { readonly kind: "agent"; readonly requester: Requester; readonly validUntilMs: number; readonly serial: string }
  /** Has shown no identity: may attest, and nothing else. */
  | { readonly kind: "stranger" };

/** The name of the agent on the authority's own machine. */
export const LOCAL_AGENT = "local";
const AGENT_PATH = /^\/vigil\/agent\/[^/]+$/;

/** Tells who calls, once for each connection. */
export class CallerIdentification {
  readonly #authority: Authority;
  readonly #nowMs: () => number;
  readonly #known = new WeakMap<GrpcSession, Caller>();

  constructor(authority: Authority, nowMs: () => number) {
    this.#authority = authority;
    this.#nowMs = nowMs;
  }

  /** Throws a GrpcError for a caller who may do nothing at all. */
  callerOf({ session }: CallContext): Caller {
    const caller = this.#known.get(session) ?? this.#identify(session.socket);
    this.#known.set(session, caller);
    if (caller.kind !== "agent") return caller;
    const { denials } = this.#authority.shared;
    if (caller.validUntilMs < this.#nowMs()) throw new GrpcError("UNAUTHENTICATED", "the SVID of the agent has expired");
    if (denials.spiffeIds.has(caller.requester.agentId) || denials.serials.has(caller.serial))
      throw new GrpcError("PERMISSION_DENIED", "the agent is denied");
    return caller;
  }

  #identify(socket: Socket): Caller {
    return socket instanceof TLSSocket ? this.#byCertificate(socket) : this.#byCredentials(socket);
  }

  #byCredentials(socket: Socket): Caller {
    const { uid } = peerCredentials(descriptorOf(socket));
    if (uid !== 0 && uid !== process.getuid?.()) throw new GrpcError("PERMISSION_DENIED", `the user ${uid} may not use the authority`);
    return { kind: "local", uid, requester: { name: `uid:${uid}`, agentId: this.#authority.agentIdOf(LOCAL_AGENT) } };
  }

  #byCertificate(socket: TLSSocket): Caller {
    const chain = presentedChain(socket);
    if (chain.length === 0) return { kind: "stranger" };
    const svid = verifyX509Svid(chain, this.#authority, { nowMs: this.#nowMs() });
    if (!svid.ok) throw new GrpcError("UNAUTHENTICATED", svid.error.message, { cause: svid.error });
    const { id, validUntilMs, path } = svid.value;
    // A workload, or an agent of another trust domain: it may exchange its SVID, by attestation.
    if (trustDomainOf(id) !== this.#authority.trustDomain || !AGENT_PATH.test(pathOf(id))) return { kind: "stranger" };
    const serial = path[0]?.serial.toString(16) ?? "";
    return {
      kind: "agent",
      requester: { name: id, agentId: id },
      validUntilMs,
      serial: serial.padStart(serial.length + (serial.length % 2), "0"),
    };
  }
}
