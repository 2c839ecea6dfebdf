/** The command line's end of the authority's API: calls over its unix socket, and refusals in the authority's own words. */
import { GrpcChannel } from "../grpc/channel.ts";
import { GrpcError } from "../grpc/grpc-error.ts";
import { VigilError } from "../lib/error.ts";
import { authoritySocket } from "./identity-sockets.ts";

export type AuthorityClientErrorCode = "AUTHORITY_UNREACHABLE" | "AUTHORITY_REFUSED";

const TIMEOUT_MS = 30_000;

/** For each call. */
export const CALL: { readonly timeoutMs: number } = { timeoutMs: TIMEOUT_MS };

/** Runs `work` with a channel to the authority of this state directory. Throws `AUTHORITY_UNREACHABLE` when none answers, and what it says when it refuses. */
export async function withAuthority<T>(stateDirectory: string, work: (channel: GrpcChannel) => Promise<T>): Promise<T> {
  const channel = new GrpcChannel({ address: { kind: "unix", path: authoritySocket(stateDirectory) } });
  try {
    return await work(channel);
  } catch (thrown) {
    if (!(thrown instanceof GrpcError)) throw thrown;
    throw refusalOf(thrown, stateDirectory);
  } finally {
    await channel.close({ cut: true });
  }
}

function refusalOf(error: GrpcError, stateDirectory: string): VigilError {
  const [, code, message = "", hint] = /^([A-Z][A-Z0-9_]+): ([^\n]*)(?:\n(.*))?$/.exec(error.message) ?? [];
  if (code !== undefined) return new VigilError(code, message, { ...(hint === undefined ? {} : { hint }), cause: error });
  if (error.status === "UNAVAILABLE")
    return new VigilError<AuthorityClientErrorCode>(
      "AUTHORITY_UNREACHABLE",
      `no authority answers in ${stateDirectory}: ${error.message}`,
      {
        hint: "start it with `vigil up`, or name its state directory with `--state`",
        cause: error,
      },
    );
  return new VigilError<AuthorityClientErrorCode>("AUTHORITY_REFUSED", error.message, { cause: error });
}
