/** Entries of a fresh installation: the webhook of Vigil itself, and the user who started it. */
import { LOCAL_AGENT } from "../../identity/authority/caller.ts";
import type { Entry } from "../../identity/authority/entry.ts";
import { COMPONENT_CLASSES } from "../../resource/workload.ts";
import { spiffeIdOf, type TrustDomain } from "../../spiffe/spiffe-id.ts";
import type { AuthoritySettings } from "./settings.ts";

const JWT_TTL_MS = 5 * 60_000;

/** A `Workload` resource of the same name replaces an entry. */
export function builtInEntries(trustDomain: TrustDomain, { user, webhookNames }: AuthoritySettings): readonly Entry[] {
  const uid = `unix:uid:${user.uid}`;
  const userName = user.name.replaceAll(/[^A-Za-z0-9._-]/g, "-") || `uid-${user.uid}`;
  return [
    // Not whatever runs as this user: the process that the supervisor started for it.
    entryOf(trustDomain, ["vigil", "admission"], [uid, "vigil:process:control"], webhookNames),
    // A program that this user starts as a workload is that workload, and not the user.
    entryOf(trustDomain, ["user", /^\.{1,2}$/.test(userName) ? `uid-${user.uid}` : userName], [uid, "vigil:launched:no"], {
      dnsNames: [],
      ipAddresses: [],
    }),
  ].flatMap((entry) => entry ?? []);
}

function entryOf(
  trustDomain: TrustDomain,
  path: readonly [string, string],
  selectors: readonly string[],
  names: { readonly dnsNames: readonly string[]; readonly ipAddresses: readonly string[] },
): Entry | undefined {
  const id = spiffeIdOf(trustDomain, path);
  // Only a trust domain name that leaves no room for a path makes none.
  if (!id.ok) return undefined;
  const { service } = COMPONENT_CLASSES;
  const name = path.join("/");
  return {
    id: name,
    name,
    spiffeId: id.value,
    selectors,
    class: "service",
    x509TtlMs: service.x509TtlMs,
    jwtTtlMs: JWT_TTL_MS,
    rotateAfterMs: service.rotateAfterMs,
    ...names,
    federatesWith: [],
    hint: name,
    admin: false,
    downstream: false,
    labels: {},
    brokerFor: [],
    // Users and processes of other machines are not those of this one.
    agents: [`spiffe://${trustDomain}/vigil/agent/${LOCAL_AGENT}`],
    renewIssuedBeforeMs: 0,
    origin: "built in",
  };
}
