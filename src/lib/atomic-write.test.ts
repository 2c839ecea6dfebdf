import { chmodSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, expect, test } from "vitest";
import { writeFileAtomic } from "./atomic-write.ts";

let directory = "";
beforeEach(() => {
  directory = mkdtempSync(join(tmpdir(), "vigil-atomic-"));
});
afterEach(() => rmSync(directory, { recursive: true }));

test("the file holds the new content under the given mode, and nothing else is left", async () => {
  const path = join(directory, "state");
  writeFileSync(path, "old");
  chmodSync(path, 0o644);
  await writeFileAtomic(path, "new", 0o600);
  expect(readFileSync(path, "utf8")).toBe("new");
  expect(statSync(path).mode & 0o777).toBe(0o600);
  expect(readdirSync(directory)).toEqual(["state"]);
});

test("concurrent writers leave one of the contents, whole", async () => {
  const path = join(directory, "state");
  const contents = Array.from({ length: 8 }, (_, index) => String(index).repeat(100_000));
  await Promise.all(contents.map((content) => writeFileAtomic(path, content)));
  expect(contents).toContain(readFileSync(path, "utf8"));
  expect(readdirSync(directory)).toEqual(["state"]);
});

test("a failed write leaves what was there and no temporary file", async () => {
  const path = join(directory, "taken");
  mkdirSync(path);
  await expect(writeFileAtomic(path, "new")).rejects.toMatchObject({ code: expect.stringMatching(/^E/) });
  expect(readdirSync(directory)).toEqual(["taken"]);
});
