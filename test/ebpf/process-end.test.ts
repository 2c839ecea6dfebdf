/** A process that reads a ring ends when it wants to: nothing hangs in a native call, nothing crashes. */
import { spawnSync } from "node:child_process";
import { join } from "node:path";
import { expect, test } from "vitest";

test.each([
  ["exit", 7],
  ["unref", 0],
  ["exit beside a thread", 7],
  ["terminate a thread", 7],
  ["a thread that exits", 7],
])("a process ends by %s", (way, code) => {
  const { status, signal, stderr } = spawnSync(process.execPath, [join(import.meta.dirname, "process-end.ts"), way], { encoding: "utf8" });
  expect({ status, signal, stderr }).toEqual({ status: code, signal: null, stderr: "" });
});
