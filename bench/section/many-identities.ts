/** The authority and the agent with many: a thousand subscribers while authorities change, a hundred thousand registered workloads. */
import { readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { setTimeout } from "node:timers/promises";
import { GrpcChannel } from "../../src/grpc/channel.ts";
import { AuthorityAdmin } from "../../src/identity/generated/vigil/authority/v1/authority_pb.ts";
import { SelectorIndex } from "../../src/identity/selector-index.ts";
import { Agent } from "../../src/service/generated/vigil/agent/v1/agent_pb.ts";
import { SpiffeWorkloadAPI, type X509SVIDResponse } from "../../src/spiffe/generated/spiffe/workload_pb.ts";
import { workloadYaml } from "../../test/identity/authority-in-process.ts";
import { type Installation, prepareInstallation, type RealProcess } from "../../test/identity/real-processes.ts";
import { cpuNs } from "../measure.ts";
import { cpuSecondsOf } from "../process-time.ts";
import type { Section } from "../report.ts";

const SUBSCRIBERS = 1_000;
const AT_ONCE = 50;
const ENTRIES = 100_000;
const ENTRIES_PER_FILE = 10_000;
const LOOKUPS = 20_000;
const CONNECTIONS = 200;
const CHANNEL_METADATA = { "workload.spiffe.io": "true" };
const POLL_MS = 20;
const PATIENCE_MS = 60_000;
const GOAL = { bundleMs: 200, svidMs: 1_000, residentMiB: 150, startSeconds: 3, lookupMs: 1 };

const own = workloadYaml("own", `{selectors: ["unix:uid:${process.getuid?.()}"], id: "spiffe://vigil.local/own"}`);
const channelTo = (path: string): GrpcChannel => new GrpcChannel({ address: { kind: "unix", path }, metadata: CHANNEL_METADATA });

/** Resident memory of a process, in MiB. */
function residentMiB({ pid }: RealProcess): number {
  const [, kib = "0"] = /^VmRSS:\s+(\d+) kB$/m.exec(readFileSync(`/proc/${pid}/status`, "latin1")) ?? [];
  return Number(kib) / 1024;
}

/** What a crowd of streams holds. */
class Crowd {
  readonly #channels: readonly GrpcChannel[];
  readonly #bundles: string[] = [];
  readonly #leaves: string[] = [];

  constructor(path: string, count: number) {
    this.#channels = Array.from({ length: count }, () => channelTo(path));
  }

  /** Opens the streams, some at a time, and resolves when each has its first message. */
  async open(): Promise<void> {
    for (const [index, channel] of this.#channels.entries()) {
      void this.#follow(channel, index);
      while (index % AT_ONCE === AT_ONCE - 1 && this.#leaves.filter(() => true).length <= index) await setTimeout(1);
    }
    await this.changed("leaves", "");
  }

  async #follow(channel: GrpcChannel, index: number): Promise<void> {
    try {
      for await (const message of channel.serverStreaming(SpiffeWorkloadAPI.method.fetchX509SVID, {})) this.#take(message, index);
    } catch (error) {
      if (!this.#isClosed) throw error;
    }
  }

  #take({ svids: [svid] }: X509SVIDResponse, index: number): void {
    if (svid === undefined) throw new Error("a message without an identity");
    // Enough to tell one from another: an authority's certificate is at the end of a bundle, a serial number near the beginning of a leaf.
    this.#bundles[index] = `${svid.bundle.length} ${Buffer.from(svid.bundle.subarray(-24)).toString("hex")}`;
    this.#leaves[index] = Buffer.from(svid.x509Svid.subarray(0, 40)).toString("hex");
  }

  /** Resolves with how long it took until all hold something else than `before`, and the same. */
  async changed(what: "bundles" | "leaves", before: string): Promise<number> {
    const startMs = performance.now();
    const held = what === "bundles" ? this.#bundles : this.#leaves;
    for (;;) {
      const nowMs = performance.now() - startMs;
      if (held.length === this.#channels.length && held[0] !== before && held.every((value) => value === held[0])) return nowMs;
      if (nowMs > PATIENCE_MS) throw new Error("not all subscribers were told");
      await setTimeout(1);
    }
  }

  get bundle(): string {
    return this.#bundles[0] ?? "";
  }

  get leaf(): string {
    return this.#leaves[0] ?? "";
  }

  #isClosed = false;

  async close(): Promise<void> {
    this.#isClosed = true;
    await Promise.all(this.#channels.map((channel) => channel.close({ cut: true })));
  }
}

interface Rotation {
  readonly bundleMs: number;
  readonly svidMs: number;
  readonly authorityMiB: number;
  readonly agentMiB: number;
}

/** 1,000 connections of one workload, an agent that holds 1,000 further SVIDs, and an authority that is replaced. */
async function rotation(): Promise<Rotation> {
  const others = Array.from({ length: SUBSCRIBERS }, (_, index) =>
    workloadYaml(`w${index}`, `{selectors: ["unix:uid:${1_000_000 + index}"]}`),
  );
  const installation = prepareInstallation(own + others.join(""));
  const { authority, agent } = installation;
  const admin = channelTo(installation.authoritySocket);
  try {
    for (const process of [authority, agent]) process.start();
    await Promise.all([authority.ready(), agent.ready()]);
    const crowd = new Crowd(installation.agentSocket, SUBSCRIBERS);
    await crowd.open();
    await identitiesHeld(installation, SUBSCRIBERS);
    await setTimeout(1_000);
    const { authorities } = await admin.unary(AuthorityAdmin.method.showTrust, {});
    const active = authorities.find(({ kind, state }) => kind === "x509" && state === "active");
    const { bundle } = crowd;
    await admin.unary(AuthorityAdmin.method.prepareAuthority, { kind: "x509" });
    const bundleMs = await crowd.changed("bundles", bundle);
    await admin.unary(AuthorityAdmin.method.activateAuthority, { kind: "x509", force: true });
    const { leaf } = crowd;
    await admin.unary(AuthorityAdmin.method.taintAuthority, { authorityId: active?.id ?? "" });
    const svidMs = await crowd.changed("leaves", leaf);
    const result = { bundleMs, svidMs, authorityMiB: residentMiB(authority), agentMiB: residentMiB(agent) };
    await crowd.close();
    return result;
  } finally {
    await admin.close({ cut: true });
    await installation.remove();
  }
}

async function identitiesHeld({ agentSocket }: Installation, count: number): Promise<void> {
  const channel = channelTo(agentSocket);
  for (;;) {
    const { agent } = await channel.unary(Agent.method.describe, {});
    if ((agent?.identityCount ?? 0) >= count) break;
    await setTimeout(POLL_MS);
  }
  await channel.close({ cut: true });
}

interface Start {
  readonly authoritySeconds: number;
  readonly authorityCpuSeconds: number;
  readonly agentSeconds: number;
  readonly agentCpuSeconds: number;
  readonly authorityMiB: number;
  readonly agentMiB: number;
  readonly newConnectionMs: number;
}

/** Starts both with so many registered workloads; a workload of theirs connects, and is attested and matched. */
async function startWithMany(): Promise<Start> {
  const installation = prepareInstallation(own);
  const { authority, agent } = installation;
  writeRegistrations(join(installation.directory, "registrations"));
  try {
    const startMs = performance.now();
    authority.start();
    await authority.ready();
    const authoritySeconds = (performance.now() - startMs) / 1000;
    const authorityCpuSeconds = cpuSecondsOf(authority.pid);
    const agentStartMs = performance.now();
    agent.start();
    await agent.ready();
    await entriesKnown(installation, ENTRIES);
    const agentSeconds = (performance.now() - agentStartMs) / 1000;
    const agentCpuSeconds = cpuSecondsOf(agent.pid);
    await identitiesHeld(installation, 1_000);
    // What is left over of the start is not the connections' doing.
    await setTimeout(3_000);
    const newConnectionMs = await connectionMs(installation);
    const memory = { authorityMiB: residentMiB(authority), agentMiB: residentMiB(agent) };
    return { authoritySeconds, authorityCpuSeconds, agentSeconds, agentCpuSeconds, ...memory, newConnectionMs };
  } finally {
    await installation.remove();
  }
}

/** Three selectors each: one of its own, one of 200 namespaces, one of 50 programs. */
function writeRegistrations(directory: string): void {
  for (let start = 0; start < ENTRIES; start += ENTRIES_PER_FILE) {
    const documents = Array.from({ length: ENTRIES_PER_FILE }, (_, index) => {
      const number = start + index;
      return workloadYaml(`w${number}`, `{selectors: ${JSON.stringify(selectorsOf(number))}}`);
    });
    writeFileSync(join(directory, `many-${start}.yaml`), documents.join(""));
  }
}

async function entriesKnown({ agentSocket }: Installation, count: number): Promise<void> {
  const channel = channelTo(agentSocket);
  for (;;) {
    const { agent } = await channel.unary(Agent.method.describe, {});
    if ((agent?.entryCount ?? 0) >= count) break;
    await setTimeout(POLL_MS);
  }
  await channel.close({ cut: true });
}

/** The CPU time of the agent for a connection that is new: accepted, attested, matched, answered. */
async function connectionMs({ agentSocket, agent }: Installation): Promise<number> {
  const before = cpuSecondsOf(agent.pid);
  for (let count = 0; count < CONNECTIONS; count++) {
    const channel = channelTo(agentSocket);
    await channel.unary(SpiffeWorkloadAPI.method.fetchJWTSVID, { audience: ["bench"], spiffeId: "" });
    await channel.close({ cut: true });
  }
  return ((cpuSecondsOf(agent.pid) - before) / CONNECTIONS) * 1000;
}

/** CPU time to find what a process with some selectors is entitled to, in an index as the agent has it. */
function lookupMs(): number {
  const index = new SelectorIndex<{ readonly id: string; readonly selectors: readonly string[] }>();
  for (let number = 0; number < ENTRIES; number++) index.add({ id: `w${number}`, selectors: selectorsOf(number) });
  const startNs = cpuNs();
  for (let count = 0; count < LOOKUPS; count++) {
    const number = (count * 7919) % ENTRIES;
    const found = index.match(new Set([...selectorsOf(number), "unix:gid:1000", "systemd:id:app.service"]));
    if (found.length !== 1) throw new Error(`found ${found.length}`);
  }
  return (cpuNs() - startNs) / LOOKUPS / 1e6;
}

const selectorsOf = (number: number): readonly string[] => [
  `unix:uid:${1_000_000 + number}`,
  `k8s:ns:team-${number % 200}`,
  `unix:path:/usr/bin/app${number % 50}`,
];

const mib = (value: number): string => `${Math.round(value)} MiB`;
const seconds = (value: number): string => `${value.toFixed(2)} s`;

export async function manyIdentities(): Promise<Section> {
  const crowd = await rotation();
  const many = await startWithMany();
  const lookMs = lookupMs();
  return {
    title: "Many identities",
    notes: [
      "The authority and the agent are processes of their own; times are of the clock where nothing else is said, with client and servers on the same two cores.",
      "1,000 subscribers: each a connection with an open FetchX509SVID stream, all of one workload, in one process; the agent holds the SVIDs of 1,000 other workloads, which are renewed too. Times begin when the command has returned.",
      "100,000 workloads: YAML in ten files, three selectors each. The agent knows all of them; it holds the SVIDs of 1,000.",
      "A new connection is accepted, attested, matched and answered; which workload a process is, by five selectors, is one part of it.",
    ],
    columns: ["with", "what", "measured"],
    rows: [
      ["1,000 subscribers", "all hold the bundle with a new authority", `${Math.round(crowd.bundleMs)} ms`],
      ["", "all hold a new SVID after the old authority was tainted", `${Math.round(crowd.svidMs)} ms`],
      ["", "resident: authority, agent", `${mib(crowd.authorityMiB)}, ${mib(crowd.agentMiB)}`],
      ["100,000 workloads", "authority ready after", `${seconds(many.authoritySeconds)} (CPU ${seconds(many.authorityCpuSeconds)})`],
      ["", "agent knows all after", `${seconds(many.agentSeconds)} (CPU ${seconds(many.agentCpuSeconds)})`],
      ["", "which of them a process is, CPU", `${lookMs.toFixed(4)} ms`],
      ["", "a new connection of a process with one call, CPU", `${many.newConnectionMs.toFixed(2)} ms`],
      ["", "resident: authority, agent", `${mib(many.authorityMiB)}, ${mib(many.agentMiB)}`],
    ],
    targets: [
      {
        what: "1,000 subscribers hold a new bundle, ms",
        goal: `< ${GOAL.bundleMs}`,
        value: crowd.bundleMs,
        met: crowd.bundleMs < GOAL.bundleMs,
      },
      { what: "1,000 subscribers hold a new SVID, ms", goal: `< ${GOAL.svidMs}`, value: crowd.svidMs, met: crowd.svidMs < GOAL.svidMs },
      ...(["authorityMiB", "agentMiB"] as const).map((name) => ({
        what: `resident with 1,000 subscribers, ${name === "agentMiB" ? "agent" : "authority"}, MiB`,
        goal: `< ${GOAL.residentMiB}`,
        value: crowd[name],
        met: crowd[name] < GOAL.residentMiB,
      })),
      {
        what: "the authority starts with 100,000 workloads, s",
        goal: `< ${GOAL.startSeconds}`,
        value: many.authoritySeconds,
        met: many.authoritySeconds < GOAL.startSeconds,
      },
      { what: "look-up among 100,000 workloads, ms", goal: `< ${GOAL.lookupMs}`, value: lookMs, met: lookMs < GOAL.lookupMs },
    ],
  };
}
