/** `vigil.agent.v1`: revocations for verifiers, and what the agent sees for people who look for a mistake. */
import type { MessageInitShape } from "@bufbuild/protobuf";
import type { CallContext } from "../../grpc/call-context.ts";
import { GrpcError } from "../../grpc/grpc-error.ts";
import { implementService, type ServiceImplementation } from "../../grpc/service.ts";
import {
  Agent as AgentDescription,
  type DescriptionSchema,
  type RevocationsSchema,
} from "../../service/generated/vigil/agent/v1/agent_pb.ts";
import type { WorkloadAttestor } from "../attestation/attestor.ts";
import type { Agent } from "./agent.ts";
import type { Caller, CallerView } from "./caller.ts";
import { identifyProcesses } from "./identify.ts";
import { checkSecurityHeader, type WorkloadApiOptions } from "./workload-api.ts";

export interface AgentServiceOptions extends WorkloadApiOptions {
  readonly attestors: readonly WorkloadAttestor[];
  readonly version: string;
}

export function agentService(options: AgentServiceOptions): ServiceImplementation {
  const { agent, callers, attestors } = options;
  return implementService(
    AgentDescription,
    {
      watchRevocations: (_request, context) => watchRevocations(options, context),
      describe: async (_request, context) => {
        const caller = callers.of(context);
        return { caller: await describeCaller(agent, caller), agent: describeAgent(agent, options.version) };
      },
      identify: (request, context) => {
        const { uid } = callers.of(context).connection.credentials;
        return identifyProcesses(request, { agent, attestors, askingUid: uid });
      },
    },
    { check: checkSecurityHeader },
  );
}

async function* watchRevocations(
  { agent, callers }: WorkloadApiOptions,
  context: CallContext,
): AsyncGenerator<MessageInitShape<typeof RevocationsSchema>> {
  const done = callers.limits.openStream(callers.of(context).connection.credentials.uid);
  const signal = AbortSignal.any([context.signal, context.draining]);
  const watcher = agent.revocationWatchers.add();
  try {
    while (!signal.aborted) {
      const { trustDomain, denials } = agent.state;
      // Until the authority has said it, nobody is told that nothing is denied.
      if (trustDomain !== undefined) {
        const { spiffeIds, serials, authorityIds } = denials;
        yield { spiffeIds: [...spiffeIds], serials: [...serials], authorityIds: [...authorityIds], trustDomain };
      }
      await watcher.next(signal);
    }
  } finally {
    watcher.close();
    done();
  }
}

type DescriptionInit = Exclude<MessageInitShape<typeof DescriptionSchema>, { readonly $typeName: string }>;

async function describeCaller(agent: Agent, caller: Caller): Promise<DescriptionInit["caller"]> {
  const { pid, uid, gid } = caller.connection.credentials;
  let view: CallerView;
  try {
    view = await caller.view();
  } catch (error) {
    if (!(error instanceof GrpcError)) throw error;
    return { pid, uid, gid, refusal: error.message };
  }
  const { executablePath, selectors, remarks } = view.attestation;
  const identities = agent.state.entriesOf(selectors).map((entry) => {
    const { credential, failure, renewAtMs } = agent.x509.of(entry);
    return {
      spiffeId: entry.spiffeId,
      workload: entry.name,
      componentClass: entry.componentClass,
      x509TtlMs: BigInt(Math.round(entry.x509TtlMs)),
      notBeforeMs: BigInt(credential?.notBeforeMs ?? 0),
      notAfterMs: BigInt(credential?.notAfterMs ?? 0),
      renewAtMs: Number.isFinite(renewAtMs) ? BigInt(Math.round(renewAtMs)) : 0n,
      problem: failure === undefined ? "" : `${failure.code}: ${failure.message}`,
      isDenied: agent.state.denials.spiffeIds.has(entry.spiffeId),
    };
  });
  return { pid, uid, gid, executable: executablePath, selectors: [...selectors], remarks: [...remarks], identities };
}

function describeAgent(agent: Agent, version: string): DescriptionInit["agent"] {
  const { link, state } = agent;
  const own = state.trustDomain === undefined ? undefined : state.bundleOf(state.trustDomain);
  return {
    version,
    trustDomain: state.trustDomain ?? "",
    nowMs: BigInt(Math.round(agent.clock())),
    startedAtMs: BigInt(Math.round(agent.startedAtMs)),
    authorityState: link.state,
    authorityAddress: agent.authorityAddress,
    authoritySinceMs: BigInt(Math.round(link.sinceMs)),
    authorityProblemCode: link.problem?.status ?? "",
    authorityProblem: link.problem?.message ?? "",
    authorityClockAheadMs: BigInt(Math.round(agent.authorityClockAheadMs)),
    entryCount: state.entryCount,
    identityCount: [...agent.x509.valid()].length,
    subscriberCount: agent.watchers.size,
    firstExpiryMs: BigInt(agent.x509.firstExpiryMs() ?? 0),
    x509Authorities: (own?.x509Authorities ?? []).map(({ subjectKeyIdentifier, notBeforeMs, notAfterMs }) => {
      const id = Buffer.from(subjectKeyIdentifier ?? []).toString("hex");
      const isTainted = state.tainted.has(id);
      return {
        id,
        notBeforeMs: BigInt(notBeforeMs),
        notAfterMs: BigInt(notAfterMs),
        isTainted,
        isActive: id === state.activeX509AuthorityId,
      };
    }),
  };
}
