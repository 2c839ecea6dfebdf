import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { afterEach, expect, test } from "vitest";
import { ProcessHandle } from "../../linux/process-handle.ts";
import { SupervisedProcesses } from "./supervised-attestor.ts";

const children: ChildProcess[] = [];
afterEach(() => {
  for (const child of children.splice(0)) child.kill("SIGKILL");
});

async function started(command: string, ...args: readonly string[]): Promise<ChildProcess & { readonly pid: number }> {
  const child = spawn(command, args, { stdio: ["pipe", "pipe", "inherit"] });
  children.push(child);
  await once(child, "spawn");
  if (child.pid === undefined) throw new Error("no process");
  return Object.assign(child, { pid: child.pid });
}

function selectorsOf(processes: SupervisedProcesses, pid: number): readonly string[] {
  using process = ProcessHandle.open(pid);
  const finding = processes.attestor.attest({ process, credentials: { pid, uid: 0, gid: 0, groups: [] } });
  if (finding instanceof Promise) throw new Error("expected a finding at once");
  return finding.kind === "selectors" ? finding.selectors : [];
}

test("a process is told by its supervisor's word, until it is told of no more", async () => {
  const processes = new SupervisedProcesses(process.pid);
  const [control, other] = [await started("/bin/sleep", "600"), await started("/bin/sleep", "600")];
  expect(processes.follow([{ name: "control", pid: control.pid }])).toBe(true);
  expect(processes.follow([{ name: "control", pid: control.pid }])).toBe(false);
  expect(selectorsOf(processes, control.pid)).toEqual(["vigil:process:control"]);
  expect(selectorsOf(processes, other.pid)).toEqual([]);
  expect(processes.follow([{ name: "control", pid: 0 }])).toBe(true);
  expect(selectorsOf(processes, control.pid)).toEqual([]);
});

test("a process that somebody else started is none, whatever is said", async () => {
  const shell = await started("/bin/sh", "-c", "sleep 600 & echo $!; wait");
  const [line] = await once(shell.stdout ?? shell, "data");
  const grandchild = Number(String(line).trim());
  const processes = new SupervisedProcesses(process.pid);
  expect(processes.follow([{ name: "control", pid: grandchild }])).toBe(false);
  expect(selectorsOf(processes, grandchild)).toEqual([]);
  process.kill(grandchild, "SIGKILL");
});

test("a process that has ended is none", async () => {
  const child = await started("/bin/true");
  if (child.exitCode === null) await once(child, "exit");
  expect(new SupervisedProcesses(process.pid).follow([{ name: "control", pid: child.pid }])).toBe(false);
});
