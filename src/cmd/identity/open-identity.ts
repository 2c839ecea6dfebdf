/** Where a command takes its identity from: files, or the Workload API. */
import { messageOf, VigilError } from "../../lib/error.ts";
import {
  createServiceIdentity,
  identityPathsIn,
  openIdentityFiles,
  openWorkloadIdentity,
  type ServiceIdentity,
  type ServiceIdentityOptions,
} from "../../service/index.ts";
import type { Invocation } from "../command.ts";
import type { Log } from "../log.ts";

export type OpenErrorCode = "IDENTITY_NO_SOCKET";

/** The address of the Workload API: a flag, else the environment (SPIFFE_Workload_Endpoint §4). Throws `IDENTITY_NO_SOCKET`. */
export function endpointOf({ environment }: Pick<Invocation, "environment">, socket: string | undefined): string {
  const address = socket ?? environment.SPIFFE_ENDPOINT_SOCKET ?? "";
  if (address !== "") return address;
  throw new VigilError<OpenErrorCode>("IDENTITY_NO_SOCKET", "there is no address of a Workload API", {
    hint: "set SPIFFE_ENDPOINT_SOCKET or give `--socket unix:///run/vigil/agent.sock`",
  });
}

export interface IdentityFlags {
  /** A directory with files. */
  readonly identity: string | undefined;
  /** Address of the Workload API. */
  readonly socket: string | undefined;
}

/** The identity that flags or environment name. `close` it at the end. */
export async function openIdentity(
  invocation: Pick<Invocation, "environment">,
  { identity, socket }: IdentityFlags,
  options: Omit<ServiceIdentityOptions, "source"> & { readonly log: Log },
): Promise<ServiceIdentity> {
  const { log, ...rest } = options;
  if (identity === undefined) {
    const address = endpointOf(invocation, socket);
    return openWorkloadIdentity({ ...rest, address, onProblem: (problem) => log("warning", messageOf(problem), { address }) });
  }
  const onError = (error: Error): void => log("error", error.message);
  return createServiceIdentity({ ...rest, source: await openIdentityFiles(identityPathsIn(identity), { onError }) });
}
