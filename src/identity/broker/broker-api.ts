/**
 * The SPIFFE Broker API (SPIFFE_Broker_API): a proxy that serves a whole node fetches identities for the processes behind it. What it gets for a
 * process is what the process itself would get, as far as the broker may have it; the messages are those of the Workload API, field by field.
 */
import type { Any } from "@bufbuild/protobuf/wkt";
import { anyIs, anyUnpack } from "@bufbuild/protobuf/wkt";
import type { CallContext } from "../../grpc/call-context.ts";
import type { EncodedMessage } from "../../grpc/encoded-message.ts";
import { GrpcError } from "../../grpc/grpc-error.ts";
import { implementService, type ServiceImplementation } from "../../grpc/service.ts";
import { VigilError } from "../../lib/error.ts";
import { API, WorkloadPIDReferenceSchema, type WorkloadReference } from "../../spiffe/generated/spiffe/broker_pb.ts";
import type { Agent } from "../agent/agent.ts";
import type { CallerFacts } from "../agent/agent-event.ts";
import type { CallerView } from "../agent/caller.ts";
import { asGrpcError, checkAudience, tellTokens, tellX509 } from "../agent/workload-api.ts";
import type { Composed, WorkloadMessages } from "../agent/workload-messages.ts";
import { firstOf, workloadStream } from "../agent/workload-stream.ts";
import type { Broker, Brokers } from "./brokers.ts";
import { referenceRefusal } from "./reference-refusal.ts";
import type { ReferencedProcess } from "./referenced-process.ts";

export interface BrokerApiOptions {
  readonly agent: Agent;
  readonly brokers: Brokers;
  readonly messages: WorkloadMessages;
  /** How long a referenced process that is not registered yet may be waited for. */
  readonly patienceMs: number;
}

const SECURITY_HEADER = "broker.spiffe.io";

/** Of every call, of whatever service is there: the header that no confused proxy sends (SPIFFE_Broker_Endpoint §3), and the right to broker at all. */
export const checkBroker =
  (brokers: Brokers) =>
  (context: CallContext): void => {
    if (context.headers[SECURITY_HEADER] !== "true")
      throw new GrpcError("INVALID_ARGUMENT", `expected the metadata \`${SECURITY_HEADER}: true\``);
    try {
      brokers.of(context);
    } catch (thrown) {
      if (thrown instanceof GrpcError) brokers.refuse(context, thrown);
      throw thrown;
    }
  };

export function brokerApi(options: BrokerApiOptions): ServiceImplementation {
  const { agent, messages } = options;
  return implementService(API, {
    subscribeToX509SVID: ({ reference }, context) =>
      stream(options, context, reference, {
        compose: (view) => messages.x509(view),
        onMessage: ({ process, view, facts }) => tellX509(agent, process.workload, messages.identitiesOf(view), facts),
      }),
    subscribeToX509Bundles: ({ reference }, context) =>
      stream(options, context, reference, { compose: (view) => messages.x509Bundles(view) }),
    subscribeToJWTBundles: ({ reference }, context) =>
      stream(options, context, reference, { compose: (view) => messages.jwtBundles(view) }),
    fetchJWTSVID: async ({ reference, audience, spiffeId }, context) => {
      checkAudience(audience);
      const call = new ReferencedCall(options, context, reference);
      try {
        return await call.token(spiffeId, audience);
      } catch (thrown) {
        throw call.refusalOf(thrown);
      } finally {
        call.end();
      }
    },
  });
}

interface Streamed {
  readonly process: ReferencedProcess;
  readonly view: CallerView;
  readonly facts: CallerFacts;
}

async function* stream(
  options: BrokerApiOptions,
  context: CallContext,
  reference: WorkloadReference | undefined,
  about: { readonly compose: (view: CallerView) => Composed<EncodedMessage>; readonly onMessage?: (sent: Streamed) => void },
): AsyncGenerator<EncodedMessage> {
  const { agent, brokers, patienceMs } = options;
  const call = new ReferencedCall(options, context, reference);
  const { compose, onMessage } = about;
  try {
    const done = brokers.limits.openStream(call.broker.uid);
    try {
      const isSame = (one: EncodedMessage, other: EncodedMessage): boolean =>
        one === other || Buffer.compare(one.framed, other.framed) === 0;
      const { signal, draining } = call;
      for await (const message of workloadStream(
        { signal, draining },
        { agent, caller: call, compose, isSame, patienceMs, usesX509: onMessage !== undefined },
      )) {
        if (onMessage !== undefined) onMessage({ process: call.process, view: await call.view(), facts: call.facts });
        yield message;
      }
      call.checkAlive();
    } finally {
      done();
    }
  } catch (thrown) {
    throw call.refusalOf(thrown);
  } finally {
    call.end();
  }
}

