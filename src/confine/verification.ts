/** Whether a program works under its profile: it runs under the real filter, and every call that is refused is named. */
import { architecture } from "../linux/native.ts";
import type { NotificationAnswer } from "../linux/seccomp.ts";
import type { SyscallName } from "../linux/syscall-numbers.ts";
import { mergeProfiles } from "../target/seccomp/combination.ts";
import { compileFilter } from "../target/seccomp/filter-compiler.ts";
import { observedAlternative } from "../target/seccomp/guarded-arguments.ts";
import { type Alternative, alternativeKey, EMPTY_PROFILE, type Profile } from "../target/seccomp/profile.ts";
import type { ConfinedProgram } from "./confined-launch.ts";
import type { Launched, LaunchOptions } from "./launch.ts";
import { launchObserved, type ObservedCall } from "./observed-program.ts";

export interface Violation {
  /** `ptrace`; `number 999` for a call that Vigil does not know. */
  readonly call: string;
  readonly name: SyscallName | undefined;
  /** What its guarded arguments were, for calls that have them. */
  readonly alternative: Alternative | undefined;
  /** The profile has the call, with other arguments. */
  readonly isByArguments: boolean;
  count: number;
}

export interface Verification {
  readonly launched: Launched;
  /** By the order in which they were made; it grows while the program runs. */
  readonly violations: () => readonly Violation[];
}

const EPERM = 1;
const ENOSYS = 38;
/** Different ones; a program that tries everything needs no complete list. */
const MAX_VIOLATIONS = 1_000;

/**
 * Starts the program under the profile. `enforce` refuses as a filter without a listener would, `complain` lets everything through;
 * violations are noted either way.
 */
export async function startVerification(
  program: ConfinedProgram,
  profile: Profile,
  options: Omit<LaunchOptions, "onListener"> & { readonly mode: "enforce" | "complain"; readonly isRoot: boolean },
): Promise<Verification> {
  const violations = new Map<string, Violation>();
  const known = new Set(profile.calls.map(({ name }) => name));
  const answer = (call: ObservedCall): NotificationAnswer => {
    // A libc asks for it first and takes `clone` when it is not there, as on kernels before 5.3: that is no violation.
    if (call.name === "clone3" && options.mode === "enforce") return { kind: "errno", errno: ENOSYS };
    note(violations, call, known);
    if (options.mode === "complain") return { kind: "continue" };
    return { kind: "errno", errno: call.name === undefined ? ENOSYS : EPERM };
  };
  const filter = compileFilter(profile, {
    architecture: architecture(),
    otherwise: { kind: "notify" },
    unknown: { kind: "notify" },
  });
  const launched = await launchObserved(program, { ...options, filter, answer });
  return { launched, violations: () => [...violations.values()] };
}

function note(violations: Map<string, Violation>, { name, number, args }: ObservedCall, known: ReadonlySet<SyscallName>): void {
  const alternative = name === undefined ? undefined : observedAlternative(name, args);
  const key = `${name ?? number} ${alternative === undefined ? "" : alternativeKey(alternative)}`;
  const before = violations.get(key);
  if (before !== undefined) before.count++;
  else if (violations.size < MAX_VIOLATIONS)
    violations.set(key, {
      call: name ?? `number ${number}`,
      name,
      alternative,
      isByArguments: name !== undefined && known.has(name),
      count: 1,
    });
}

/** The profile with what the violations were about: what a person has to agree to. Calls without a name stay out. */
export function amendProfile(profile: Profile, violations: readonly Violation[]): Profile {
  const amendments = violations.flatMap(({ name, alternative }): readonly Profile[] => {
    if (name === undefined) return [];
    const alternatives = alternative === undefined ? [] : [alternative];
    return [{ ...EMPTY_PROFILE, calls: [{ name, reasons: ["amended"], alternatives }] }];
  });
  return mergeProfiles([profile, ...amendments]);
}
