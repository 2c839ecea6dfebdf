/** What comes by different rings is judged in the order in which it happened. */
import { chmodSync, copyFileSync, mkdtempSync, rmSync } from "node:fs";
import { join } from "node:path";
import { setTimeout as pause } from "node:timers/promises";
import { afterAll, beforeAll, expect, test } from "vitest";
import { run, watch } from "./sensor-fixture.ts";

let directory: string;
let program: string;
beforeAll(() => {
  directory = mkdtempSync("/opt/vigil-order-");
  chmodSync(directory, 0o755);
  program = join(directory, "escalate");
  copyFileSync("/bin/true", program);
  chmodSync(program, 0o4755);
});
afterAll(() => rmSync(directory, { recursive: true }));

/** As many rules would: what is read of files falls behind what happens. */
function think(): void {
  const until = performance.now() + 0.05;
  while (performance.now() < until);
}

const ROUNDS = 300;
/** One process that opens files as root, becomes nobody, starts a program that makes it root, and becomes root again: two rings tell of it in turns. */
const ESCALATE =
  `for my $n (1..${ROUNDS}) { open(F, '<', '/etc/hostname') for 1..20; $< = 65534; $> = 65534;` +
  "my $c = fork; exec($ARGV[0], $n) if !$c; waitpid($c, 0); $> = 0; $< = 0 }";

test(`${ROUNDS} programs that become root are each told with who started them`, { timeout: 60_000 }, async () => {
  const told = new Map<string, { readonly uid: number; readonly euid: number; readonly parentEuid: number | undefined }>();
  using watched = watch({
    calls: ["openat", "setuid", "setgid", "setreuid", "setregid", "setresuid", "setresgid"],
    // As rules see it: later, the parent is what it has become.
    onEvent: ({ type, caller: { exePath, args, uid, euid, parent } }) => {
      if (type === "openat") think();
      if (type === "execve" && exePath === program) told.set(args[0] ?? "", { uid, euid, parentEuid: parent?.euid });
    },
  });
  await run("/usr/bin/perl", ["-e", ESCALATE, program]);
  for (let attempt = 0; attempt < 100 && told.size < ROUNDS; attempt++) {
    watched.sensor.drain();
    await pause(50);
  }
  const expected = { uid: 65_534, euid: 0, parentEuid: 65_534 };
  expect([...told].filter(([, found]) => JSON.stringify(found) !== JSON.stringify(expected))).toEqual([]);
  expect(told.size).toBe(ROUNDS);
});
