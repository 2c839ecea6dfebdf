/** `vigil profile verify`: a program under its profile. */
import { tmpdir } from "node:os";
import { runInContainer } from "../../confine/runc.ts";
import { amendProfile, startVerification, type Violation } from "../../confine/verification.ts";
import { alternativeText } from "../../target/seccomp/argument-text.ts";
import { missingAtStart } from "../../target/seccomp/call-families.ts";
import { ociSeccomp } from "../../target/seccomp/oci-profile.ts";
import type { Profile } from "../../target/seccomp/profile.ts";
import { EXIT, type ExitCode, type Invocation } from "../command.ts";
import { noteWarning } from "../notes.ts";
import { exitCode, forwardSignals } from "../run/run.ts";
import { loadProfile, profileText, writeOutput } from "./profile-file.ts";

export interface VerifyFlags {
  readonly complain: boolean;
  readonly runc: boolean;
  readonly amended: string | undefined;
  readonly format: string;
}

type Context = Pick<Invocation, "operands" | "environment" | "terminal">;

export async function verifyProfile(context: Context, flags: VerifyFlags): Promise<ExitCode> {
  const [path = "", command = "", ...args] = context.operands;
  const { terminal, environment } = context;
  const profile = loadProfile(path, terminal);
  const missing = missingAtStart(profile);
  if (missing.length > 0)
    noteWarning(terminal, `this profile stops programs at their start: it lacks ${missing.join(", ")}`, "record it without --exact");
  const program = { command, args, environment, directory: process.cwd() };
  if (flags.runc) {
    const seccomp = ociSeccomp(profile, { withRuntime: true, isComplaining: flags.complain });
    const code = await runInContainer(program, seccomp, tmpdir());
    return conclude([], code, { profile, flags, context });
  }
  const { launched, violations } = await startVerification(program, profile, {
    mode: flags.complain ? "complain" : "enforce",
    isRoot: process.getuid?.() === 0,
    scratchDirectory: tmpdir(),
  });
  const stopForwarding = forwardSignals(launched);
  try {
    const code = exitCode(await launched.ended);
    return await conclude(violations(), code, { profile, flags, context });
  } finally {
    stopForwarding();
  }
}

interface Verified {
  readonly profile: Profile;
  readonly flags: VerifyFlags;
  readonly context: Context;
}

async function conclude(found: readonly Violation[], code: number, { profile, flags, context: { terminal } }: Verified): Promise<ExitCode> {
  if (flags.format === "json")
    terminal.printJson({
      profile: profile.name,
      exitCode: code,
      violations: found.map(({ call, count, isByArguments, name, alternative }) => ({
        call,
        count,
        isByArguments,
        ...(name !== undefined && alternative !== undefined && { arguments: alternativeText(name, alternative) }),
      })),
    });
  else for (const line of reportLines(found, code, profile, flags)) terminal.note(line);
  if (flags.amended !== undefined) await writeOutput(profileText(amendProfile(profile, found)), flags.amended, terminal);
  return found.length === 0 && code === 0 ? EXIT.yes : EXIT.no;
}

function reportLines(
  violations: readonly Violation[],
  code: number,
  profile: Profile,
  { complain, amended }: VerifyFlags,
): readonly string[] {
  const ending = code === 0 ? "the program ended well" : `the program ended with ${code}`;
  if (violations.length === 0) return [`${profile.name}: nothing was refused; ${ending}`];
  const verb = complain ? "would be refused" : "was refused";
  return [
    `${profile.name}: ${violations.length} different calls beyond the profile; ${ending}`,
    ...violations.map(({ call, count, name, alternative, isByArguments }) => {
      const how = name === undefined || alternative === undefined ? "" : ` with ${alternativeText(name, alternative)}`;
      const why = isByArguments ? ", which the profile has with other arguments" : "";
      return `  ${call}${how} ${verb} ${count === 1 ? "once" : `${count} times`}${why}`;
    }),
    amended === undefined
      ? "  if the program needs them: run it again with --amended FILE, which writes a profile that allows them"
      : `  a profile that allows them is in ${amended}`,
  ];
}
