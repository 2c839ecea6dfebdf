/** `vigil run`: what a confined program gets from, and gives to, whoever started it. */
import { spawn, spawnSync } from "node:child_process";
import { chmodSync, cpSync, existsSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { cgroup2Path } from "../../src/linux/mounts.ts";
import { ROOT } from "../source-tree.ts";
import { runConfined } from "./confined-program.ts";
import { runVigil } from "./recorded-program.ts";

let directory: string;
beforeAll(() => {
  directory = mkdtempSync("/var/tmp/vigil-run-");
  chmodSync(directory, 0o777);
});
afterAll(() => rmSync(directory, { recursive: true, force: true }));

const shell = (line: string): readonly string[] => ["/bin/sh", "-c", line];

describe("how a program ends", () => {
  test.each([
    ["exit 0", { kind: "exited", code: 0 }],
    ["exit 7", { kind: "exited", code: 7 }],
    ["exit 125", { kind: "exited", code: 125 }],
    ["kill -SEGV $$", { kind: "killed", signal: "SIGSEGV", number: 11 }],
    ["kill -KILL $$", { kind: "killed", signal: "SIGKILL", number: 9 }],
  ])("`%s` is told", async (line, end) => {
    expect((await runConfined(shell(line))).end).toEqual(end);
  });

  test("is passed on by the command", async () => {
    expect((await runVigil(["run", "--", "sh", "-c", "exit 42"])).code).toBe(42);
    expect((await runVigil(["run", "--", "sh", "-c", "kill -TERM $$"])).code).toBe(143);
    expect((await runVigil(["run", "--", "no-such-program"])).code).toBe(125);
  });

  test.each(["SIGTERM", "SIGINT", "SIGHUP", "SIGUSR1"] as const)("%s reaches it, and it may handle it", async (signal) => {
    const line = `trap 'echo got ${signal}; exit 3' ${signal.slice(3)}; echo ready; while :; do sleep 0.05; done`;
    const { end, output } = await runConfined(shell(line), {
      whileRunning: async (kill, untilSaid) => {
        await untilSaid("ready");
        kill(signal);
      },
    });
    expect(end).toEqual({ kind: "exited", code: 3 });
    expect(output).toContain(`got ${signal}`);
  });

  test("orphans are reaped, and end with it", async () => {
    const { output } = await runConfined(shell("(sleep 600 &) ; (sleep 0.1 &) ; sleep 0.3; ls /proc | grep -c '^[0-9]'"));
    // init, the shell, one sleep, ls and grep: the other sleep was reaped.
    expect(Number(output)).toBeLessThanOrEqual(5);
    const unified = cgroup2Path() ?? "";
    expect(readdirSync(join(unified, "vigil")).filter((name) => name.startsWith("test-"))).toEqual([]);
  });

  test("with Vigil it ends as well, even if that is killed", async () => {
    const mark = `sleep 98${process.pid}`;
    const vigil = spawn(process.execPath, [join(ROOT, "src/cmd/main.ts"), "run", "--", "sh", "-c", `echo ready; ${mark}`], {
      stdio: ["ignore", "pipe", "ignore"],
    });
    for await (const chunk of vigil.stdout) if (String(chunk).includes("ready")) break;
    const running = (): number => spawnSync("pgrep", ["-f", `^${mark}`], { encoding: "utf8" }).stdout.trim().length;
    while (running() === 0) await new Promise((resolve) => setTimeout(resolve, 20));
    vigil.kill("SIGKILL");
    while (running() > 0) await new Promise((resolve) => setTimeout(resolve, 20));
    expect(running()).toBe(0);
  });
});

describe("what it may use", () => {
  test("a writable path, and what it writes there stays; what it writes to /tmp is gone", async () => {
    await runConfined(shell(`echo kept > ${directory}/kept; echo gone > /tmp/vigil-gone`), { writable: [directory] });
    expect(readFileSync(join(directory, "kept"), "utf8")).toBe("kept\n");
    expect(existsSync("/tmp/vigil-gone")).toBe(false);
  });
  test("a path in a private directory that is brought back, to read", async () => {
    writeFileSync(join(directory, "given"), "given");
    const line = `cat ${directory}/given; echo x > ${directory}/given && echo written`;
    expect((await runConfined(shell(line))).output).toBe("");
    expect((await runConfined(shell(line), { readable: [directory] })).output).toBe("given");
  });
  test("a capability that it keeps, within its namespaces only", async () => {
    const { output } = await runConfined(shell("grep CapEff /proc/self/status; hostname changed 2>&1"), {
      capabilities: ["net_bind_service"],
    });
    expect(output).toMatch(/CapEff:\s+0000000000000400/);
    expect(output).toContain("hostname:");
  });
  test("another user, when root starts it", async () => {
    expect((await runConfined(shell("id -u; id -g; id -G"), { identity: { uid: 1234, gid: 567 } })).output).toBe("1234\n567\n567\n");
  });
  test("the devices that are safe, and pseudo terminals", async () => {
    const code =
      "import os, pty; os.close(pty.openpty()[0]); open('/dev/null', 'w').write('x'); print(len(os.urandom(4)), sorted(os.listdir('/dev')))";
    const { output } = await runConfined(["/usr/bin/python3", "-c", code]);
    expect(output).toContain(
      "4 ['fd', 'full', 'null', 'ptmx', 'pts', 'random', 'shm', 'stderr', 'stdin', 'stdout', 'tty', 'urandom', 'zero']",
    );
  });
  test.each([
    [{ capabilities: ["flying"] }, "CONFINE_CAPABILITY"],
    [{ writable: ["/nowhere"] }, "CONFINE_PATH"],
    [{ writable: ["/"] }, "CONFINE_PATH"],
    [{ writable: ["/proc/sys"] }, "CONFINE_PATH"],
    [{ readable: ["/dev"] }, "CONFINE_PATH"],
  ])("what is not there is refused: %j", async (confinement, code) => {
    await expect(runConfined(shell("true"), confinement)).rejects.toMatchObject({ code });
  });
  test("a terminal: it is one inside, and Ctrl-C reaches the program once", async () => {
    const program = `import os, signal, sys, time
got = []
signal.signal(signal.SIGINT, lambda *_: got.append(1))
print("tty" if os.isatty(0) else "none", flush=True)
time.sleep(1.5)
print("interrupts", len(got), flush=True)`;
    const outer = `import os, pty, sys, time
pid, fd = pty.fork()
if pid == 0: os.execv(sys.argv[1], sys.argv[1:])
seen = b""
while b"interrupts 0" not in seen and b"interrupts 1" not in seen:
    try: chunk = os.read(fd, 1000)
    except OSError: break
    seen += chunk
    if b"tty" in chunk: os.write(fd, b"\\x03")
sys.stdout.buffer.write(seen)`;
    const vigil = [process.execPath, join(ROOT, "src/cmd/main.ts"), "run", "--", "/usr/bin/python3", "-c", program];
    const { stdout } = spawnSync("/usr/bin/python3", ["-c", outer, ...vigil], { encoding: "utf8" });
    expect(stdout).toContain("tty");
    expect(stdout).toContain("interrupts 1");
  });
});

describe("Landlock", () => {
  test("without a profile lets it read and run everything, and write only what is its own", async () => {
    const line = `cat /etc/hostname > /tmp/copy && echo copied; echo x > ${directory}/landlock && echo written`;
    const { output } = await runConfined(shell(line), { usesLandlock: true });
    expect(output).toBe("copied\n");
  });
  test("with a profile that has paths lets root use only these", { timeout: 30_000 }, async () => {
    const profile = join(directory, "paths.json");
    const recorded = await runVigil(["profile", "record", "--paths", "--output", profile, "--", "/bin/cat", "/etc/hostname"]);
    expect(recorded.code).toBe(0);
    const run = (file: string): ReturnType<typeof runVigil> =>
      runVigil(["run", "--profile", profile, "--landlock", "--", "/bin/cat", file]);
    expect(await run("/etc/hostname")).toMatchObject({ code: 0, output: readFileSync("/etc/hostname", "utf8") });
    const shadow = await run("/etc/shadow");
    expect(shadow.code).toBe(1);
    expect(shadow.notes).toContain("Permission denied");
  });
  test("refuses a profile without paths, which could not load anything", { timeout: 30_000 }, async () => {
    const profile = join(directory, "no-paths.json");
    await runVigil(["profile", "record", "--output", profile, "--", "/bin/true"]);
    const { code, notes } = await runVigil(["run", "--profile", profile, "--landlock", "--", "/bin/true"]);
    expect(code).toBe(125);
    expect(notes).toContain("record it with --paths");
  });
});

describe("an ordinary user", () => {
  const NOBODY = 65_534;
  /** The checkout may lie where other users cannot read. */
  let copy: string;
  beforeAll(() => {
    copy = join(directory, "checkout");
    mkdirSync(copy);
    cpSync(join(ROOT, "src"), join(copy, "src"), { recursive: true });
    cpSync(join(ROOT, "package.json"), join(copy, "package.json"));
    cpSync(join(ROOT, "node_modules/koffi"), join(copy, "node_modules/koffi"), { recursive: true, dereference: true });
    if (existsSync(join(ROOT, "node_modules/@koromix")))
      cpSync(join(ROOT, "node_modules/@koromix"), join(copy, "node_modules/@koromix"), { recursive: true, dereference: true });
  });
  const asNobody = (...words: readonly string[]): { status: number | null; stdout: string; stderr: string } => {
    const node = join(copy, "node");
    if (!existsSync(node)) cpSync(process.execPath, node);
    return spawnSync(node, [join(copy, "src/cmd/main.ts"), ...words], {
      uid: NOBODY,
      gid: NOBODY,
      cwd: "/",
      env: { PATH: "/usr/bin:/bin", HOME: "/nonexistent", TMPDIR: directory },
      encoding: "utf8",
    });
  };

  test("runs programs confined, and is told what limits could not be had", { timeout: 30_000 }, () => {
    const { status, stdout, stderr } = asNobody(
      "run",
      "--memory",
      "64",
      "--",
      "sh",
      "-c",
      "id -u; ls -A /tmp; cat /proc/self/uid_map; touch /etc/x; exit 6",
    );
    expect(status).toBe(6);
    expect(stdout.replaceAll(/ +/g, " ")).toBe("65534\n 65534 65534 1\n");
    expect(stderr).toContain("without a limit of memory");
    expect(stderr).toContain("Read-only file system");
  });
  test("records and verifies by asking at each call, and is told so", { timeout: 30_000 }, () => {
    const profile = join(directory, "nobody.json");
    const recorded = asNobody("profile", "record", "--output", profile, "--", "/bin/ls", "/");
    expect(recorded).toMatchObject({ status: 0 });
    expect(recorded.stderr).toContain("without CAP_BPF");
    expect(asNobody("profile", "verify", profile, "--", "/bin/ls", "/")).toMatchObject({ status: 0 });
    const other = asNobody("profile", "verify", profile, "--", "/usr/bin/python3", "-c", "import socket; socket.socket()");
    expect(other.status).toBe(1);
    expect(other.stderr).toContain("different calls beyond the profile");
  });
});
