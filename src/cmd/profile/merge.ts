/** `vigil profile merge` */
import { mergeProfiles } from "../../target/seccomp/combination.ts";
import { EXIT, type ExitCode } from "../command.ts";
import type { Terminal } from "../terminal.ts";
import { loadProfile, profileText, writeOutput } from "./profile-file.ts";
import { showSummary } from "./summary.ts";

export async function mergeProfileFiles(
  { paths, output, name }: { readonly paths: readonly string[]; readonly output: string | undefined; readonly name: string | undefined },
  terminal: Terminal,
): Promise<ExitCode> {
  const merged = mergeProfiles(paths.map((path) => loadProfile(path, terminal)));
  const named = name === undefined ? merged : { ...merged, name };
  await writeOutput(profileText(named), output, terminal);
  showSummary(named, output, terminal);
  return EXIT.yes;
}
