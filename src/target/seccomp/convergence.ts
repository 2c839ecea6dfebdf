/** Whether a profile is ripe: whether more recording would still find calls that it lacks. */
import type { Profile, ProfileCall } from "./profile.ts";

export interface Convergence {
  readonly runs: number;
  readonly recordedMs: number;
  /** The longest time at the end of a run in which no new call was seen. */
  readonly quietMs: number;
  /** Calls that were seen at start-up only, and those of the steady state: a profile without the latter has seen no work. */
  readonly startUpOnly: number;
  readonly steady: number;
  readonly verdict: "ripe" | "young";
  /** Why it is young, as clauses; empty when it is ripe. */
  readonly reasons: readonly string[];
}

export interface RipeningRules {
  readonly minRuns: number;
  readonly minQuietMs: number;
  /** The quiet end as a part of the run: a program that shows something new after a minute is not known after two. */
  readonly minQuietShare: number;
  /** Programs whose runs are all shorter need more of them, and no quiet end. */
  readonly shortRunMs: number;
  readonly minShortRuns: number;
}

/** Two runs, since what differs between runs (caches, first start) shows in the second. */
export const DEFAULT_RIPENING: RipeningRules = {
  minRuns: 2,
  minQuietMs: 1_000,
  minQuietShare: 0.5,
  shortRunMs: 5_000,
  minShortRuns: 3,
};

/** Judges the recordings of a profile. A profile with none (static only) is young. */
export function judgeConvergence(profile: Profile, rules: RipeningRules = DEFAULT_RIPENING): Convergence {
  const runs = profile.recordings.filter(({ recorder }) => recorder !== "static");
  const quiets = runs.map(({ durationMs, lastNewMs }) => ({ quietMs: Math.max(0, durationMs - lastNewMs), durationMs }));
  const best = quiets.toSorted((a, b) => b.quietMs - a.quietMs)[0] ?? { quietMs: 0, durationMs: 0 };
  const isIn = (reason: string) => (call: ProfileCall) => call.reasons.some((each) => each === reason);
  const steady = profile.calls.filter(isIn("steady")).length;
  // A program that does its work and ends has no quiet time: it is known by being run again.
  const isShort = runs.every(({ durationMs }) => durationMs < rules.shortRunMs);
  const needed = isShort ? rules.minShortRuns : rules.minRuns;
  const reasons = [
    ...(runs.length >= needed ? [] : [`${runs.length} of ${needed} runs were recorded`]),
    ...(isShort || best.quietMs >= rules.minQuietMs
      ? []
      : [`a new call was seen ${best.quietMs} ms before the end, less than ${rules.minQuietMs} ms`]),
    ...(isShort || best.quietMs >= best.durationMs * rules.minQuietShare
      ? []
      : ["new calls were seen in the last half of the longest quiet run"]),
    ...(isShort || steady > 0 ? [] : ["nothing was recorded after the start-up"]),
  ];
  return {
    runs: runs.length,
    recordedMs: runs.reduce((sum, { durationMs }) => sum + durationMs, 0),
    quietMs: best.quietMs,
    startUpOnly: profile.calls.filter((call) => isIn("start-up")(call) && !isIn("steady")(call)).length,
    steady,
    verdict: reasons.length === 0 ? "ripe" : "young",
    reasons,
  };
}
