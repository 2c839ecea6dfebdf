/** What others read of a profile. */
import { spawnSync } from "node:child_process";
import { existsSync } from "node:fs";
import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { appArmorProfile, quotePath } from "./apparmor-profile.ts";
import { observedAlternative } from "./guarded-arguments.ts";
import { LANDLOCK_ACCESS, landlockHandled, landlockRules } from "./landlock-rules.ts";
import { kubernetesName, ociSeccomp, operatorProfile } from "./oci-profile.ts";
import { EMPTY_PROFILE, type Profile } from "./profile.ts";

const SERVER: Profile = {
  ...EMPTY_PROFILE,
  name: "my server",
  architectures: ["x64"],
  calls: [
    { name: "read", reasons: ["seen"], alternatives: [] },
    { name: "socket", reasons: ["seen"], alternatives: [observedAlternative("socket", [2n, 1n, 6n]) ?? []] },
  ],
  capabilities: ["net_bind_service", "setuid"],
  paths: [
    { path: "/etc/nginx/nginx.conf", access: ["read"], isDirectory: false },
    { path: "/usr/bin/perl", access: ["read", "execute", "map"], isDirectory: false },
    { path: '/var/log/a "b" [c]*{d}', access: ["write", "create"], isDirectory: false },
    { path: "/var/www", access: ["read"], isDirectory: true },
  ],
  network: { connect: [443], bind: [80, 443] },
};

describe("OCI seccomp", () => {
  test("allows the calls, those with guarded arguments apart, and refuses the rest with EPERM", () => {
    expect(ociSeccomp(SERVER, { withRuntime: false })).toEqual({
      defaultAction: "SCMP_ACT_ERRNO",
      defaultErrnoRet: 1,
      architectures: ["SCMP_ARCH_X86_64"],
      syscalls: [
        { names: ["read"], action: "SCMP_ACT_ALLOW" },
        {
          names: ["socket"],
          action: "SCMP_ACT_ALLOW",
          args: [
            { index: 0, value: 0xffff_ffff, valueTwo: 2, op: "SCMP_CMP_MASKED_EQ" },
            { index: 1, value: 15, valueTwo: 1, op: "SCMP_CMP_MASKED_EQ" },
            { index: 2, value: 0xffff_ffff, valueTwo: 6, op: "SCMP_CMP_MASKED_EQ" },
          ],
        },
        { names: ["clone3"], action: "SCMP_ACT_ERRNO", errnoRet: 38 },
      ],
    });
  });
  test("for complaining logs instead", () => {
    const complaining = ociSeccomp(SERVER, { withRuntime: true, isComplaining: true });
    expect(complaining["defaultAction"]).toBe("SCMP_ACT_LOG");
    expect(JSON.stringify(complaining)).not.toContain("ERRNO");
  });
  test("as a resource has a name that Kubernetes takes", () => {
    expect(operatorProfile(SERVER, { withRuntime: true, namespace: "shop" })).toMatchObject({
      kind: "SeccompProfile",
      metadata: { name: "my-server", namespace: "shop" },
    });
    fc.assert(fc.property(fc.string(), (name) => /^[a-z0-9]([a-z0-9.-]*[a-z0-9])?$/.test(kubernetesName(name))));
  });
});

describe("AppArmor", () => {
  const parses = (policy: string): string => {
    if (!existsSync("/sbin/apparmor_parser")) throw new Error("apparmor_parser is missing: scripts/test-packages.sh installs it");
    const { status, stderr } = spawnSync("/sbin/apparmor_parser", ["-Q", "-K", "-S"], { input: policy, maxBuffer: 1 << 26 });
    return status === 0 ? "" : stderr.toString();
  };
  test("policy has paths, capabilities and network, and its parser takes it", () => {
    const policy = appArmorProfile(SERVER, { attachment: "/usr/sbin/server" });
    expect(policy).toContain('profile "vigil-my server" "/usr/sbin/server" {');
    expect(policy).toContain("  capability net_bind_service,");
    expect(policy).toContain("  network inet stream,");
    expect(policy).toContain('  "/usr/bin/perl" rmix,');
    expect(policy).toContain('  "/var/www/" r,');
    expect(parses(policy)).toBe("");
    expect(parses(appArmorProfile(SERVER, { isComplaining: true }))).toBe("");
  });
  test("what the parser refuses is refused", () => {
    expect(parses("profile x { capability nonsense, }")).toContain("nonsense");
  });
  test("paths of any characters stay one path of one rule", () => {
    const hostile = [
      '/a"b',
      "/a\nb",
      "/a,b",
      "/a #b",
      "/{a,b}",
      "/@{HOME}",
      "/a\\",
      "/\u00e4\u{1f600}",
      "/a^b",
      "/[a-z]",
      "/ a",
      "/\u0001\u007f",
    ];
    const paths = hostile.toSorted().map((path) => ({ path, access: ["read" as const], isDirectory: false }));
    expect(parses(appArmorProfile({ ...SERVER, paths }))).toBe("");
    fc.assert(fc.property(fc.string({ unit: "binary" }), (path) => !/[\n\r]/.test(quotePath(path))));
  });
});

describe("Landlock rules", () => {
  test("give files only the rights that files have, and ports what was done with them", () => {
    const { paths, ports } = landlockRules(SERVER);
    expect(paths[0]).toEqual({ path: "/etc/nginx/nginx.conf", rights: LANDLOCK_ACCESS.readFile });
    expect(paths[3]).toEqual({ path: "/var/www", rights: LANDLOCK_ACCESS.readFile | LANDLOCK_ACCESS.readDirectory });
    expect(ports).toEqual([
      { port: 80, rights: 1n },
      { port: 443, rights: 3n },
    ]);
  });
  test.each([
    [1, 0x1fffn, 0n, 0n],
    [2, 0x3fffn, 0n, 0n],
    [4, 0x7fffn, 3n, 0n],
    [7, 0xffffn, 3n, 3n],
  ])("of ABI %i handle what that kernel knows", (abi, files, network, scopes) => {
    expect(landlockHandled(abi)).toEqual({ files, network, scopes });
  });
});