/** One call of a broker about one process. */
class ReferencedCall {
  readonly broker: Broker;
  readonly process: ReferencedProcess;
  /** Aborts when the call ends, or the process. */
  readonly signal: AbortSignal;
  readonly draining: AbortSignal;
  readonly #options: BrokerApiOptions;
  readonly #context: CallContext;
  readonly #release: () => void;
  lastRefusal: string | undefined;

  /** Throws a `GrpcError` for a reference to nothing. UNTRUSTED: the reference. */
  constructor(options: BrokerApiOptions, context: CallContext, reference: WorkloadReference | undefined) {
    this.#options = options;
    this.#context = context;
    this.broker = options.brokers.of(context);
    const { process, release } = this.broker.processes.use(pidOf(reference?.reference));
    this.process = process;
    this.#release = release;
    this.signal = AbortSignal.any([context.signal, process.ended]);
    this.draining = context.draining;
  }

  get facts(): CallerFacts {
    return { ...this.process.workload.facts, broker: this.broker.id };
  }

  /** What the process has and the broker may have. Rejects with a `GrpcError`. */
  async view(): Promise<CallerView> {
    // The permission to broker may have ended since the last message.
    this.#options.brokers.check(this.#context);
    this.checkAlive();
    const whole = await this.process.workload.view();
    const permitted = this.broker.permitted(whole);
    if (permitted.entries.length > 0 || whole.entries.length === 0) return permitted;
    const { pid } = this.process;
    throw referenceRefusal(
      "WORKLOAD_NOT_ENTITLED",
      `the broker \`${this.broker.id}\` may fetch no identity of process ${pid}: its \`brokerFor\` names none of them`,
      { pid },
    );
  }

  async token(spiffeId: string, audience: readonly string[]): Promise<EncodedMessage> {
    const { agent, messages, patienceMs, brokers } = this.#options;
    const view = await this.view();
    const fresh = messages.freshJwt(view, spiffeId, audience);
    if (fresh !== undefined) return fresh;
    const context = { signal: this.signal, draining: this.draining };
    const wanted = await firstOf(context, { agent, caller: this, patienceMs, compose: (seen) => messages.wanted(seen, spiffeId) });
    brokers.limits.countSigning(this.broker.uid);
    const { message, tokens } = await messages.jwt(await this.view(), wanted, spiffeId, audience);
    tellTokens(agent, this.process.workload, audience, tokens, this.facts);
    return message;
  }

  /** Throws the end of a call about a process that has ended. */
  checkAlive(): void {
    const { pid, ended } = this.process;
    if (ended.aborted) throw referenceRefusal("WORKLOAD_NOT_FOUND", `process ${pid} has ended`, { pid });
  }

  /** A failure as the end of the call, in the words of the specification. */
  refusalOf(thrown: unknown): GrpcError {
    const { pid, ended } = this.process;
    const failure = asGrpcError(thrown);
    const isGone = ended.aborted || (failure.cause instanceof VigilError && failure.cause.code === "LINUX_PROCESS_GONE");
    const refusal = isGone
      ? referenceRefusal("WORKLOAD_NOT_FOUND", `process ${pid} has ended`, { pid, cause: thrown })
      : failure.status === "PERMISSION_DENIED" && failure.details.length === 0
        ? referenceRefusal("WORKLOAD_NOT_ENTITLED", failure.message, { pid, cause: failure })
        : failure;
    this.#options.brokers.refuse(this.#context, refusal, this.facts);
    return refusal;
  }

  end(): void {
    this.#release();
  }
}

/** UNTRUSTED. Throws the refusal of a reference that is missing, malformed or of another kind (§3.1.1, §3.1.4). */
function pidOf(reference: Any | undefined): number {
  if (reference === undefined) throw referenceRefusal("WORKLOAD_REFERENCE_INVALID", "expected a reference to a workload");
  if (!anyIs(reference, WorkloadPIDReferenceSchema))
    throw referenceRefusal(
      "WORKLOAD_REFERENCE_INVALID",
      `expected a reference of type \`spiffe.broker.WorkloadPIDReference\`, got \`${reference.typeUrl.slice(0, MAX_SHOWN)}\``,
    );
  try {
    const pid = anyUnpack(reference, WorkloadPIDReferenceSchema)?.pid;
    if (pid !== undefined) return pid;
  } catch (thrown) {
    throw referenceRefusal("WORKLOAD_REFERENCE_INVALID", "the reference cannot be read", { cause: thrown });
  }
  throw referenceRefusal("WORKLOAD_REFERENCE_INVALID", "the reference cannot be read");
}

const MAX_SHOWN = 200;
