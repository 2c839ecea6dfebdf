/** Settings of the authority that only make sense together: half of a pair would silently be less than what was meant. */
import { readFile } from "node:fs/promises";
import { formatDuration } from "../../lib/duration.ts";
import { messageOf, VigilError } from "../../lib/error.ts";
import type { SettingKey, Settings } from "../settings.ts";
import type { ConfigErrorCode } from "../settings-file.ts";

/** Keys that live shorter leave agents no time to renew. */
const MIN_KEY_TTL_MS = 60_000;
/** The first needs the second. */
const NEEDS: readonly (readonly [SettingKey, SettingKey])[] = [
  ["identity.upstreamCertificate", "identity.upstreamKey"],
  ["identity.upstreamKey", "identity.upstreamCertificate"],
  ["identity.upstreamBundle", "identity.upstreamCertificate"],
  ["identity.upstreamServer", "identity.upstreamSocket"],
  ["identity.upstreamSocket", "identity.upstreamServer"],
  ["identity.bundleCertificate", "identity.bundleKey"],
  ["identity.bundleKey", "identity.bundleCertificate"],
];

const wrong = (message: string, hint: string, cause?: unknown): VigilError<ConfigErrorCode> =>
  new VigilError("CONFIG_VALUE", message, { hint, cause });

/** Throws `CONFIG_VALUE`. */
export function checkAuthoritySettings(settings: Settings): void {
  for (const [one, other] of NEEDS)
    if (settings[one] !== undefined && settings[other] === undefined)
      throw wrong(`\`${one}\` is set and \`${other}\` is not`, "set both, or neither");
  if (settings["identity.upstreamServer"] !== undefined && settings["identity.upstreamCertificate"] !== undefined)
    throw wrong(
      "both a server and files are named as the upstream authority",
      "keep `identity.upstreamServer` or `identity.upstreamCertificate`",
    );
  for (const key of ["identity.caTtl", "identity.tokenKeyTtl"] as const)
    if (settings[key] < MIN_KEY_TTL_MS)
      throw wrong(`expected \`${key}\` to be at least ${formatDuration(MIN_KEY_TTL_MS)}`, "such as `30d`");
}

/** The text of the file that a setting names; undefined when it names none. Rejects with `CONFIG_VALUE`. */
export async function readSettingFile(
  settings: Settings,
  key: "identity.webAuthorities" | "identity.bundleCertificate" | "identity.bundleKey",
): Promise<string | undefined> {
  const path = settings[key];
  if (path === undefined) return undefined;
  try {
    return await readFile(path, "utf8");
  } catch (thrown) {
    throw wrong(`\`${key}\`: ${messageOf(thrown)}`, "check the path and its permissions", thrown);
  }
}
