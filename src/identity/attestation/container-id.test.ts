import { existsSync, readFileSync } from "node:fs";
import { join } from "node:path";
import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { findContainer } from "./container-id.ts";

const DATA = join(import.meta.dirname, "../../../test/data/spiffe/containerinfo");
const ID = "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef";
const OTHER = "fedcba98765432100123456789abcdef0123456789abcdef0123456789abcdef";
const POD = "00000000-1111-2222-3333-444444444444";

function sample(folder: string): { cgroup: string; mountinfo: () => string } {
  const read = (name: string): string => {
    const path = join(DATA, folder, "proc/123", name);
    return existsSync(path) ? readFileSync(path, "utf8") : "";
  };
  return { cgroup: read("cgroup"), mountinfo: () => read("mountinfo") };
}

const find = (cgroup: string, isAgentInContainer = false): unknown =>
  findContainer({ cgroup, mountinfo: () => expect.unreachable("mounts say nothing here"), isAgentInContainer });

describe("public samples, seen by an agent in a container", () => {
  test.each([
    ["docker/v1", { containerId: ID }],
    ["docker/v2", { containerId: ID }],
    ["docker/tmpfs-empty-source", { containerId: ID }],
    ["docker/cgroup-mount-at-slash/v1", { containerId: ID }],
    ["docker/cgroup-mount-at-slash/v2", { containerId: ID }],
    ["k8s/v1", { containerId: ID, podUid: POD }],
    ["k8s/v2", { containerId: ID, podUid: POD }],
    ["k8s/pod-uid-override", { containerId: ID, podUid: POD }],
    ["other/cgroup-primary", { containerId: ID }],
    ["other/mountinfo-fallback", { containerId: ID, podUid: POD }],
    // A container that has mounted the control group of another: what it mounted is not believed.
    ["other/mountinfo-impersonation", { containerId: ID }],
  ])("%s", (folder, facts) => {
    expect(findContainer({ ...sample(folder), isAgentInContainer: true })).toEqual({ kind: "container", facts });
  });

  test.each(["docker/no-cgroup-mount", "k8s/no-cgroup-mount", "other/malformed", "does-not-exist"])("%s has none", (folder) => {
    expect(findContainer({ ...sample(folder), isAgentInContainer: true })).toEqual({ kind: "none" });
  });

  test.each([
    ["docker/container-id-conflict", /several containers/],
    ["k8s/container-id-conflict", /several containers/],
    ["k8s/pod-uid-conflict", /several pods/],
  ])("%s contradicts itself", (folder, message) => {
    expect(findContainer({ ...sample(folder), isAgentInContainer: true })).toEqual({
      kind: "contradiction",
      message: expect.stringMatching(message),
    });
  });
});

describe("an agent on the machine itself", () => {
  test("believes no mount: any user can arrange them in a namespace of their own", () => {
    expect(findContainer({ ...sample("other/mountinfo-fallback"), isAgentInContainer: false })).toEqual({ kind: "none" });
  });

  test.each([
    ["docker with cgroupfs", `12:pids:/docker/${ID}\n0::/docker/${ID}\n`, { containerId: ID }],
    ["docker with systemd", `0::/system.slice/docker-${ID}.scope\n`, { containerId: ID }],
    ["hybrid, where one hierarchy shows the runtime", `3:cpu:/docker/${ID}\n0::/system.slice/containerd.service\n`, { containerId: ID }],
    [
      "containerd",
      `0::/kubepods.slice/kubepods-pod${POD.replaceAll("-", "_")}.slice/cri-containerd-${ID}.scope`,
      { containerId: ID, podUid: POD },
    ],
    [
      "containerd with colons",
      `0::/system.slice/containerd.service/kubepods-besteffort-pod${POD}.slice:cri-containerd:${ID}`,
      { containerId: ID, podUid: POD },
    ],
    [
      "cri-o",
      `0::/kubepods.slice/kubepods-burstable.slice/kubepods-burstable-pod${POD.replaceAll("-", "_")}.slice/crio-${ID}.scope/container`,
      { containerId: ID, podUid: POD },
    ],
    ["podman of root", `0::/machine.slice/libpod-${ID}.scope/container`, { containerId: ID }],
    [
      "podman of a user",
      `0::/user.slice/user-1000.slice/user@1000.service/user.slice/libpod-${ID}.scope/container`,
      { containerId: ID, rootlessUid: 1000 },
    ],
    ["upper-case digits", `0::/docker/${ID.toUpperCase()}`, { containerId: ID }],
  ])("%s", (_name, cgroup, facts) => {
    expect(find(cgroup)).toEqual({ kind: "container", facts });
  });

  test("refuses a container that makes a control group named like another's within its own", () => {
    expect(find(`0::/system.slice/docker-${ID}.scope/docker-${OTHER}.scope`)).toMatchObject({ kind: "contradiction" });
    expect(find(`0::/docker/${ID}/kubepods/pod${POD}/${OTHER}`)).toMatchObject({ kind: "contradiction" });
  });

  test("refuses a service that makes a control group named like a container's", () => {
    expect(find(`0::/system.slice/web.service/docker-${ID}.scope`)).toMatchObject({
      kind: "contradiction",
      message: expect.stringContaining("web.service"),
    });
  });

  test("refuses a process that is in different containers by different hierarchies", () => {
    expect(find(`2:cpu:/docker/${ID}\n1:memory:/docker/${OTHER}\n`)).toMatchObject({ kind: "contradiction" });
  });

  test("says of what a user named that it is that user's", () => {
    const forged = `0::/user.slice/user-1000.slice/user@1000.service/kubepods-pod${POD}.slice/cri-containerd-${ID}.scope`;
    expect(find(forged)).toMatchObject({ facts: { rootlessUid: 1000 } });
  });

  test.each(["", "0::/", "0::/user.slice/user-0.slice/session-1.scope", "garbage", "0::/docker/0123", `0::/docker/${ID}00`])(
    "%j is in no container",
    (cgroup) => {
      expect(find(cgroup)).toEqual({ kind: "none" });
    },
  );
});

test("answers whatever it is given", () => {
  const part = fc.oneof(
    fc.string(),
    fc.constantFrom(ID, OTHER, `pod${POD}`, "..", "/", " - cgroup2 x", "user@7.service", "a.service", "0::/", "\n"),
  );
  fc.assert(
    fc.property(
      fc.array(part).map((parts) => parts.join("")),
      fc.array(part).map((parts) => parts.join("")),
      fc.boolean(),
      (cgroup, mounts, isAgentInContainer) => {
        expect(["container", "none", "contradiction"]).toContain(
          findContainer({ cgroup, mountinfo: () => mounts, isAgentInContainer }).kind,
        );
      },
    ),
  );
});
