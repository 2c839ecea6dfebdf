import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { ProcessHandle } from "../../linux/process-handle.ts";
import { cgroupAttestor, launchedAttestor } from "./launched-attestor.ts";
import {
  launchedCgroup,
  parseWorkloadText,
  readLaunchNotes,
  removeLaunchNote,
  workloadOfCgroup,
  workloadOfDirectory,
  writeLaunchNote,
} from "./launched-workload.ts";

const INSTANCE = "0123456789ab";

test.each([
  ["orders", { namespace: "default", name: "orders" }],
  ["shop/orders", { namespace: "shop", name: "orders" }],
  ["a/b/c", undefined],
  ["", undefined],
  ["shop/", undefined],
  ["../orders", undefined],
  ["shop/..", undefined],
  ["shop/a~b", undefined],
  ["shop/a b", undefined],
  [`shop/${"a".repeat(101)}`, undefined],
])("%j is the workload %j", (text, expected) => expect(parseWorkloadText(text)).toEqual(expected));

describe("the cgroup of a launched workload", () => {
  const orders = { namespace: "shop", name: "orders" };

  test("says which it is, to the installation that made it and to no other", () => {
    const line = (path: string): string => `12:pids:/x\n0::/${path}\n`;
    const own = launchedCgroup(INSTANCE, orders);
    expect(workloadOfCgroup(line(`${own}/run-1.0`), INSTANCE)).toEqual(orders);
    expect(workloadOfCgroup(line(own), INSTANCE)).toEqual(orders);
    expect(workloadOfCgroup(line(own), "ba9876543210")).toBeUndefined();
    // Whoever may make cgroups below one that was delegated cannot make this one.
    for (const prefix of ["user.slice/", "../", "system.slice/x.service/"])
      expect(workloadOfCgroup(line(`${prefix}${own}`), INSTANCE)).toBeUndefined();
    expect(workloadOfCgroup("1:name=systemd:/vigil", INSTANCE)).toBeUndefined();
  });

  test.each(["shop", "shop~", "~orders", "a~b~c", "..~x"])("%j is no directory of one", (name) =>
    expect(workloadOfDirectory(name)).toBeUndefined(),
  );
});

describe("notes of launched processes", () => {
  let directory: string;
  beforeEach(() => {
    directory = mkdtempSync(join(tmpdir(), "vigil-notes-"));
  });
  afterEach(() => rmSync(directory, { recursive: true }));

  const attest = async (): Promise<readonly string[]> => {
    using handle = ProcessHandle.open(process.pid);
    const attestor = launchedAttestor({ instance: INSTANCE, notesDirectory: directory, isAgentInContainer: false });
    const found = await attestor.attest({ process: handle, credentials: { pid: process.pid, uid: 0, gid: 0, groups: [] } });
    return found.kind === "selectors" ? found.selectors : [];
  };

  test("give a process and those that it started the workload, as long as it is that process", async () => {
    expect(await attest()).toEqual(["vigil:launched:no"]);
    using parent = ProcessHandle.open(process.ppid);
    const note = { namespace: "shop", name: "orders", pid: parent.pid, startTicks: parent.startTicks };
    writeLaunchNote(directory, note);
    expect(readLaunchNotes(directory)).toEqual(new Map([[parent.pid, note]]));
    expect(await attest()).toEqual(["vigil:workload:shop/orders"]);
    // The number was taken over by another process.
    writeLaunchNote(directory, { ...note, startTicks: parent.startTicks - 1n });
    expect(await attest()).toEqual(["vigil:launched:no"]);
    removeLaunchNote(directory, parent.pid);
    expect(readLaunchNotes(directory)).toEqual(new Map());
  });

  test.each(["{", "[]", "{}", `{"namespace":"..","name":"x","startTicks":"1"}`, `{"namespace":"a","name":"b","startTicks":"-1"}`])(
    "that are damaged say nothing: %j",
    (text) => {
      writeFileSync(join(directory, `${process.pid}.json`), text);
      expect(readLaunchNotes(directory)).toEqual(new Map());
    },
  );

  test("are not looked for where nobody has noted anything", () => expect(readLaunchNotes(join(directory, "nothing"))).toEqual(new Map()));
});

test("a process is in its cgroup and in each above it", () => {
  using handle = ProcessHandle.open(process.pid);
  const facts = { process: handle, credentials: { pid: process.pid, uid: 0, gid: 0, groups: [] } };
  expect(cgroupAttestor({ isAgentInContainer: true }).attest(facts)).toEqual({ kind: "none" });
  const named = { read: () => "0::/system.slice/web.service/worker\n" } as unknown as ProcessHandle;
  expect(cgroupAttestor({ isAgentInContainer: false }).attest({ ...facts, process: named })).toEqual({
    kind: "selectors",
    selectors: ["cgroup:path:/system.slice", "cgroup:path:/system.slice/web.service", "cgroup:path:/system.slice/web.service/worker"],
  });
  const foreign = { read: () => "0::/../../other\n" } as unknown as ProcessHandle;
  expect(cgroupAttestor({ isAgentInContainer: false }).attest({ ...facts, process: foreign })).toEqual({ kind: "none" });
});
