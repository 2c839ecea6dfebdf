/** Whoever calls on one connection: attested, matched with the registered workloads, and limited. */
import type { Socket } from "node:net";
import type { CallContext, GrpcSession } from "../../grpc/call-context.ts";
import { GrpcError } from "../../grpc/grpc-error.ts";
import { VigilError } from "../../lib/error.ts";
import { AttestedConnection } from "../attestation/attested-connection.ts";
import type { Attestation, WorkloadAttestor } from "../attestation/attestor.ts";
import type { Agent } from "./agent.ts";
import type { CallerFacts } from "./agent-event.ts";
import { type CallerLimitSettings, CallerLimits } from "./caller-limits.ts";
import type { ServedEntry } from "./served-entry.ts";

/** What a caller is entitled to, as of one moment. */
export interface CallerView {
  readonly attestation: Attestation;
  /** The default one first; denied ones are left out. */
  readonly entries: readonly ServedEntry[];
  /** Registered, and denied. */
  readonly isDenied: boolean;
  /** The same for all callers with the same entries, and for no others. Without line breaks. */
  readonly key: string;
}

/** A caller that asks for tokens of ever new audiences is told of twice rather than remembered for ever. */
const MAX_TOLD = 256;

export class Caller {
  readonly connection: AttestedConnection;
  readonly #agent: Agent;
  /** Why the caller was last refused. */
  lastRefusal: string | undefined;
  #view: CallerView | undefined;
  #generation = -1;
  readonly #told = new Map<string, string>();

  constructor(connection: AttestedConnection, agent: Agent) {
    this.connection = connection;
    this.#agent = agent;
  }

  get facts(): CallerFacts {
    const { pid, uid } = this.connection.credentials;
    return { pid, uid, executablePath: this.#view?.attestation.executablePath ?? "" };
  }

  get selectors(): readonly string[] {
    return this.#view?.attestation.selectors ?? [];
  }

  /** What the last call of `view` found. */
  get lastView(): CallerView | undefined {
    return this.#view;
  }

  /** Whether the caller has not been told yet of this credential of an entry; it has then. */
  isNews(entryId: string, serial: string): boolean {
    if (this.#told.get(entryId) === serial) return false;
    if (this.#told.size >= MAX_TOLD) this.#told.clear();
    this.#told.set(entryId, serial);
    return true;
  }

  /** Rejects with a `GrpcError` when the caller cannot be attested. */
  async view(): Promise<CallerView> {
    const attestation = await this.connection.attest().catch((error: unknown) => {
      const refusal = refusalOf(error);
      this.lastRefusal = refusal.message;
      throw refusal;
    });
    const { generation } = this.#agent.state;
    if (this.#view?.attestation === attestation && this.#generation === generation) return this.#view;
    const { entries, isDenied } = this.#agent.entriesOf(attestation.selectors);
    this.#view = { attestation, entries, isDenied, key: keyOfEntries(entries) };
    this.#generation = generation;
    return this.#view;
  }
}

/** One text for each list of entries, whatever their IDs have in them: by it messages with private keys are found again. */
export const keyOfEntries = (entries: readonly Pick<ServedEntry, "id">[]): string => JSON.stringify(entries.map(({ id }) => id));

function refusalOf(error: unknown): GrpcError {
  if (!(error instanceof VigilError)) return new GrpcError("INTERNAL", "the caller could not be attested", { cause: error });
  const status = error.code === "ATTESTATION_PROCESS_CHANGED" ? "UNAVAILABLE" : "PERMISSION_DENIED";
  return new GrpcError(status, error.message, { cause: error });
}

export interface CallersOptions {
  readonly agent: Agent;
  readonly attestors: readonly WorkloadAttestor[];
  readonly limits?: Partial<CallerLimitSettings>;
}

/** The callers of all connections. */
export class Callers {
  readonly #agent: Agent;
  readonly #attestors: readonly WorkloadAttestor[];
  readonly limits: CallerLimits;
  readonly #known = new WeakMap<GrpcSession, Caller>();

  constructor({ agent, attestors, limits = {} }: CallersOptions) {
    this.#agent = agent;
    this.#attestors = attestors;
    this.limits = new CallerLimits(limits, () => performance.now());
  }

  /** Who calls, if that was found out. */
  known({ session }: CallContext): Caller | undefined {
    return this.#known.get(session);
  }

  /** Who calls. Throws a `GrpcError` when it cannot be told, or calls too much. */
  of({ session }: CallContext): Caller {
    const known = this.#known.get(session) ?? this.#meet(session);
    this.limits.count(known.connection.credentials.uid);
    return known;
  }

  #meet(session: GrpcSession): Caller {
    let connection: AttestedConnection;
    try {
      const generation = (): number => this.#agent.attestationGeneration;
      // The Workload API is served on unix sockets alone.
      connection = AttestedConnection.open(session.socket as Socket, this.#attestors, generation);
    } catch (error) {
      throw refusalOf(error);
    }
    let uncount: () => void;
    try {
      uncount = this.limits.openConnection(connection.credentials.uid);
    } catch (error) {
      connection[Symbol.dispose]();
      throw error;
    }
    const end = (): void => {
      connection[Symbol.dispose]();
      uncount();
    };
    const caller = new Caller(connection, this.#agent);
    this.#known.set(session, caller);
    if (session.closed.aborted) end();
    else session.closed.addEventListener("abort", end, { once: true });
    return caller;
  }
}
