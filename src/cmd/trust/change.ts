/** `vigil trust prepare`, `activate`, `taint`, `revoke`, `federate` and `token`. */
import { readFileSync } from "node:fs";
import { AuthorityAdmin, type AuthorityState } from "../../identity/generated/vigil/authority/v1/authority_pb.ts";
import { CALL, withAuthority } from "../authority-client.ts";
import { EXIT, type ExitCode, type Invocation } from "../command.ts";
import { type StateOptions, stateDirectoryOf } from "../status.ts";
import { fromNow, nextChange } from "./show.ts";

export interface ChangeOptions extends StateOptions {
  readonly format: "text" | "json";
}

type Change =
  | { readonly action: "prepare"; readonly kind: string }
  | { readonly action: "activate"; readonly kind: string; readonly force: boolean }
  | { readonly action: "taint" | "revoke"; readonly id: string };

const { method } = AuthorityAdmin;

export async function changeAuthority(invocation: Invocation, options: ChangeOptions, change: Change): Promise<ExitCode> {
  const directory = stateDirectoryOf(invocation, options);
  if (directory === undefined) return EXIT.unable;
  const { authority } = await withAuthority(directory, (channel) => {
    switch (change.action) {
      case "prepare":
        return channel.unary(method.prepareAuthority, { kind: change.kind }, CALL);
      case "activate":
        return channel.unary(method.activateAuthority, { kind: change.kind, force: change.force }, CALL);
      case "taint":
        return channel.unary(method.taintAuthority, { authorityId: change.id }, CALL);
      case "revoke":
        return channel.unary(method.revokeAuthority, { authorityId: change.id }, CALL);
      default:
        return change satisfies never;
    }
  });
  if (authority !== undefined) tell(invocation, options, authority);
  return EXIT.yes;
}

function tell({ terminal }: Invocation, { format }: ChangeOptions, { kind, id, state, isTainted, untilMs }: AuthorityState): void {
  if (format === "json")
    terminal.printJson({ kind, id, state, isTainted, until: untilMs === 0n ? null : new Date(Number(untilMs)).toISOString() });
  else {
    const change = nextChange(state, untilMs);
    terminal.print(`${kind} authority ${id} is ${state}${isTainted ? " and tainted" : ""}${change === "" ? "" : `; it ${change}`}`);
  }
}

export interface FederateOptions extends ChangeOptions {
  readonly trustDomain: string;
  readonly url: string | undefined;
  readonly serverId: string | undefined;
  /** A file. */
  readonly bundle: string | undefined;
  readonly remove: boolean;
}

export async function federate(invocation: Invocation, options: FederateOptions): Promise<ExitCode> {
  const { terminal } = invocation;
  const directory = stateDirectoryOf(invocation, options);
  if (directory === undefined) return EXIT.unable;
  const { trustDomain, url, serverId, bundle, remove, format } = options;
  const request = {
    trustDomain,
    endpointUrl: url ?? "",
    profile: serverId === undefined ? "https_web" : "https_spiffe",
    serverId: serverId ?? "",
    bundle: bundle === undefined ? new Uint8Array(0) : readFileSync(bundle),
    remove,
  };
  const { federation } = await withAuthority(directory, (channel) => channel.unary(method.federate, request, CALL));
  if (format === "json") terminal.printJson({ trustDomain, trusted: federation !== undefined, error: federation?.error ?? "" });
  else if (federation === undefined) terminal.print(`${trustDomain} is no longer trusted`);
  else if (federation.error === "")
    terminal.print(`${trustDomain} is trusted: its bundle has the sequence number ${federation.bundleSequence}`);
  else terminal.print(`${trustDomain} will be trusted once its bundle is there: ${federation.error}`);
  return federation === undefined || federation.error === "" ? EXIT.yes : EXIT.no;
}

export async function createToken(
  invocation: Invocation,
  options: ChangeOptions & { readonly agentName: string; readonly ttlMs: number },
): Promise<ExitCode> {
  const { terminal } = invocation;
  const directory = stateDirectoryOf(invocation, options);
  if (directory === undefined) return EXIT.unable;
  const { agentName, ttlMs, format } = options;
  const made = await withAuthority(directory, (channel) =>
    channel.unary(method.createJoinToken, { agentName, ttlMs: BigInt(ttlMs) }, CALL),
  );
  const { token, agentId, expiresAtMs } = made;
  if (format === "json") terminal.printJson({ token, agentId, expiresAt: new Date(Number(expiresAtMs)).toISOString() });
  else {
    terminal.print(token);
    terminal.note(`for ${agentId}, once, ${fromNow(expiresAtMs)} at the latest`);
  }
  return EXIT.yes;
}
