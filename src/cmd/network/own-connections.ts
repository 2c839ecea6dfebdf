/**
 * Vigil's own connections: a policy for the workload in whose cgroup Vigil itself runs would cut them, and then nobody could put it right by
 * the usual way. Only then can that happen: what is no workload is not governed.
 */
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { parseIpAddress } from "../../lib/ip-address.ts";
import type { AccessSet } from "../../policy/access/access-set.ts";
import { decideAccess } from "../../policy/access/decide-access.ts";
import { type Call, type Endpoint, EXTERNAL, endpoint } from "../../policy/access/endpoint.ts";
import { parseListenAddress } from "../listen-address.ts";
import type { Settings } from "../settings.ts";
import type { PlacedWorkload } from "./inventory.ts";

/** A connection that policies would cut, and by which policy. */
export interface CutConnection {
  readonly what: string;
  readonly policy: string;
}

export type OwnSettings = Pick<
  Settings,
  | "admission.listen"
  | "identity.agentListen"
  | "identity.bundleListen"
  | "identity.authority"
  | "identity.telemetry"
  | "identity.authorityTelemetry"
  | "identity.downstreamListen"
  | "identity.upstreamServer"
>;

const LOOPBACK = Uint8Array.of(127, 0, 0, 1);

/** The cgroup of this process, below the root of the hierarchy; undefined where there is none. */
export function ownCgroup(cgroupRoot: string | undefined): string | undefined {
  const own = /^0::(\/.*)$/m.exec(readFileSync("/proc/self/cgroup", "utf8"))?.[1];
  return cgroupRoot === undefined || own === undefined ? undefined : join(cgroupRoot, own);
}

/** The first of Vigil's own connections that the policies do not let through, or undefined. `own` is the cgroup that Vigil runs in. */
export function cutConnection(
  set: AccessSet,
  workloads: readonly PlacedWorkload[],
  own: string | undefined,
  settings: OwnSettings,
  nowMs: number,
): CutConnection | undefined {
  const home = own === undefined ? undefined : workloads.find(({ cgroupPath }) => cgroupPath !== undefined && isWithin(own, cgroupPath));
  if (home === undefined) return undefined;
  const peers = peersOf(set);
  for (const { what, calls } of connectionsOf(home.endpoint, settings, peers)) {
    const verdicts = calls.map((call) => decideAccess(set, call, { nowMs }));
    // Who is to call is not known to Vigil: it is cut when nobody can.
    if (verdicts.every(({ verdict }) => verdict === "deny"))
      return { what, policy: verdicts[0]?.ground.origin?.policy ?? "the default of the trust domain" };
  }
  return undefined;
}

const isWithin = (path: string, directory: string): boolean => path === directory || path.startsWith(`${directory}/`);

interface Peer {
  readonly endpoint: Endpoint;
  readonly address: Uint8Array;
}

/** This host, one address of every network that the policies name, and one of none. */
function peersOf(set: AccessSet): readonly Peer[] {
  const rules = [...Object.values(set.rules.ingress), ...Object.values(set.rules.egress)].flat();
  const matches = [...new Set(rules.flatMap(({ peer }) => peer))];
  const named = matches.flatMap((match) => (match.kind === "network" ? [match.prefix.address] : []));
  return [{ endpoint: endpoint("host"), address: LOOPBACK }, ...[SOMEWHERE, ...named].map((address) => ({ endpoint: EXTERNAL, address }))];
}

/** TEST-NET-1 (RFC 5737). */
const SOMEWHERE = Uint8Array.of(192, 0, 2, 1);

function* connectionsOf(
  own: Endpoint,
  settings: OwnSettings,
  peers: readonly Peer[],
): Iterable<{ readonly what: string; readonly calls: readonly Call[] }> {
  const listeners = [
    ["the webhook", settings["admission.listen"]],
    ["the authority's address for agents", settings["identity.agentListen"]],
    ["the bundle endpoint", settings["identity.bundleListen"]],
    ["the agent's metrics", settings["identity.telemetry"]],
    ["the authority's metrics", settings["identity.authorityTelemetry"]],
    ["authorities below", settings["identity.downstreamListen"]],
  ] as const;
  for (const [what, address] of listeners) {
    if (address === undefined) continue;
    const { host, port } = parseListenAddress(address);
    const isLocal = host === "localhost" || host === "::1" || host.startsWith("127.");
    const callers = isLocal ? peers.filter((peer) => peer.endpoint.kind === "host") : peers;
    yield { what, calls: callers.map((peer) => callOf(peer, { endpoint: own, address: LOOPBACK }, port)) };
  }
  const servers = [
    ["the authority", settings["identity.authority"]],
    ["the upstream authority", settings["identity.upstreamServer"]],
  ] as const;
  for (const [what, server] of servers) {
    if (server === undefined) continue;
    const { host, port } = parseListenAddress(server);
    const address = parseIpAddress(host);
    // A name may have any address.
    const targets = address === undefined ? peers : [{ endpoint: EXTERNAL, address }];
    yield { what, calls: targets.map((target) => callOf({ endpoint: own, address: LOOPBACK }, target, port)) };
  }
}

const callOf = (source: Peer, destination: Peer, port: number): Call => ({
  source: source.endpoint,
  destination: destination.endpoint,
  sourceAddress: source.address,
  destinationAddress: destination.address,
  destinationNames: [],
  protocol: "tcp",
  port,
  request: undefined,
  claims: {},
  tenant: "",
  permissions: [],
});
