import { describe, expect, test } from "vitest";
import { BASE_CALLS, withCompatibility } from "./call-families.ts";
import { diffProfiles, isSame, mergeProfiles } from "./combination.ts";
import { judgeConvergence } from "./convergence.ts";
import { observedAlternative } from "./guarded-arguments.ts";
import { type Alternative, EMPTY_PROFILE, type Profile, type ProfileCall, type Recording } from "./profile.ts";

const profile = (calls: readonly ProfileCall[], rest: Partial<Profile> = {}): Profile => ({
  ...EMPTY_PROFILE,
  name: "p",
  architectures: ["x64"],
  calls,
  ...rest,
});
const call = (
  name: ProfileCall["name"],
  reasons: ProfileCall["reasons"] = ["seen"],
  alternatives: readonly Alternative[] = [],
): ProfileCall => ({
  name,
  reasons,
  alternatives,
});
const socket = (family: bigint): Alternative => observedAlternative("socket", [family, 1n | 0o2000000n, 0n]) ?? [];

describe("merging", () => {
  test("keeps what any of them has, with all reasons, in order", () => {
    const merged = mergeProfiles([
      profile([call("read", ["steady"]), call("write")], { capabilities: ["kill"], network: { connect: [443], bind: [] } }),
      profile([call("close"), call("read", ["start-up"])], { capabilities: ["chown"], network: { connect: [80], bind: [8080] } }),
    ]);
    expect(merged.calls).toEqual([call("close"), call("read", ["start-up", "steady"]), call("write")]);
    expect(merged.capabilities).toEqual(["chown", "kill"]);
    expect(merged.network).toEqual({ connect: [80, 443], bind: [8080] });
  });
  test("unites argument values, and gives up on them where one profile has none or where they are too many", () => {
    const inet = profile([call("socket", ["seen"], [socket(2n)])]);
    const unix = profile([call("socket", ["seen"], [socket(1n)])]);
    expect(mergeProfiles([inet, unix, inet]).calls[0]?.alternatives).toEqual([socket(1n), socket(2n)]);
    expect(mergeProfiles([inet, profile([call("socket")])]).calls[0]?.alternatives).toEqual([]);
    const many = Array.from({ length: 9 }, (_, family) => profile([call("socket", ["seen"], [socket(BigInt(family))])]));
    expect(mergeProfiles(many).calls[0]?.alternatives).toEqual([]);
  });
});

describe("the difference", () => {
  test("names what is new, gone and changed", () => {
    const difference = diffProfiles(
      profile([call("read"), call("socket", ["seen"], [socket(1n)])]),
      profile([call("socket", ["seen"], [socket(2n)]), call("write")], {
        paths: [{ path: "/etc/hosts", access: ["read"], isDirectory: false }],
      }),
    );
    expect(difference.calls).toEqual({ added: ["write"], removed: ["read"] });
    expect(difference.changed.map(({ name }) => name)).toEqual(["socket"]);
    expect(difference.paths.added).toEqual(["read /etc/hosts"]);
    expect(isSame(difference)).toBe(false);
  });
  test("of a profile to itself with other reasons is none", () => {
    expect(isSame(diffProfiles(profile([call("read")]), profile([call("read", ["static"])])))).toBe(true);
  });
});

describe("compatibility", () => {
  test("adds the base set and what other libcs call, and says so", () => {
    const calls = withCompatibility(profile([call("epoll_wait"), call("read")])).calls;
    const reasons = new Map(calls.map((each) => [each.name, each.reasons]));
    expect(reasons.get("read")).toEqual(["seen", "base"]);
    expect(reasons.get("epoll_pwait")).toEqual(["compatible"]);
    expect(BASE_CALLS.filter((name) => !reasons.has(name))).toEqual([]);
    expect(reasons.has("socket")).toBe(false);
  });
  test("lets `clone` in for `fork` and `clone3`, but without new namespaces", () => {
    for (const name of ["fork", "clone3"] as const) {
      const clone = withCompatibility(profile([call(name)])).calls.find((each) => each.name === "clone");
      expect(clone?.alternatives).toHaveLength(1);
    }
    expect(withCompatibility(profile([call("clone3")])).calls.some(({ name }) => name === "clone3")).toBe(false);
  });
  test("opens no way around arguments that are restricted", () => {
    const flags = observedAlternative("openat", [0n, 0n, 0n], { openFlags: true }) ?? [];
    const openat = withCompatibility(profile([call("openat", ["seen"], [flags])])).calls.find(({ name }) => name === "openat");
    expect(openat?.alternatives).toEqual([flags]);
  });
});

describe("convergence", () => {
  const run = (durationMs: number, lastNewMs: number): Recording => ({
    subject: "x",
    recorder: "tracepoint",
    kernel: "6.18",
    durationMs,
    lastNewMs,
    calls: 30,
  });
  const judge = (recordings: readonly Recording[]): readonly string[] =>
    judgeConvergence(profile([call("read", ["steady"])], { recordings })).reasons;

  test("is reached by two runs with a quiet end", () => {
    expect(judge([run(10_000, 2_000), run(9_000, 8_900)])).toEqual([]);
  });
  test.each([
    [[run(10_000, 2_000)], "1 of 2 runs"],
    [[run(10_000, 9_800), run(10_000, 9_500)], "500 ms before the end"],
    [[run(10_000, 6_000), run(10_000, 7_000)], "last half"],
  ])("is not reached by %j", (recordings, reason) => {
    expect(judge(recordings).join("; ")).toContain(reason);
  });
});
