/** An agent on a socket of its own, with an authority of the test's, and the tools to call it. */
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { GrpcChannel } from "../../src/grpc/channel.ts";
import type { GrpcServer } from "../../src/grpc/server.ts";
import { Agent, type AgentOptions } from "../../src/identity/agent/agent.ts";
import type { AgentEvent } from "../../src/identity/agent/agent-event.ts";
import { AgentMetrics } from "../../src/identity/agent/agent-metrics.ts";
import { localAuthority } from "../../src/identity/agent/authority-client.ts";
import { createWorkloadServer, listenForWorkloads, type WorkloadServerOptions } from "../../src/identity/agent/workload-server.ts";
import { Accounts } from "../../src/identity/attestation/accounts.ts";
import { BinaryDigest } from "../../src/identity/attestation/binary-digest.ts";
import { unixAttestor } from "../../src/identity/attestation/unix-attestor.ts";
import { ScriptedAuthority } from "./scripted-authority.ts";

export const METADATA: { readonly "workload.spiffe.io": "true" } = { "workload.spiffe.io": "true" };
export const OWN_UID: string = `unix:uid:${process.getuid?.()}`;

export interface Fixture {
  readonly directory: string;
  readonly authority: ScriptedAuthority;
  readonly agent: Agent;
  readonly metrics: AgentMetrics;
  readonly server: GrpcServer;
  readonly path: string;
  readonly events: AgentEvent[];
  /** A channel to the agent, closed with the fixture. */
  channel(metadata?: { readonly [name: string]: string }): GrpcChannel;
  close(): Promise<void>;
}

export interface FixtureOptions {
  readonly agent?: Partial<AgentOptions>;
  readonly server?: Partial<WorkloadServerOptions>;
  readonly clock?: () => number;
  /** The authority's, where that differs. */
  readonly authorityClock?: () => number;
  readonly isAuthorityUp?: boolean;
  readonly prepare?: (authority: ScriptedAuthority) => void;
}

export async function startAgent(options: FixtureOptions = {}): Promise<Fixture> {
  const directory = mkdtempSync(join(tmpdir(), "vigil-agent-"));
  const clock = options.clock ?? Date.now;
  const authority = new ScriptedAuthority(join(directory, "authority.sock"), options.authorityClock ?? clock);
  options.prepare?.(authority);
  if (options.isAuthorityUp ?? true) await authority.start();
  const events: AgentEvent[] = [];
  const metrics = new AgentMetrics();
  const onEvent = (event: AgentEvent): void => {
    events.push(event);
    metrics.told(event);
  };
  const agent = new Agent({ client: localAuthority(authority.path), onEvent, clock, ...options.agent });
  metrics.observe(agent);
  const digests = new BinaryDigest();
  const attestors = [unixAttestor({ accounts: new Accounts(), digests, wantsDigest: () => agent.state.wantsDigest })];
  const server = createWorkloadServer({ agent, attestors, metrics, version: "0", patienceMs: 300, ...options.server });
  const path = join(directory, "agent.sock");
  await listenForWorkloads(server, path);
  const stopping = new AbortController();
  const running = agent.run(stopping.signal);
  const channels: GrpcChannel[] = [];
  return {
    directory,
    authority,
    agent,
    metrics,
    server,
    path,
    events,
    channel: (metadata = METADATA) => {
      const channel = new GrpcChannel({ address: { kind: "unix", path }, metadata });
      channels.push(channel);
      return channel;
    },
    close: async () => {
      await Promise.all(channels.map((channel) => channel.close({ cut: true })));
      stopping.abort();
      await running;
      await server.close(0);
      await authority.stop();
      await digests.close();
      rmSync(directory, { recursive: true });
    },
  };
}

/** The next message of a stream; throws when it ends instead. */
export async function next<T>(stream: AsyncIterator<T, unknown>): Promise<T> {
  const { done, value } = await stream.next();
  if (done) throw new Error("the stream has ended");
  return value as T;
}
