/** A profile in a few lines. */
import { judgeConvergence } from "../../target/seccomp/convergence.ts";
import { reduction } from "../../target/seccomp/oci-profile.ts";
import { type Profile, REASONS } from "../../target/seccomp/profile.ts";
import type { Terminal } from "../terminal.ts";

/** What it allows of what there is, why, and whether it is ripe. */
export function summaryLines(profile: Profile): readonly string[] {
  const [architecture = "x64"] = profile.architectures;
  const { allowed, existing } = reduction(profile, architecture);
  const counts = REASONS.map((reason) => ({ reason, count: profile.calls.filter(({ reasons }) => reasons[0] === reason).length }));
  const why = counts.filter(({ count }) => count > 0).map(({ reason, count }) => `${count} ${reason}`);
  const guarded = profile.calls.filter(({ alternatives }) => alternatives.length > 0).length;
  const { verdict, reasons } = judgeConvergence(profile);
  return [
    `${profile.name}: ${allowed} of ${existing} system calls (${why.join(", ")}), ${guarded} of them only with certain arguments`,
    verdict === "ripe" ? "ripe: nothing new is to be expected of what it was recorded doing" : `young: ${reasons.join("; ")}`,
  ];
}

/** The summary is the result where the profile itself goes to a file. */
export function showSummary(profile: Profile, output: string | undefined, terminal: Pick<Terminal, "note" | "print">): void {
  const isFile = output !== undefined && output !== "-";
  for (const line of summaryLines(profile)) {
    if (isFile) terminal.print(line);
    else terminal.note(line);
  }
}
