/** `vigil profile export` */
import { encodeJson, type JsonValue } from "../../lib/json.ts";
import { appArmorProfile } from "../../target/seccomp/apparmor-profile.ts";
import { missingAtStart } from "../../target/seccomp/call-families.ts";
import { compileFilter } from "../../target/seccomp/filter-compiler.ts";
import { landlockRules } from "../../target/seccomp/landlock-rules.ts";
import { ociSeccomp, operatorProfile } from "../../target/seccomp/oci-profile.ts";
import type { Profile } from "../../target/seccomp/profile.ts";
import { EXIT, type ExitCode } from "../command.ts";
import { noteWarning } from "../notes.ts";
import type { Terminal } from "../terminal.ts";
import { loadProfile, writeOutput } from "./profile-file.ts";

export interface ExportFlags {
  readonly to: string;
  readonly output: string | undefined;
  readonly complain: boolean;
  readonly "without-runtime": boolean;
  readonly program: string | undefined;
  readonly namespace: string;
}

export async function exportProfile(path: string, flags: ExportFlags, terminal: Terminal): Promise<ExitCode> {
  const profile = loadProfile(path, terminal);
  const missing = missingAtStart(profile);
  if (missing.length > 0)
    noteWarning(terminal, `this profile stops programs at their start: it lacks ${missing.join(", ")}`, "record it without --exact");
  if ((flags.to === "apparmor" || flags.to === "landlock") && profile.paths.length === 0)
    noteWarning(terminal, "this profile has no paths, so no file may be used by it", "record it with --paths");
  await writeOutput(textOf(profile, flags), flags.output, terminal);
  return EXIT.yes;
}

function textOf(profile: Profile, flags: ExportFlags): string {
  const options = { withRuntime: !flags["without-runtime"], isComplaining: flags.complain };
  switch (flags.to) {
    case "operator":
      return jsonText(operatorProfile(profile, { ...options, namespace: flags.namespace }));
    case "apparmor":
      return appArmorProfile(profile, { isComplaining: flags.complain, ...(flags.program !== undefined && { attachment: flags.program }) });
    case "landlock": {
      const { paths, ports = [] } = landlockRules(profile);
      const bits = (rights: bigint): string => `0x${rights.toString(16)}`;
      return jsonText({
        paths: paths.map(({ path, rights }) => ({ path, rights: bits(rights) })),
        ports: ports.map(({ port, rights }) => ({ port, rights: bits(rights) })),
      });
    }
    case "filter":
      return jsonText(
        Object.fromEntries(
          profile.architectures.map((architecture) => [
            architecture,
            compileFilter(profile, { architecture, otherwise: flags.complain ? { kind: "log" } : { kind: "errno", errno: 1 } }).map(
              (instruction) => ({
                ...instruction,
              }),
            ),
          ]),
        ),
      );
    default:
      return jsonText(ociSeccomp(profile, options));
  }
}

/** Indented, unless a number in it is larger than JSON.stringify writes exactly. */
function jsonText(value: JsonValue): string {
  try {
    return `${JSON.stringify(value, undefined, 2)}\n`;
  } catch {
    return `${encodeJson(value)}\n`;
  }
}
