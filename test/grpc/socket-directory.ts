/** A directory for the unix sockets of a test file. */
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll } from "vitest";

/** Gives a new path each time. The directory is removed after all tests of the file that calls this. */
export function socketPaths(): () => string {
  const directory = mkdtempSync(join(tmpdir(), "vigil-grpc-"));
  afterAll(() => rmSync(directory, { recursive: true, force: true }));
  let count = 0;
  return () => join(directory, `${count++}.sock`);
}
