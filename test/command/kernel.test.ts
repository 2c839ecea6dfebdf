/** `vigil kernel …`, as root and as an ordinary user. */
import { spawnSync } from "node:child_process";
import { join } from "node:path";
import { afterEach, describe, expect, test } from "vitest";
import { attachRawTracepoint } from "../../src/ebpf/kernel/attach.ts";
import { loadCollection } from "../../src/ebpf/kernel/collection.ts";
import { findPinDirectory, openPinDirectory } from "../../src/ebpf/kernel/pin-directory.ts";
import { countingProgram, hits } from "../ebpf/counting-program.ts";
import { ROOT } from "../source-tree.ts";
import { vigil } from "./run-vigil.ts";

const NOBODY = 65534;

function vigilAsNobody(...words: readonly string[]): { readonly status: number | null; readonly stdout: string; readonly stderr: string } {
  const { status, stdout, stderr } = spawnSync(process.execPath, [join(ROOT, "src/cmd/main.ts"), ...words], {
    uid: NOBODY,
    gid: NOBODY,
    env: { HOME: "/nonexistent" },
    encoding: "utf8",
  });
  return { status, stdout, stderr };
}

describe("vigil kernel show and clean", () => {
  const owner = `test-${process.pid}`;
  afterEach(() => {
    const pins = findPinDirectory();
    for (const pin of pins?.list() ?? []) if (pin.owner === owner) pins?.unpin(owner, pin.name);
  });

  test("list what is loaded with its holders, and remove what is pinned", () => {
    const spec = countingProgram(hits("kernel_test"), 0, { type: "raw_tracepoint", name: "kernel_test" });
    const collection = loadCollection({ programs: [spec] });
    const link = attachRawTracepoint(collection.program(spec), "sys_enter");
    const path = openPinDirectory().pin(link, owner, "count");

    const shown = JSON.parse(vigil(["kernel", "show", "--measure", "100ms", "--format", "json"]).stdout);
    const program = shown.programs.find(({ name }: { name: string }) => name === "kernel_test");
    expect(program).toMatchObject({ type: "raw_tracepoint", ownerUid: 0, holders: [{ pid: process.pid }] });
    expect(Number(program.runCount)).toBeGreaterThan(0);
    const linked = shown.links.find(({ programId }: { programId: number }) => programId === program.id);
    expect(linked).toMatchObject({ type: "raw_tracepoint", target: "sys_enter", holders: [{ pid: process.pid }], pins: [path] });
    expect(shown.maps.find(({ id }: { id: number }) => program.mapIds.includes(id))).toMatchObject({ name: "kernel_test", type: "array" });

    link[Symbol.dispose]();
    collection[Symbol.dispose]();
    expect(vigil(["kernel", "show"]).stdout).toContain(`pin ${owner}/count`);
    expect(vigil(["kernel", "clean", "--dry-run", owner]).stdout).toBe(`would remove link ${owner}/count\n`);
    expect(vigil(["kernel", "clean", `${owner}/count`])).toMatchObject({ status: 0, stdout: `removed link ${owner}/count\n` });
    expect(vigil(["kernel", "clean", owner])).toMatchObject({
      status: 1,
      stderr: expect.stringContaining(`nothing is pinned as \`${owner}\``),
    });
    expect(JSON.parse(vigil(["kernel", "show", "-o", "json"]).stdout).links).not.toContainEqual(expect.objectContaining({ id: linked.id }));
  });
});

describe("vigil kernel probe", () => {
  test("answers for each feature, in JSON", () => {
    const { status, stdout } = vigil(["kernel", "probe", "--format", "json"]);
    const { features, missingCapabilities } = JSON.parse(stdout);
    expect(missingCapabilities).toEqual([]);
    expect([0, 1]).toContain(status);
    expect(features).toContainEqual({ name: "hook tp_btf", usedFor: "runtime sensor, profiles", answer: "available", reason: null });
    for (const { answer, reason } of features) expect(answer === "available").toBe(reason === null);
  });

  test("says to an ordinary user what is lacking and what works all the same", () => {
    const { status, stdout, stderr } = vigilAsNobody("kernel", "probe");
    expect(status).toBe(2);
    expect(stdout).toMatch(/hook tp_btf +could not find out .*without CAP_BPF and CAP_PERFMON/);
    expect(stdout).toMatch(/types of the kernel \(BTF\) +available/);
    expect(stderr).toContain("this user lacks CAP_BPF, CAP_PERFMON, CAP_NET_ADMIN");
    expect(stderr).toContain("checking policies, admission and identity work without");
  });

  test.each(["show", "clean"])("refuses %s to an ordinary user in words", (verb) => {
    const { status, stdout, stderr } = vigilAsNobody("kernel", verb);
    expect({ status, stdout }).toEqual({ status: 2, stdout: "" });
    expect(stderr).toMatch(/^error: .*\n {2}run it as root/);
  });
});
