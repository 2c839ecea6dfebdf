/** `vigil profile diff` */

import type { SyscallName } from "../../linux/syscall-numbers.ts";
import { alternativeText } from "../../target/seccomp/argument-text.ts";
import { diffProfiles, isSame, type ListDifference, type ProfileDifference } from "../../target/seccomp/combination.ts";
import type { Alternative } from "../../target/seccomp/profile.ts";
import { EXIT, type ExitCode } from "../command.ts";
import type { Terminal } from "../terminal.ts";
import { loadProfile } from "./profile-file.ts";

export function diffProfileFiles(
  { before, after, format }: { readonly before: string; readonly after: string; readonly format: string },
  terminal: Terminal,
): ExitCode {
  const difference = diffProfiles(loadProfile(before, terminal), loadProfile(after, terminal));
  if (format === "json") terminal.printJson({ ...difference, isSame: isSame(difference) });
  else for (const line of differenceLines(difference)) terminal.print(line);
  return isSame(difference) ? EXIT.yes : EXIT.no;
}

function differenceLines({ calls, changed, capabilities, paths, network }: ProfileDifference): readonly string[] {
  const list = (what: string, { added, removed }: ListDifference): readonly string[] => [
    ...added.map((name) => `+ ${what}${name}`),
    ...removed.map((name) => `- ${what}${name}`),
  ];
  const texts = (name: SyscallName, alternatives: readonly Alternative[]): string =>
    alternatives.length === 0 ? "any arguments" : alternatives.map((alternative) => alternativeText(name, alternative)).join(" | ");
  const lines = [
    ...list("", calls),
    ...changed.map(({ name, before, after }) => `~ ${name}: ${texts(name, before)} -> ${texts(name, after)}`),
    ...list("capability ", capabilities),
    ...list("", paths),
    ...list("", network),
  ];
  return lines.length === 0 ? ["they allow the same"] : lines;
}
