/** What each entry point may load, and why: a process that reaches little can be attacked through little. */
import { expect, test } from "vitest";
import { closureOf } from "./source-tree.ts";

const ENTRIES = [
  {
    entry: "src/cel/index.ts",
    folders: ["cel", "lib"],
    packages: ["node:buffer", "node:crypto", "node:zlib"],
    why: "the published compiler needs nothing else, and of these only what computes",
  },
  {
    entry: "src/spiffe/index.ts",
    folders: ["spiffe", "lib"],
    packages: ["node:crypto", "node:buffer"],
    why: "whoever verifies identities loads nothing that listens or connects",
  },
] as const;

test.each(ENTRIES)("$entry: $why", ({ entry, folders, packages }) => {
  const reached = [...closureOf(entry)];
  expect(reached.map((module) => module.path)).toContain(entry);
  expect(reached.filter((module) => !(folders as readonly string[]).includes(module.folder)).map((module) => module.path)).toEqual([]);
  const foreign = new Set(reached.flatMap((module) => module.packages));
  expect([...foreign].filter((name) => !(packages as readonly string[]).includes(name))).toEqual([]);
});
