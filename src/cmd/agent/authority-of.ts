/** Which authority the agent follows, by the settings: the one beside it, or one on another machine. */
import { join } from "node:path";
import { type AuthorityClient, localAuthority } from "../../identity/agent/authority-client.ts";
import type { EvidencePaths } from "../../identity/agent/node-evidence.ts";
import { openRemoteAuthority } from "../../identity/agent/remote-authority.ts";
import { VigilError } from "../../lib/error.ts";
import { parseTrustDomain } from "../../spiffe/spiffe-id.ts";
import { authoritySocket } from "../identity-sockets.ts";
import { parseListenAddress } from "../listen-address.ts";
import type { Log } from "../log.ts";
import type { Settings } from "../settings.ts";

export type RemoteSettingsErrorCode = "CONFIG_REMOTE_AUTHORITY";

/** In the state directory: the agent's own identity. */
const KEPT_AT = "agent/identity.json";

/** Throws `CONFIG_REMOTE_AUTHORITY` when the settings of a remote one are not whole. */
export async function authorityOf(stateDirectory: string, settings: Settings, log: Log): Promise<AuthorityClient> {
  const address = settings["identity.authority"];
  if (address === undefined) return localAuthority(authoritySocket(stateDirectory));
  const firstBundlePath = settings["identity.authorityBundle"];
  if (firstBundlePath === undefined)
    throw incomplete(
      "there is nothing to verify the authority with",
      "set `identity.authorityBundle` to what `vigil trust show --bundle` prints there",
    );
  const trustDomain = parseTrustDomain(settings["identity.trustDomain"]);
  if (!trustDomain.ok) throw trustDomain.error;
  return openRemoteAuthority({
    ...parseListenAddress(address),
    trustDomain: trustDomain.value,
    evidence: evidenceOf(settings),
    firstBundlePath,
    keptPath: join(stateDirectory, KEPT_AT),
    onNews: (news) => {
      if (news.kind === "problem") log("warning", news.message);
      else log("info", `the agent ${news.agentId} is ${news.kind}`, { until: new Date(news.expiresAtMs).toISOString() });
    },
  });
}

function evidenceOf(settings: Settings): EvidencePaths {
  const { "identity.joinToken": token, "identity.nodeCertificate": certificatePath, "identity.nodeKey": keyPath } = settings;
  if (token !== undefined && certificatePath === undefined) return { kind: "join token", path: token };
  if (token === undefined && certificatePath !== undefined && keyPath !== undefined)
    return { kind: "certificate", certificatePath, keyPath };
  throw incomplete(
    "expected one way to show which node this is",
    "set `identity.joinToken`, or `identity.nodeCertificate` with `identity.nodeKey`",
  );
}

const incomplete = (message: string, hint: string): VigilError<RemoteSettingsErrorCode> =>
  new VigilError("CONFIG_REMOTE_AUTHORITY", message, { hint });
