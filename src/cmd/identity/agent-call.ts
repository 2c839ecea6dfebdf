/** The command line as a workload of the running agent. */
import { GrpcChannel } from "../../grpc/channel.ts";
import { GrpcError } from "../../grpc/grpc-error.ts";
import { Agent, type Description } from "../../service/generated/vigil/agent/v1/agent_pb.ts";
import { parseEndpointAddress } from "../../spiffe/endpoint-address.ts";
import { SpiffeWorkloadAPI, type X509BundlesResponse, type X509SVIDResponse } from "../../spiffe/generated/spiffe/workload_pb.ts";
import type { Invocation } from "../command.ts";
import { loadConfiguration } from "../config.ts";
import { agentSocket } from "../identity-sockets.ts";
import { noteDiagnostics } from "../notes.ts";

export interface AgentOptions {
  readonly socket: string | undefined;
  readonly state: string | undefined;
  readonly config: string | undefined;
}

/** Where the agent is: the flag, else SPIFFE_ENDPOINT_SOCKET, else where the configuration has it. Undefined, with a note, when none of them is right. */
export function agentAddress(invocation: Invocation, { socket, state, config }: AgentOptions): string | undefined {
  const stated = socket ?? (state === undefined ? invocation.environment.SPIFFE_ENDPOINT_SOCKET : undefined);
  if (stated !== undefined && stated !== "") {
    if (stated.startsWith("/")) return stated;
    const address = parseEndpointAddress(stated);
    if (address.ok && address.value.kind === "unix") return address.value.path;
    const { terminal } = invocation;
    terminal.note(`error: ${address.ok ? "expected a unix socket" : address.error.message}`);
    return undefined;
  }
  const configuration = loadConfiguration(invocation, config, { "state.directory": { flag: "state", value: state } });
  if (configuration.ok) return agentSocket(configuration.value.values["state.directory"], configuration.value.values);
  noteDiagnostics(invocation.terminal, configuration.error);
  return undefined;
}

/** What the agent says, or why it says nothing. */
export type Answered<T> = { readonly ok: true; readonly value: T } | { readonly ok: false; readonly error: GrpcError };

export interface AgentAnswers {
  readonly description: Answered<Description>;
  readonly svids: Answered<X509SVIDResponse>;
  readonly bundles: Answered<X509BundlesResponse>;
}

const METADATA = { "workload.spiffe.io": "true" };

/** Asks everything at once; each answer within `timeoutMs`. */
export async function askAgent(path: string, timeoutMs: number): Promise<AgentAnswers> {
  const channel = new GrpcChannel({ address: { kind: "unix", path }, metadata: METADATA, connectTimeoutMs: timeoutMs });
  try {
    const { fetchX509SVID, fetchX509Bundles } = SpiffeWorkloadAPI.method;
    const [description, svids, bundles] = await Promise.all([
      answered(channel.unary(Agent.method.describe, {}, { timeoutMs })),
      answered(first(channel.serverStreaming(fetchX509SVID, {}, { timeoutMs }))),
      answered(first(channel.serverStreaming(fetchX509Bundles, {}, { timeoutMs }))),
    ]);
    return { description, svids, bundles };
  } finally {
    await channel.close({ cut: true });
  }
}

async function first<T>(stream: AsyncIterable<T>): Promise<T> {
  for await (const message of stream) return message;
  throw new GrpcError("UNAVAILABLE", "the agent ended the stream without a message");
}

async function answered<T>(call: Promise<T>): Promise<Answered<T>> {
  try {
    return { ok: true, value: await call };
  } catch (error) {
    if (!(error instanceof GrpcError)) throw error;
    return { ok: false, error };
  }
}
