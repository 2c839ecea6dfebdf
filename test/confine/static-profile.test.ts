/** Profiles that are made without running the program: it works under them, and they leave out most of what there is. */
import { execFileSync } from "node:child_process";
import { mkdtempSync, readFileSync, rmSync, truncateSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import fc from "fast-check";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { profileStatically } from "../../src/confine/static-profile.ts";
import { parseElf } from "../../src/target/static/elf-file.ts";
import { findReachableCalls } from "../../src/target/static/reachable-calls.ts";
import { runVigil } from "./recorded-program.ts";

let directory: string;
beforeAll(() => {
  directory = mkdtempSync("/var/tmp/vigil-static-");
});
afterAll(() => rmSync(directory, { recursive: true, force: true }));

const names = (path: string): readonly string[] => profileStatically(path).profile.calls.map(({ name }) => name);

test.each([
  [["/bin/date"]],
  [["/bin/cat", "/etc/hostname"]],
  [["/bin/ls", "-l", "/"]],
  [["/bin/busybox", "ls", "-l", "/"]],
  [["/usr/bin/curl", "-s", "-o", "/dev/null", "file:///etc/hostname"]],
])("%j works under what its code may call", { timeout: 30_000 }, async (command) => {
  const [program = ""] = command;
  const file = join(directory, "generated.json");
  expect((await runVigil(["profile", "generate", "--static", "--output", file, program])).code).toBe(0);
  const { output } = await runVigil(["profile", "verify", "--format", "json", file, "--", ...command]);
  expect(JSON.parse(output.slice(output.indexOf("{\n")))).toMatchObject({ violations: [], exitCode: 0 });
});

test("a program that only prints may not open sockets or start others", { timeout: 30_000 }, () => {
  expect(names("/bin/cat")).not.toContain("socket");
  expect(names("/bin/cat")).not.toContain("execve");
  expect(names("/usr/bin/curl")).toContain("socket");
});

test("calls on paths that are never taken, and through `syscall()`, are found", { timeout: 30_000 }, () => {
  const source = `#include <unistd.h>
#include <sys/syscall.h>
#include <sys/mount.h>
int main(int argc, char **argv) { if (argc > 5) return umount2(argv[1], 0); if (argc == 3) return syscall(SYS_kexec_load, 0, 0, 0, 0); return 0; }`;
  const program = join(directory, "rare");
  execFileSync("gcc", ["-O2", "-x", "c", "-o", program, "-"], { input: source });
  expect(names(program)).toEqual(expect.arrayContaining(["umount2", "kexec_load"]));
});

describe("files from strangers", () => {
  test("that are no programs are refused", () => {
    const script = join(directory, "script");
    writeFileSync(script, "#!/bin/sh\n");
    expect(() => profileStatically(script)).toThrow("it is no ELF file");
    expect(() => profileStatically("/nowhere")).toThrow("cannot look through `/nowhere`");
  });
  test("that are damaged never end the search badly", { timeout: 60_000 }, () => {
    const cut = join(directory, "cut");
    writeFileSync(cut, readFileSync("/bin/true"));
    truncateSync(cut, 10_000);
    expect(() => profileStatically(cut)).not.toThrow();
    const original = readFileSync("/bin/true");
    fc.assert(
      fc.property(
        fc.array(fc.tuple(fc.nat(original.length - 1), fc.nat(255)), { minLength: 1, maxLength: 20 }),
        fc.nat(1),
        (changes, headers) => {
          const bytes = Buffer.from(original);
          for (const [at, value] of changes) bytes[headers === 1 ? at % 1024 : at] = value;
          const elf = parseElf(bytes);
          if (elf.ok) findReachableCalls([elf.value]);
        },
      ),
      { numRuns: 60 },
    );
  });
});
