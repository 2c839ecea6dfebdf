import { describe, expect, test } from "vitest";
import { bpfFileSystemPath, cgroup1Path, cgroup2Path, parseMountInfo } from "./mounts.ts";

const HYBRID = parseMountInfo(`22 1 0:20 / / rw,relatime shared:1 - ext4 /dev/vda rw
30 22 0:26 / /sys/fs/cgroup rw shared:9 - tmpfs tmpfs rw,mode=755
31 30 0:27 / /sys/fs/cgroup/memory rw,relatime shared:10 - cgroup cgroup rw,memory
32 30 0:28 / /sys/fs/cgroup/cpu rw,relatime - cgroup cgroup rw,cpu,cpuacct
33 30 0:29 /docker/1 /mnt/bound rw,relatime - cgroup2 cgroup2 rw
34 30 0:29 / /sys/fs/cgroup/unified rw,relatime shared:12 - cgroup2 cgroup2 rw
35 22 0:31 / /run/bpf\\040other rw - bpf none rw,mode=700
36 22 0:30 / /sys/fs/bpf rw,nosuid master:2 propagate_from:3 - bpf bpf rw
a line of another kind
`);

describe("mountinfo", () => {
  test("leads to the whole hierarchy of cgroup v2, also on a hybrid system", () => {
    expect(cgroup2Path(HYBRID)).toBe("/sys/fs/cgroup/unified");
  });
  test("leads to the controllers of cgroup v1", () => {
    expect([cgroup1Path("memory", HYBRID), cgroup1Path("cpuacct", HYBRID), cgroup1Path("pids", HYBRID)]).toEqual([
      "/sys/fs/cgroup/memory",
      "/sys/fs/cgroup/cpu",
      undefined,
    ]);
  });
  test("leads to the usual BPF file system before others", () => {
    expect(bpfFileSystemPath(HYBRID)).toBe("/sys/fs/bpf");
    expect(bpfFileSystemPath(parseMountInfo(""))).toBeUndefined();
  });
  test("has its optional fields and escapes read", () => {
    expect(HYBRID).toHaveLength(8);
    expect(HYBRID[6]).toEqual({
      path: "/run/bpf other",
      root: "/",
      fileSystem: "bpf",
      source: "none",
      options: ["rw"],
      superOptions: ["rw", "mode=700"],
    });
  });
});
