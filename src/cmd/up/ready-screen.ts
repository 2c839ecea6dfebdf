/** What `vigil up` shows once everything runs. One line holds the word `ready`: scripts wait for it. */
import { join } from "node:path";
import type { Configuration } from "../config.ts";
import { BUILT_IN } from "../policy-set.ts";
import type { ReadyReport } from "../process-message.ts";
import { programName } from "../program-name.ts";
import { alignColumns } from "../table.ts";
import type { Terminal } from "../terminal.ts";
import { PACKAGE_ROOT, readVersion } from "../version.ts";

export interface ScreenFacts {
  readonly seconds: string;
  readonly state: string;
  readonly configuration: Configuration;
}

export function readyScreen({ on, off, facts }: ReadyReport, { seconds, state, configuration }: ScreenFacts, terminal: Terminal): string {
  const name = programName();
  const stated = configuration.origins["state.directory"] === "default" ? "" : ` --state ${quote(state)}`;
  const review = join(PACKAGE_ROOT, "examples/deny-privileged.json");
  const { policies } = configuration.values;
  const isBuiltIn = policies.length === 0 || policies.includes(BUILT_IN);
  const working = [...on, { what: "state", where: state }, { what: "settings", where: configuration.file ?? "defaults" }];
  return [
    `${terminal.style("bold", `Vigil ${readVersion()}`)} is ${terminal.style("green", "ready")} (${seconds})`,
    "",
    ...alignColumns(
      working.map(({ what, where }) => [`  ${what}`, where]),
      Number.POSITIVE_INFINITY,
    ),
    ...off.flatMap(({ what, why, how }) => [
      "",
      `  ${terminal.style("dim", `off: ${what}`)}  ${why}`,
      ...(how === undefined ? [] : [`       ${how}`]),
    ]),
    "",
    isBuiltIn ? "Try a review that is refused:" : "Try a review:",
    "",
    `  curl -sS --cacert ${quote(facts["caFile"] ?? "")} -H 'content-type: application/json' \\`,
    `    --data-binary @${quote(review)} ${facts["url"]}/validate`,
    "",
    "Then ask why:",
    "",
    `  ${name} events why last${stated}`,
    "",
    ...identityLines(facts, `${name} identity show${stated}`),
    "Ctrl-C drains and stops.",
  ].join("\n");
}

/** How to see the webhook's SVID, and one's own. */
function identityLines({ url = "", trustBundle, serverName }: ReadyReport["facts"], show: string): readonly string[] {
  if (trustBundle === undefined || serverName === undefined) return [];
  return [
    "See the webhook's SVID, and then your own:",
    "",
    `  openssl s_client -connect ${quote(url.replace("https://", ""))} -servername ${quote(serverName)} \\`,
    `    -CAfile ${quote(trustBundle)} -verify_return_error </dev/null`,
    `  ${show}`,
    "",
  ];
}

/** For a POSIX shell. */
const quote = (text: string): string => (/^[\w./:@%+=-]+$/.test(text) ? text : `'${text.replaceAll("'", `'\\''`)}'`);
