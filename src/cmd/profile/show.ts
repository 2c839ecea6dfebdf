/** `vigil profile show`: a profile for people. */
import { alternativeText } from "../../target/seccomp/argument-text.ts";
import { judgeConvergence } from "../../target/seccomp/convergence.ts";
import { compileFilter } from "../../target/seccomp/filter-compiler.ts";
import { listFilter } from "../../target/seccomp/filter-instruction.ts";
import type { Profile } from "../../target/seccomp/profile.ts";
import { profileDocument } from "../../target/seccomp/profile-document.ts";
import { EXIT, type ExitCode } from "../command.ts";
import { wrapColumns } from "../table.ts";
import type { Terminal } from "../terminal.ts";
import { loadProfile } from "./profile-file.ts";
import { summaryLines } from "./summary.ts";

export function showProfile(path: string, flags: { readonly filter: boolean; readonly format: string }, terminal: Terminal): ExitCode {
  const profile = loadProfile(path, terminal);
  if (flags.format === "json") terminal.printJson({ ...profileDocument(profile), convergence: judgeConvergence(profile) });
  else for (const line of flags.filter ? filterLines(profile) : profileLines(profile, terminal)) terminal.print(line);
  return EXIT.yes;
}

const filterLines = (profile: Profile): readonly string[] =>
  profile.architectures.flatMap((architecture) => {
    const filter = compileFilter(profile, { architecture, otherwise: { kind: "errno", errno: 1 } });
    return [`${architecture}: ${filter.length} instructions`, ...listFilter(filter)];
  });

function profileLines(profile: Profile, terminal: Terminal): readonly string[] {
  const rows = profile.calls.map(({ name, reasons, alternatives }) => [
    `  ${name}`,
    reasons.join(", "),
    alternatives.map((alternative) => alternativeText(name, alternative)).join(" | "),
  ]);
  const section = (title: string, lines: readonly string[]): readonly string[] =>
    lines.length === 0 ? [] : ["", terminal.style("bold", title), ...lines];
  const { connect, bind } = profile.network;
  return [
    ...summaryLines(profile),
    ...section("Calls:", wrapColumns(rows, terminal.width)),
    ...section(
      "Capabilities:",
      profile.capabilities.map((name) => `  ${name}`),
    ),
    ...section(
      "Paths:",
      profile.paths.map(({ path, access, isDirectory }) => `  ${path}${isDirectory ? "/" : ""}  ${access.join(", ")}`),
    ),
    ...section("Ports:", [...connect.map((port) => `  connect ${port}`), ...bind.map((port) => `  bind ${port}`)]),
    ...section(
      "Recordings:",
      profile.recordings.map(
        ({ subject, recorder, durationMs, lastNewMs, calls }) =>
          `  ${subject}: ${calls} calls in ${durationMs} ms by ${recorder}, the last new one after ${Math.round(lastNewMs)} ms`,
      ),
    ),
  ];
}
