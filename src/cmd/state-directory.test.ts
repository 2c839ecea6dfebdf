import { chmodSync, cpSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { type Migration, openStateDirectory } from "./state-directory.ts";

const FIXTURES = join(import.meta.dirname, "../../test/data/state");

let parent: string;
let path: string;
beforeEach(() => {
  parent = mkdtempSync(join(tmpdir(), "vigil-state-"));
  path = join(parent, "state");
});
afterEach(() => rmSync(parent, { recursive: true, force: true }));

const formatOf = (directory: string): number => JSON.parse(readFileSync(join(directory, "state.json"), "utf8")).format;
const refusal = (migrations?: readonly Migration[]) => expect(openStateDirectory(path, migrations)).rejects;

describe("a state directory", () => {
  test("is made private, and keeps the name of its installation", async () => {
    const first = await openStateDirectory(path);
    first.release();
    const second = await openStateDirectory(path);
    second.release();
    expect(statSync(path).mode & 0o777).toBe(0o700);
    expect(second.installation).toBe(first.installation);
  });

  test("is used by one Vigil at a time", async () => {
    const first = await openStateDirectory(path);
    await refusal().toMatchObject({ code: "STATE_IN_USE", message: expect.stringContaining(String(process.pid)) });
    first.release();
    (await openStateDirectory(path)).release();
  });

  test("becomes private again when others could read it", async () => {
    (await openStateDirectory(path)).release();
    chmodSync(path, 0o755);
    (await openStateDirectory(path)).release();
    expect(statSync(path).mode & 0o777).toBe(0o700);
  });

  test("is refused when others could have written into it", async () => {
    mkdirSync(path);
    chmodSync(path, 0o777);
    await refusal().toMatchObject({ code: "STATE_INSECURE" });
  });

  test("is refused, untouched, when it holds something else", async () => {
    mkdirSync(path, { mode: 0o755 });
    writeFileSync(join(path, "thesis.tex"), "");
    await refusal().toMatchObject({ code: "STATE_FOREIGN" });
    expect(readdirSync(path)).toEqual(["thesis.tex"]);
    expect(statSync(path).mode & 0o777).toBe(0o755);
  });

  test("is refused when it is a file", async () => {
    writeFileSync(path, "");
    await refusal().toMatchObject({ code: "STATE_UNUSABLE" });
  });

  test("is refused where no directory can be made", async () => {
    path = "/proc/vigil/state";
    await refusal().toMatchObject({ code: "STATE_UNUSABLE" });
  });

  test.each(["", "[]", "{}", '{"format":"1","installation":"x"}'])("is refused when its description is `%s`", async (text) => {
    mkdirSync(path);
    writeFileSync(join(path, "state.json"), text);
    await refusal().toMatchObject({ code: "STATE_UNUSABLE" });
  });
});

describe("the format of a state directory", () => {
  test.each(readdirSync(FIXTURES))("%s, written by an older Vigil, opens", async (fixture) => {
    cpSync(join(FIXTURES, fixture), path, { recursive: true });
    const state = await openStateDirectory(path);
    state.release();
    expect(state.installation).toBe("5a1f6c1e-3f53-4b0e-9d0c-4f3a0f6f1d11");
  });

  test("is migrated step by step, once", async () => {
    cpSync(join(FIXTURES, "format-1"), path, { recursive: true });
    const ran: number[] = [];
    const migrations = [1, 2].map((from) => ({ from, run: () => void ran.push(from) }));
    (await openStateDirectory(path, migrations)).release();
    (await openStateDirectory(path, migrations)).release();
    expect(ran).toEqual([1, 2]);
    expect(formatOf(path)).toBe(3);
  });

  test("goes on after a migration that was interrupted", async () => {
    cpSync(join(FIXTURES, "format-1"), path, { recursive: true });
    const fail = (): never => {
      throw new Error("no space left");
    };
    await expect(
      openStateDirectory(path, [
        { from: 1, run: () => {} },
        { from: 2, run: fail },
      ]),
    ).rejects.toThrow("no space left");
    expect(formatOf(path)).toBe(2);
    (
      await openStateDirectory(path, [
        { from: 1, run: fail },
        { from: 2, run: () => {} },
      ])
    ).release();
    expect(formatOf(path)).toBe(3);
  });

  test("is refused when it is newer than this Vigil", async () => {
    (await openStateDirectory(path, [{ from: 1, run: () => {} }])).release();
    await refusal([]).toMatchObject({ code: "STATE_TOO_NEW" });
  });
});
