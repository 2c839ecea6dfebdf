import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import fc from "fast-check";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import type { Part } from "../../test/supervision/actor.ts";
import { type ProcessNews, type ProcessSpec, pauseMs } from "./supervised-process.ts";
import { RESTART, Supervisor } from "./supervisor.ts";

let folder: string;
let supervisor: Supervisor | undefined;
let news: ProcessNews[];
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), "vigil-supervisor-"));
  news = [];
  minMs = 10;
});
afterEach(async () => {
  await supervisor?.stop();
  rmSync(folder, { recursive: true, force: true });
});

const diary = (): readonly string[] => readFileSync(join(folder, "diary"), "utf8").trim().split("\n");
const parts = (): readonly string[] => diary().filter((line) => !line.includes("hears"));

let minMs = 10;

function supervise(...roles: readonly (readonly [name: string, part: Part["part"]])[]): Supervisor {
  const specs = roles.map(([name, part]): ProcessSpec => {
    const settings = { name, part, diary: join(folder, "diary") };
    const entry = new URL("../../test/supervision/actor.ts", import.meta.url);
    return {
      name,
      entry,
      settings,
      readyWithinMs: part === "never ready" ? 500 : 20_000,
      drainWithinMs: part === "will not end" ? 200 : 20_000,
    };
  });
  supervisor = new Supervisor(specs, (item) => news.push(item), { ...RESTART, minMs, maxMs: minMs * 4 });
  return supervisor;
}

async function until(isTrue: () => boolean): Promise<void> {
  while (!isTrue()) await new Promise((resolve) => setTimeout(resolve, 10));
}

describe("the supervisor", () => {
  test("starts processes in order, and drains them in reverse", async () => {
    const both = supervise(["first", "works"], ["second", "works"]);
    expect((await both.start()).map((report) => report.on[0]?.what)).toEqual(["first", "second"]);
    expect(both.status.map(({ state }) => state)).toEqual(["ready", "ready"]);
    await until(() => diary().includes("first hears ready,ready"));
    await both.stop();
    expect(parts()).toEqual(["first starts", "second starts", "second drains", "first drains"]);
    expect(both.status).toMatchObject(Array(2).fill({ state: "ended", pid: 0 }));
  });

  test("passes on why a process refuses to start, and drains those before it", async () => {
    const failing = supervise(["first", "works"], ["second", "refuses"], ["third", "works"]);
    await expect(failing.start()).rejects.toMatchObject({ code: "PROCESS_REFUSED", message: "port 1 is taken", hint: "use another" });
    expect(parts()).toEqual(["first starts", "second starts", "first drains"]);
  });

  test.each([
    ["crashes early", "PROCESS_ENDED"],
    ["never ready", "PROCESS_NOT_READY"],
  ] as const)("gives up on a process that %s at the first start", async (part, code) => {
    await expect(supervise(["only", part]).start()).rejects.toMatchObject({ code });
    expect(supervisor?.status[0]).toMatchObject({ state: "ended" });
  });

  test("starts a process again that is killed, and counts", async () => {
    const one = supervise(["only", "works"]);
    await one.start();
    const before = one.status[0]?.pid ?? 0;
    process.kill(before, "SIGKILL");
    await until(() => one.status[0]?.state === "ready" && one.status[0].pid !== before);
    expect(one.status[0]?.failures).toBe(1);
    expect(news).toContainEqual({ kind: "lost", name: "only", reason: "was ended by SIGKILL", againInMs: expect.any(Number) });
  });

  test("ends a process that does not end in time", async () => {
    const stuck = supervise(["only", "will not end"]);
    await stuck.start();
    const pid = stuck.status[0]?.pid ?? 0;
    await stuck.stop();
    expect(() => process.kill(pid, 0)).toThrow("ESRCH");
  });

  test("does not start a process again once it has been stopped", async () => {
    minMs = 60_000;
    const one = supervise(["only", "works"]);
    await one.start();
    process.kill(one.status[0]?.pid ?? 0, "SIGKILL");
    await until(() => one.status[0]?.state === "waiting");
    await one.stop();
    expect(parts()).toEqual(["only starts"]);
  });
});

test("pauses double from the first to the longest, and only their last quarter is random", () => {
  const pause = fc.record({ failures: fc.integer({ min: 1, max: 1_000 }), random: fc.double({ min: 0, max: 0.999, noNaN: true }) });
  fc.assert(
    fc.property(pause, ({ failures, random }) => {
      const ceiling = Math.min(30_000, 1_000 * 2 ** (failures - 1));
      const pauseOf = pauseMs(failures, { ...RESTART, random: () => random });
      expect(pauseOf).toBeGreaterThanOrEqual(0.75 * ceiling);
      expect(pauseOf).toBeLessThanOrEqual(ceiling);
    }),
  );
});
