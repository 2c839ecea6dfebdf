/** What is done to processes that rules have found. */
import { spawn } from "node:child_process";
import { once } from "node:events";
import { readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { expect, test } from "vitest";
import { readBootClock } from "../../src/sensor/boot-clock.ts";
import type { Detection, DetectionAction } from "../../src/sensor/detector.ts";
import { respond } from "../../src/sensor/response.ts";
import { PretendedContainer, watch } from "./sensor-fixture.ts";

const detection = (action: DetectionAction, { pid, startNs, cgroupId }: Omit<Detection, "action" | "finding">): Detection => ({
  action,
  pid,
  startNs,
  cgroupId,
  // Nothing is done by what the finding says.
  finding: {} as Detection["finding"],
});

test("a process is killed, another one with its number is not", async () => {
  const clock = readBootClock();
  using watched = watch({ clock });
  const child = spawn("/bin/sleep", ["60"]);
  const { caller } = await watched.until("sleep", ({ type, caller: { pid } }) => type === "execve" && pid === child.pid);
  const context = { bootNs: clock.bootNs, pathOf: () => "" };
  const other = { ...caller, startNs: caller.startNs - 60_000_000_000n };
  expect(respond(detection("kill", other), context)).toMatchObject({ outcome: "done", message: `process ${caller.pid} had ended` });
  expect(child.exitCode).toBeNull();
  const ended = once(child, "exit");
  expect(respond(detection("kill", caller), context)).toEqual({ outcome: "done", message: `killed process ${caller.pid}` });
  expect(await ended).toEqual([null, "SIGKILL"]);
  expect(respond(detection("alert", caller), context)).toBeUndefined();
});

test("a cgroup is frozen; the own process and the root are left alone", async () => {
  const clock = readBootClock();
  using container = new PretendedContainer("f0".repeat(32));
  using watched = watch({ clock });
  const child = spawn("/bin/sleep", ["60"]);
  container.add(child.pid ?? 0);
  const { sensor } = watched;
  const { caller } = await watched.until("sleep", ({ type, caller: { pid } }) => type === "execve" && pid === child.pid);
  sensor.drain();
  const process_ = sensor.table.find(caller.pid) ?? caller;
  expect(process_.container.id).toBe("f0f0f0f0f0f0");
  const context = { bootNs: clock.bootNs, pathOf: (id: string) => sensor.cgroups.pathOf(id) };
  expect(respond(detection("freeze", process_), context)).toMatchObject({ outcome: "done" });
  expect(readFileSync(join(container.path, "cgroup.freeze"), "utf8").trim()).toBe("1");
  writeFileSync(join(container.path, "cgroup.freeze"), "0");
  const ended = once(child, "exit");
  child.kill("SIGKILL");
  await ended;
  const own = sensor.table.find(process.pid) ?? caller;
  expect(respond(detection("kill", own), context)).toMatchObject({ outcome: "refused" });
  expect(respond(detection("freeze", own), { ...context, pathOf: () => "/" })).toMatchObject({ outcome: "refused" });
});
