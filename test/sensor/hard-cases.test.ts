/** What is rare or hostile: numbers that are used again, processes that end while they are looked at, rings that are full, names that lie. */
import { spawn, spawnSync } from "node:child_process";
import { once } from "node:events";
import { chmodSync, copyFileSync, mkdtempSync, rmSync, statSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, expect, test } from "vitest";
import { vigil } from "../command/run-vigil.ts";
import { PretendedContainer, watch } from "./sensor-fixture.ts";

let directory: string;
beforeAll(() => {
  directory = mkdtempSync(join(tmpdir(), "vigil-hard-"));
});
afterAll(() => rmSync(directory, { recursive: true }));

const LAST_PID = "/proc/sys/kernel/ns_last_pid";

/** Starts the program until it gets the number, which others may take first. */
async function withNumber(pid: number): Promise<void> {
  for (let attempt = 0; attempt < 200; attempt++) {
    writeFileSync(LAST_PID, String(pid - 1));
    const child = spawn("/bin/echo", [`attempt ${attempt}`], { stdio: "ignore" });
    await once(child, "exit");
    if (child.pid === pid) return;
  }
  throw new Error(`expected to get the number ${pid}`);
}

test("a number that is used again is another process, with its own parent and start", { timeout: 60_000 }, async () => {
  using watched = watch();
  // Ends after its parent, whose number is then free.
  const shell = spawn("/bin/sh", ["-c", "(exec /usr/bin/perl -e 'sleep 60') & echo $!"], { stdio: ["ignore", "pipe", "ignore"] });
  const orphan = Number(await new Promise((resolve) => shell.stdout?.once("data", (data) => resolve(String(data)))));
  await once(shell, "exit");
  const pid = shell.pid ?? 0;
  const first = await watched.until("the shell", ({ type, caller }) => type === "execve" && caller.pid === pid);
  try {
    await withNumber(pid);
    const second = await watched.until(
      "the other",
      ({ type, caller }) => type === "execve" && caller.pid === pid && caller.name === "echo",
    );
    expect(second.caller.execId).not.toBe(first.caller.execId);
    expect(second.caller.startNs).toBeGreaterThan(first.caller.startNs);
    expect(second.caller.parent?.pid).toBe(process.pid);
    // The child of the first is none of the second.
    expect(watched.sensor.table.find(orphan)?.parent?.execId).not.toBe(second.caller.execId);
  } finally {
    process.kill(orphan, "SIGKILL");
  }
});

test("processes that end while they are read do no harm, and lack what could not be read", { timeout: 60_000 }, async () => {
  const storm = spawn("/bin/sh", ["-c", "while :; do /bin/true; done"], { stdio: "ignore" });
  try {
    for (let round = 0; round < 5; round++) {
      using watched = watch();
      await watched.until("a short process", ({ type, caller }) => type === "execve" && caller.parent?.pid === storm.pid);
      const told = watched.events.filter(({ type, caller }) => type === "execve" && caller.parent?.pid === storm.pid);
      for (const { caller } of told) expect(caller.exePath).toMatch(/\/true$/);
    }
  } finally {
    storm.kill("SIGKILL");
  }
});

test("of what a full ring has no room for, exactly as much is counted", { timeout: 60_000 }, async () => {
  using container = new PretendedContainer("f00d".padEnd(64, "0"));
  const cgroup = statSync(container.path, { bigint: true }).ino;
  /** In one go: this process reads nothing meanwhile. */
  const opened = (ringBytes: number): { readonly told: number; readonly lost: number } => {
    using watched = watch({ calls: ["openat"], ringBytes });
    watched.sensor.limitCalls([cgroup]);
    // Until then, what others open was told, too.
    watched.sensor.drain();
    const before = { events: watched.events.length, lost: watched.sensor.counts.losses.file };
    const enter = 'echo $$ > "$0/cgroup.procs"; exec "$@"';
    spawnSync("/bin/sh", ["-c", enter, container.path, "/usr/bin/perl", "-e", "open(F, '<', '/etc/hostname') for 1..3000"]);
    watched.sensor.drain();
    const told = watched.events.slice(before.events).filter(({ type }) => type === "openat").length;
    return { told, lost: watched.sensor.counts.losses.file - before.lost };
  };
  const whole = opened(1 << 24);
  expect(whole.lost).toBe(0);
  expect(whole.told).toBeGreaterThan(3_000);
  const part = opened(1 << 14);
  expect(part.lost).toBeGreaterThan(2_000);
  expect(part.told + part.lost).toBe(whole.told);
});

test("no name or argument of a program steers the terminal of who watches", { timeout: 60_000 }, async () => {
  const hostile = join(directory, "ev\u001b]0;title\u0007il");
  copyFileSync("/bin/sleep", hostile);
  chmodSync(hostile, 0o755);
  const acting = setInterval(() => spawnSync(hostile, ["0", "\u001b[2J\u009b31m\u202e"]), 300);
  const child = spawn(process.execPath, ["src/cmd/main.ts", "runtime", "watch", "--duration", "4s"], {
    env: { PATH: process.env["PATH"], NO_COLOR: "1" },
  });
  let output = "";
  child.stdout.on("data", (data) => {
    output += data;
  });
  await once(child, "exit");
  clearInterval(acting);
  expect(output).toContain("ev\\u001b]0;title\\u0007il");
  expect(output).toContain("\\u001b[2J");
  expect(output).not.toMatch(/\p{Cc}(?<!\n)/u);
  expect(vigil(["runtime", "trace", "0"]).status).toBe(2);
});
