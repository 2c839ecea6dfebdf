/** Who calls the Broker API, and for whom it may: workloads of the own trust domain that `Workload.brokerFor` allows (SPIFFE_Broker_Endpoint §5). */
import { readlinkSync } from "node:fs";
import type { Socket } from "node:net";
import type { CallContext, GrpcSession } from "../../grpc/call-context.ts";
import { GrpcError } from "../../grpc/grpc-error.ts";
import { VigilError } from "../../lib/error.ts";
import { descriptorOf, openPeer, peerCredentials, ticksSinceBoot } from "../../linux/peer-credentials.ts";
import { connectionOf } from "../../service/connection.ts";
import type { SpiffeId } from "../../spiffe/spiffe-id.ts";
import type { Agent } from "../agent/agent.ts";
import type { CallerFacts } from "../agent/agent-event.ts";
import type { CallerView } from "../agent/caller.ts";
import { type CallerLimitSettings, CallerLimits } from "../agent/caller-limits.ts";
import type { WorkloadAttestor } from "../attestation/attestor.ts";
import { fitsIdPattern } from "../id-pattern.ts";
import { ReferencedProcesses } from "./referenced-process.ts";

/** One connection of a broker. */
export interface Broker {
  readonly id: SpiffeId;
  /** Of the process that connected. */
  readonly uid: number;
  readonly pid: number;
  readonly processes: ReferencedProcesses;
  /** What a workload has, as far as this broker may have it; the same object while nothing changed. */
  permitted(view: CallerView): CallerView;
}

export class Brokers {
  readonly limits: CallerLimits;
  readonly #agent: Agent;
  readonly #attestors: readonly WorkloadAttestor[];
  readonly #known = new WeakMap<GrpcSession, Broker>();
  readonly #refused = new WeakMap<GrpcSession, { readonly caller: CallerFacts | undefined; readonly message: string }>();

  constructor(options: {
    readonly agent: Agent;
    readonly attestors: readonly WorkloadAttestor[];
    readonly limits: Partial<CallerLimitSettings>;
  }) {
    this.#agent = options.agent;
    this.#attestors = options.attestors;
    this.limits = new CallerLimits(options.limits, () => performance.now());
  }

  /** Who was refused on a connection last, and why. */
  lastRefusal({ session }: CallContext): { readonly caller: CallerFacts; readonly message: string } {
    const id = connectionOf(session.socket)?.peer.id ?? "";
    const { pid = 0, uid = 0 } = this.#known.get(session) ?? {};
    const refused = this.#refused.get(session);
    return {
      caller: refused?.caller ?? { pid, uid, executablePath: "", broker: id },
      message: refused?.message ?? "the broker asks for too much",
    };
  }

  /** Remembers why a call ends. `caller`: the process that it was about. */
  refuse({ session }: CallContext, { message }: GrpcError, caller?: CallerFacts): void {
    this.#refused.set(session, { caller, message });
  }

  /** Throws a `GrpcError` for whoever is no broker now. */
  check({ session }: CallContext): SpiffeId {
    const id = connectionOf(session.socket)?.peer.id;
    // Only what was verified reaches the server.
    if (id === undefined) throw new GrpcError("UNAUTHENTICATED", "the broker presented no X.509-SVID");
    if (this.#agent.state.brokerFor(id).length > 0) return id;
    throw new GrpcError("PERMISSION_DENIED", `\`${id}\` is no broker: no workload with this identity has \`brokerFor\``);
  }

  /** Who makes a call, which counts. Throws a `GrpcError` for whoever is no broker now, or calls too much. */
  of(context: CallContext): Broker {
    const { session } = context;
    const id = this.check(context);
    const broker = this.#known.get(session) ?? this.#meet(session, id);
    this.limits.count(broker.uid);
    return broker;
  }

  #meet(session: GrpcSession, id: SpiffeId): Broker {
    const { uid, pid } = processOf(session.socket);
    const uncount = this.limits.openConnection(uid);
    if (session.closed.aborted) uncount();
    else session.closed.addEventListener("abort", uncount, { once: true });
    // A view is another object whenever the registrations are: those of brokers are among them.
    const permitted = new WeakMap<CallerView, CallerView>();
    const broker: Broker = {
      id,
      uid,
      pid,
      processes: new ReferencedProcesses(this.#agent, this.#attestors),
      permitted: (whole) => {
        const known = permitted.get(whole) ?? limited(whole, this.#agent.state.brokerFor(id));
        permitted.set(whole, known);
        return known;
      },
    };
    this.#known.set(session, broker);
    // The next call comes on another connection, with another SVID; those under way go on until this one ends.
    connectionOf(session.socket)?.onDrain(() => session.drain());
    return broker;
  }
}

function limited(view: CallerView, patterns: readonly string[]): CallerView {
  const entries = view.entries.filter(({ spiffeId }) => patterns.some((pattern) => fitsIdPattern(pattern, spiffeId)));
  return entries.length === view.entries.length ? view : { ...view, entries, key: entries.map(({ id }) => id).join("\n") };
}

/**
 * The process at the other end. Numbers of processes mean something else in another PID namespace: a broker there would get identities of processes
 * that it does not mean, so it is refused.
 */
function processOf(socket: Socket): { readonly uid: number; readonly pid: number } {
  try {
    const descriptor = descriptorOf(socket);
    const credentials = peerCredentials(descriptor);
    const { process } = openPeer(descriptor, credentials, ticksSinceBoot());
    try {
      if (process.namespace("pid") === readlinkSync("/proc/self/ns/pid")) return credentials;
    } finally {
      process.close();
    }
  } catch (thrown) {
    if (!(thrown instanceof VigilError)) throw thrown;
    throw new GrpcError("PERMISSION_DENIED", `the broker's process cannot be looked at: ${thrown.message}`, { cause: thrown });
  }
  throw new GrpcError(
    "PERMISSION_DENIED",
    "the broker is in another PID namespace than the agent: its process IDs mean other processes here",
  );
}
