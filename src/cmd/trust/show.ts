/** `vigil trust show`. */
import {
  AuthorityAdmin,
  type AuthorityState,
  type FederationState,
  type ShowTrustResponse,
} from "../../identity/generated/vigil/authority/v1/authority_pb.ts";
import { formatDuration } from "../../lib/duration.ts";
import { CALL, withAuthority } from "../authority-client.ts";
import { EXIT, type ExitCode, type Invocation } from "../command.ts";
import { type StateOptions, stateDirectoryOf } from "../status.ts";
import { alignColumns } from "../table.ts";
import type { Terminal } from "../terminal.ts";

export interface ShowTrustOptions extends StateOptions {
  readonly format: "text" | "json";
  /** Print the bundle document alone. */
  readonly bundle: boolean;
}

export async function showTrust(invocation: Invocation, options: ShowTrustOptions): Promise<ExitCode> {
  const { terminal } = invocation;
  const directory = stateDirectoryOf(invocation, options);
  if (directory === undefined) return EXIT.unable;
  const trust = await withAuthority(directory, (channel) => channel.unary(AuthorityAdmin.method.showTrust, {}, CALL));
  if (options.bundle) terminal.print(Buffer.from(trust.bundle).toString("utf8"));
  else if (options.format === "json") terminal.printJson(jsonOf(trust));
  else terminal.print(textOf(trust, terminal));
  return EXIT.yes;
}

function textOf(trust: ShowTrustResponse, terminal: Terminal): string {
  const { trustDomain, bundleSequence, refreshHintSeconds, authorities, federation, entryCount, agentCount, denials } = trust;
  const agents = agentCount === 1 ? "1 agent" : `${agentCount} agents`;
  const denied = [
    ...(denials?.spiffeIds ?? []),
    ...(denials?.serials ?? []).map((serial) => `serial ${serial}`),
    ...(denials?.authorityIds ?? []).map((id) => `authority ${id}`),
  ];
  return [
    `${terminal.style("bold", trustDomain)}  ${entryCount} workloads, ${agents}, bundle ${bundleSequence} (fetch every ${formatDuration(refreshHintSeconds * 1000)})`,
    "",
    ...alignColumns(
      authorities.map((authority) => authorityRow(authority, terminal)),
      terminal.width,
    ),
    ...(federation.length === 0
      ? []
      : ["", terminal.style("bold", "trusts"), ...alignColumns(federation.map(federationRow), terminal.width)]),
    ...(denied.length === 0 ? [] : ["", terminal.style("bold", "denies"), ...denied.slice(0, MAX_SHOWN).map((value) => `  ${value}`)]),
    ...(denied.length > MAX_SHOWN ? [`  and ${denied.length - MAX_SHOWN} more`] : []),
  ].join("\n");
}

const MAX_SHOWN = 20;

const PHASES: { readonly [state: string]: string } = {
  prepared: "published, signs next",
  active: "signs",
  old: "signs nothing any more",
  gone: "left the bundle",
};

function authorityRow(
  { kind, id, state, isTainted, keyType, notAfterMs, untilMs, upstream }: AuthorityState,
  terminal: Terminal,
): readonly string[] {
  const color = state === "active" ? "green" : isTainted ? "red" : "dim";
  const change = nextChange(state, untilMs);
  return [
    `  ${kind}`,
    id,
    terminal.style(color, isTainted ? `${state}, tainted` : state),
    [
      PHASES[state] ?? "",
      keyType,
      ...(state === "gone" ? [] : [`expires ${fromNow(notAfterMs)}`]),
      ...(change === "" ? [] : [change]),
    ].join(", "),
    upstream === "" ? "" : `by ${upstream}`,
  ];
}

const NEXT: { readonly [state: string]: string } = { prepared: "signs", active: "is replaced", old: "leaves" };

/** What becomes of an authority by itself, and when; empty when nothing does. */
export const nextChange = (state: string, untilMs: bigint): string =>
  untilMs === 0n || state === "gone" ? "" : `${NEXT[state] ?? ""} ${fromNow(untilMs)}`;

/** `in 3d4h`, `2m ago`. */
export function fromNow(ms: bigint): string {
  const leftMs = Number(ms) - Date.now();
  return leftMs >= 0 ? `in ${formatDuration(leftMs)}` : `${formatDuration(-leftMs)} ago`;
}

const federationRow = ({
  trustDomain,
  endpointUrl,
  profile,
  fetchedAtMs,
  nextFetchAtMs,
  error,
  bundleSequence,
  origin,
}: FederationState): readonly string[] => [
  `  ${trustDomain}`,
  `${endpointUrl} (${profile}, by ${origin})`,
  fetchedAtMs === 0n ? "never fetched" : `bundle ${bundleSequence}, fetched ${fromNow(fetchedAtMs)}, again ${fromNow(nextFetchAtMs)}`,
  error,
];

/** Times as RFC 3339, numbers that JSON cannot hold as text. */
function jsonOf({
  trustDomain,
  bundleSequence,
  refreshHintSeconds,
  authorities,
  federation,
  entryCount,
  agentCount,
  denials,
}: ShowTrustResponse): unknown {
  const time = (ms: bigint): string | null => (ms === 0n ? null : new Date(Number(ms)).toISOString());
  return {
    trustDomain,
    bundleSequence: String(bundleSequence),
    refreshHintSeconds,
    workloads: entryCount,
    agents: agentCount,
    authorities: authorities.map(({ kind, id, state, isTainted, keyType, notBeforeMs, notAfterMs, sinceMs, untilMs, upstream }) => ({
      ...{ kind, id, state, isTainted, keyType, upstream },
      notBefore: time(notBeforeMs),
      notAfter: time(notAfterMs),
      since: time(sinceMs),
      until: time(untilMs),
    })),
    federation: federation.map(
      ({ trustDomain: domain, endpointUrl, profile, serverId, fetchedAtMs, nextFetchAtMs, error, bundleSequence: sequence, origin }) => ({
        ...{ trustDomain: domain, endpointUrl, profile, serverId, error, origin },
        bundleSequence: String(sequence),
        fetchedAt: time(fetchedAtMs),
        nextFetchAt: time(nextFetchAtMs),
      }),
    ),
    denied: { spiffeIds: denials?.spiffeIds ?? [], serials: denials?.serials ?? [], authorityIds: denials?.authorityIds ?? [] },
  };
}
