/** `vigil profile generate` */
import { profileStatically } from "../../confine/static-profile.ts";
import { withCalls, withCompatibility } from "../../target/seccomp/call-families.ts";
import { mergeProfiles } from "../../target/seccomp/combination.ts";
import { callNames, type Profile } from "../../target/seccomp/profile.ts";
import { EXIT, type ExitCode } from "../command.ts";
import { noteWarning } from "../notes.ts";
import type { Terminal } from "../terminal.ts";
import { loadProfile, profileText, writeOutput } from "./profile-file.ts";
import { showSummary } from "./summary.ts";

export interface GenerateFlags {
  readonly with: readonly string[];
  readonly output: string | undefined;
  readonly exact: boolean;
}

export async function generateProfile(path: string, flags: GenerateFlags, terminal: Terminal): Promise<ExitCode> {
  const { profile: found, missing, loadsFurtherCode } = profileStatically(path);
  if (missing.length > 0) noteWarning(terminal, `libraries were not found: ${missing.join(", ")}`, "what they call is not in the profile");
  if (loadsFurtherCode)
    noteWarning(terminal, "the program loads code at run time (dlopen), which was not looked through", "record it, and add this by --with");
  const recorded = flags.with.map((file) => loadProfile(file, terminal));
  const profile = recorded.length === 0 ? found : extend(mergeProfiles(recorded), found);
  const complete = flags.exact ? profile : withCompatibility(profile);
  await writeOutput(profileText(complete), flags.output, terminal);
  showSummary(complete, flags.output, terminal);
  return EXIT.yes;
}

/** What was recorded keeps its arguments: code says that a call may be made, not with what. */
function extend(recorded: Profile, found: Profile): Profile {
  return { ...withCalls(recorded, callNames(found), "static"), recordings: [...recorded.recordings, ...found.recordings] };
}
