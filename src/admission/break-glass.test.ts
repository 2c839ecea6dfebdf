import { mkdtempSync, readdirSync, rmSync, statSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, expect, test } from "vitest";
import type { ActionFields } from "../event/producer.ts";
import { BreakGlass, MAX_BREAK_GLASS_MS } from "./break-glass.ts";

const HOUR_MS = 60 * 60 * 1000;
const START_MS = Date.UTC(2026, 0, 1);

let directory = "";
let nowMs = START_MS;
let reports: ActionFields[] = [];
beforeEach(() => {
  directory = mkdtempSync(join(tmpdir(), "vigil-glass-"));
  nowMs = START_MS;
  reports = [];
});
afterEach(() => rmSync(directory, { recursive: true, force: true }));

async function loaded(): Promise<BreakGlass> {
  const glass = new BreakGlass({ path: join(directory, "break-glass.json"), nowMs: () => nowMs, report: (action) => reports.push(action) });
  await glass.load();
  return glass;
}
const REQUEST = { openedBy: "uid 0 (root)", reason: "api server upgrade", durationMs: HOUR_MS };
const reported = (): readonly string[] => reports.map(({ action, outcome }) => `${action}: ${outcome}`);

test("it opens for its time, survives a restart, and ends by itself", async () => {
  const glass = await loaded();
  expect(glass.state()).toBeUndefined();
  expect(await glass.open(REQUEST)).toMatchObject({ ok: true });
  expect(statSync(join(directory, "break-glass.json")).mode & 0o777).toBe(0o600);
  const again = await loaded();
  nowMs += HOUR_MS - 1;
  expect(again.state()).toEqual({
    openedBy: REQUEST.openedBy,
    reason: REQUEST.reason,
    openedAtMs: START_MS,
    expiresAtMs: START_MS + HOUR_MS,
  });
  nowMs += 1;
  expect(again.state()).toBeUndefined();
  expect(again.state()).toBeUndefined();
  expect(reported()).toEqual(["open break-glass: done", "close break-glass: done"]);
  expect((await loaded()).state()).toBeUndefined();
});

test("closing is at once and for good", async () => {
  const glass = await loaded();
  await glass.open(REQUEST);
  expect(await glass.close("uid 0")).toMatchObject({ ok: true });
  expect(glass.state()).toBeUndefined();
  expect(readdirSync(directory)).toEqual([]);
  expect(await glass.close("uid 0")).toMatchObject({ ok: true });
  expect(reported()).toEqual(["open break-glass: done", "close break-glass: done"]);
});

test.each([
  ["no reason", { ...REQUEST, reason: "  " }, "BREAK_GLASS_REASON"],
  ["too long a reason", { ...REQUEST, reason: "x".repeat(501) }, "BREAK_GLASS_REASON"],
  ["more than four hours", { ...REQUEST, durationMs: MAX_BREAK_GLASS_MS + 1 }, "BREAK_GLASS_DURATION"],
  ["no time at all", { ...REQUEST, durationMs: 0 }, "BREAK_GLASS_DURATION"],
  ["a duration that is no number", { ...REQUEST, durationMs: Number.NaN }, "BREAK_GLASS_DURATION"],
])("it stays whole for %s", async (_, request, code) => {
  const glass = await loaded();
  expect(await glass.open(request)).toMatchObject({ ok: false, error: { code } });
  expect(glass.state()).toBeUndefined();
});

test("what cannot be written is not in force", async () => {
  const glass = await loaded();
  rmSync(directory, { recursive: true });
  expect(await glass.open(REQUEST)).toMatchObject({ ok: false, error: { code: "BREAK_GLASS_STATE" } });
  expect(glass.state()).toBeUndefined();
});

test.each([
  ["is damaged", "{"],
  ["is no object", "7"],
  ["lacks a reason", JSON.stringify({ openedBy: "x", openedAtMs: START_MS, expiresAtMs: START_MS + 1 })],
  ["has times that are no numbers", JSON.stringify({ openedBy: "x", reason: "y", openedAtMs: "0", expiresAtMs: "1" })],
  [
    "claims more than four hours",
    JSON.stringify({ openedBy: "x", reason: "y", openedAtMs: START_MS, expiresAtMs: START_MS + MAX_BREAK_GLASS_MS + 1 }),
  ],
  ["begins in the future", JSON.stringify({ openedBy: "x", reason: "y", openedAtMs: START_MS + 1, expiresAtMs: START_MS + 2 })],
])("a file that %s leaves it whole and is reported", async (_, text) => {
  writeFileSync(join(directory, "break-glass.json"), text);
  expect((await loaded()).state()).toBeUndefined();
  expect(reported()).toEqual(["open break-glass: refused"]);
});

test("a file that expired while Vigil was down leaves it whole", async () => {
  const glass = await loaded();
  await glass.open(REQUEST);
  nowMs += 2 * HOUR_MS;
  expect((await loaded()).state()).toBeUndefined();
});
