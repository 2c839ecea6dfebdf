/** The process half of the sensor in the running kernel: what is hostile, what is refused, what is lost. */
import { spawnSync } from "node:child_process";
import { chmodSync, copyFileSync, existsSync, mkdirSync, mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, expect, test, vi } from "vitest";
import { findHolders, objectKey } from "../../src/ebpf/kernel/holders.ts";
import { readKernelBtf } from "../../src/ebpf/kernel/kernel-btf.ts";
import { listLinks } from "../../src/ebpf/kernel/object-info.ts";
import { run, watch } from "./sensor-fixture.ts";

let directory: string;
beforeAll(() => {
  directory = mkdtempSync(join(tmpdir(), "vigil-sensor-"));
});
afterAll(() => rmSync(directory, { recursive: true }));

const ofThisTest = (event: { readonly caller: { readonly parent: { readonly pid: number } | null } }): boolean =>
  event.caller.parent?.pid === process.pid;

test("a program is told with its path, arguments, directory, parent and end", async () => {
  using watched = watch();
  spawnSync("/bin/sh", ["-c", "exit 3", "a b", "\u001b[31m"], { cwd: directory });
  const started = await watched.until("a shell", (event) => event.type === "execve" && ofThisTest(event));
  const { caller } = started;
  expect(caller.exePath).toMatch(/^\/(usr\/)?bin\//);
  expect(caller.args).toEqual(["-c", "exit 3", "a b", "\u001b[31m"]);
  expect(caller.cwd).toBe(directory);
  expect(started.args["filename"]).toBe("/bin/sh");
  expect(caller.parent?.pid).toBe(process.pid);
  const ended = await watched.until("its end", (event) => event.type === "procexit" && event.caller.pid === caller.pid);
  expect(ended.args).toMatchObject({ ret: 3, sig: 0 });
  expect(ended.caller.execId).toBe(caller.execId);
});

test("arguments that are no text keep their octets, and long ones are cut", async () => {
  using watched = watch();
  spawnSync("/bin/sh", ["-c", `exec /bin/true "$(printf 'a\\377b')" ${"x".repeat(100_000)}`]);
  const { caller } = await watched.until("true", (event) => event.type === "execve" && event.caller.name === "true" && ofThisTest(event));
  expect(caller.args[0]).toBe("a\\xffb");
  expect(caller.argsText.length).toBeGreaterThan(3900);
  expect(caller.argsText.length).toBeLessThanOrEqual(4096);
});

test("a path of nearly 4 KB is told, and its deepest part where it is longer", async () => {
  using watched = watch({ calls: ["openat", "open", "mkdir"] });
  const name = "d".repeat(200);
  let at = directory;
  while (at.length + name.length < 3_700) {
    at = join(at, name);
    mkdirSync(at);
  }
  const program = join(at, "deep");
  copyFileSync("/bin/true", program);
  chmodSync(program, 0o755);
  spawnSync(program);
  const { caller } = await watched.until("the deep program", (event) => event.type === "execve" && event.caller.name === "deep");
  expect(caller.exePath).toBe(program);
});

test("a file that is refused dies before its first instruction, under any name, and others do not", async () => {
  using watched = watch();
  const refused = join(directory, "refused");
  copyFileSync("/bin/echo", refused);
  chmodSync(refused, 0o755);
  expect(watched.sensor.setRefused([refused, join(directory, "absent")])).toEqual([join(directory, "absent")]);
  const first = spawnSync(refused, ["out"]);
  expect(first.signal).toBe("SIGKILL");
  expect(first.stdout.length).toBe(0);
  expect(spawnSync("/bin/echo", ["out"]).stdout.toString()).toBe("out\n");
  watched.sensor.setRefused([]);
  expect(spawnSync(refused, ["out"]).stdout.toString()).toBe("out\n");
  watched.sensor.drain();
  expect(watched.sensor.counts.refused).toBe(1);
});

test("nothing below a directory that is refused is started, however deep and whenever it was put there", () => {
  using watched = watch();
  const marker = join(directory, "marker");
  const below = join(directory, "below");
  const deep = join(below, "a", "b");
  mkdirSync(deep, { recursive: true });
  const beside = join(directory, "beside");
  copyFileSync("/usr/bin/touch", beside);
  expect(watched.sensor.setRefused([below])).toEqual([]);
  const program = join(deep, "touch");
  copyFileSync("/usr/bin/touch", program);
  const ended = spawnSync(program, [marker]);
  expect(ended.signal).toBe("SIGKILL");
  expect(existsSync(marker)).toBe(false);
  expect(spawnSync(beside, [marker]).status).toBe(0);
  expect(existsSync(marker)).toBe(true);
  watched.sensor.drain();
  const event = watched.events.find(({ type, caller }) => type === "execve" && caller.exePath === program);
  expect(event?.args["refused"]).toBe(1);
});

test("many short processes are all told, and each has its parent", async () => {
  using watched = watch();
  const count = 2_000;
  await run("/bin/sh", ["-c", `i=0; while [ $i -lt ${count} ]; do i=$((i+1)); /bin/true; done`]);
  watched.sensor.drain();
  const ours = watched.events.filter(
    ({ type, caller }) => type === "execve" && caller.name === "true" && caller.parent?.parent?.pid === process.pid,
  );
  expect(ours).toHaveLength(count);
  expect(new Set(ours.map(({ caller }) => caller.execId)).size).toBe(count);
  expect(watched.sensor.counts.losses.process).toBe(0);
});

test("losses that are told at the end leave no work behind", () => {
  vi.useFakeTimers({ toFake: ["setTimeout", "clearTimeout"] });
  try {
    const losses: number[] = [];
    {
      using _watched = watch({ ringBytes: 4096, onLoss: (_ring, count) => losses.push(count) });
      for (let number = 0; number < 20; number++) spawnSync("/bin/true");
    }
    expect(losses.length).toBeGreaterThan(0);
    expect(vi.getTimerCount()).toBe(0);
  } finally {
    vi.useRealTimers();
  }
});

test("what a full ring has no room for is counted exactly", () => {
  const losses: number[] = [];
  using watched = watch({ ringBytes: 1 << 12, onLoss: (_ring, count) => losses.push(count) });
  // Nothing is read meanwhile: this process waits.
  const count = 200;
  spawnSync("/bin/sh", ["-c", `i=0; while [ $i -lt ${count} ]; do i=$((i+1)); /bin/true; done`]);
  watched.sensor.drain();
  const told = watched.events.length;
  const lost = watched.sensor.counts.losses.process;
  expect(lost).toBeGreaterThan(0);
  // Each of them is forked, is started and ends; others on this machine only add to it.
  expect(told + lost).toBeGreaterThanOrEqual(3 * count);
});

test("nothing stays attached, and calls only while they are wanted", () => {
  // Other sensors may run on this machine.
  const links = (): number => {
    const holders = findHolders();
    return listLinks().filter(({ id }) => holders.get(objectKey("link", id))?.some(({ pid }) => pid === process.pid)).length;
  };
  const before = links();
  {
    using watched = watch();
    const processes = links();
    expect(processes).toBeGreaterThan(before);
    watched.sensor.watchCalls(["openat"]);
    const withExit = links();
    expect(withExit).toBe(processes + 1);
    watched.sensor.watchCalls(["unlinkat"]);
    expect(links()).toBe(processes + 2);
    watched.sensor.watchCalls([]);
    expect(links()).toBe(processes);
  }
  expect(links()).toBe(before);
});

test("the reader is never told of its own calls", async () => {
  using watched = watch({ calls: ["openat", "open"], btf: readKernelBtf() });
  for (let index = 0; index < 20; index++) copyFileSync("/bin/true", join(directory, "own"));
  await run("/bin/cat", ["/etc/hostname"]);
  await watched.until("cat", (event) => event.type === "openat" && event.fd?.name === "/etc/hostname");
  expect(watched.events.filter(({ type, caller }) => type === "openat" && caller.pid === process.pid)).toEqual([]);
});
