/**
 * The checklist of escapes: each is tried for real by a program that `vigil run` started as root, the strongest that it can start. The same
 * attempts outside of the confinement are what root may do anyway.
 */
import { spawn, spawnSync } from "node:child_process";
import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { createServer } from "node:net";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { architecture } from "../../src/linux/native.ts";
import { SYSCALL_NAMES, type SyscallName, syscallNumber } from "../../src/linux/syscall-numbers.ts";
import { DEFAULT_PROFILE } from "../../src/target/seccomp/default-profile.ts";
import { EMPTY_PROFILE } from "../../src/target/seccomp/profile.ts";
import { type Attempt, runConfined } from "./confined-program.ts";

const PYTHON = "/usr/bin/python3";
/** A filter that refuses nothing, so that what refuses is the rest of the confinement. */
const ALL_CALLS = {
  ...EMPTY_PROFILE,
  name: "all",
  calls: SYSCALL_NAMES.toSorted().map((name) => ({ name, reasons: ["seen" as const], alternatives: [] })),
};

const number = (name: SyscallName): number => syscallNumber(name, architecture()) ?? -1;

/** What a call answered inside: `EPERM`, or `ok`. */
async function calling(name: SyscallName, args: string, attempt: Attempt = {}): Promise<string> {
  const script = `
import ctypes, errno
libc = ctypes.CDLL(None, use_errno=True)
libc.syscall.restype = ctypes.c_long
result = libc.syscall(ctypes.c_long(${number(name)}), ${args})
print("ok" if result >= 0 else errno.errorcode[ctypes.get_errno()])`;
  const { output, errors } = await runConfined([PYTHON, "-c", script], attempt);
  return output.trim() === "" ? errors : output.trim();
}

async function shell(line: string, attempt: Attempt = {}): Promise<string> {
  const { output, errors } = await runConfined(["/bin/sh", "-c", line], attempt);
  return `${output}${errors}`;
}

let directory: string;
beforeAll(() => {
  if (process.getuid?.() !== 0) throw new Error("these tests need root, which is who could escape");
  directory = mkdtempSync("/tmp/vigil-escape-");
  writeFileSync(join(directory, "secret"), "of the host");
});
afterAll(() => rmSync(directory, { recursive: true, force: true }));

describe.each([
  ["with the filter", undefined],
  ["without the filter", ALL_CALLS],
])("%s", (_, profile) => {
  const attempt = { profile };

  test.each<[SyscallName, string]>([
    ["mount", '0, b"/mnt", b"tmpfs", 0, 0'],
    ["mount", '0, b"/", 0, 32, 0'],
    ["umount2", 'b"/proc", 2'],
    ["pivot_root", 'b"/tmp", b"/tmp"'],
    ["chroot", 'b"/tmp"'],
    ["init_module", 'b"", 0, b""'],
    ["kexec_load", "0, 0, 0, 0"],
    ["reboot", "0xfee1dead, 672274793, 0x1234, 0"],
    ["settimeofday", "0, 0"],
    ["sethostname", 'b"x", 1'],
    ["swapon", 'b"/tmp/x", 0'],
    ["setns", "0, 0x20000"],
    ["mknodat", '-100, b"/tmp/disk", 0o60600, 0xfe00'],
    ["setuid", "4242"],
    ["open_by_handle_at", "3, b'12345678901234567890', 0"],
  ])("%s(%s) is refused", async (name, args) => {
    expect(await calling(name, args, attempt)).toMatch(/^(EPERM|EACCES|EBADF|EINVAL|ENOSYS)$/);
  });

  test("a process of the host can be neither seen, killed, nor traced", async () => {
    const host = spawn("sleep", ["600"]);
    try {
      const pid = host.pid ?? 0;
      expect(await shell(`ls -d /proc/${pid} && echo seen`, attempt)).not.toContain("seen");
      expect(await calling("kill", `${pid}, 9`, attempt)).toBe("ESRCH");
      expect(await calling("ptrace", `16, ${pid}, 0, 0`, attempt)).toMatch(/^(EPERM|ESRCH)$/);
      expect(host.exitCode).toBeNull();
    } finally {
      host.kill("SIGKILL");
    }
  });

  test("the init of its namespaces can be neither killed nor traced, nor its memory written", async () => {
    expect(await shell("kill -9 1; sleep 0.1; echo alive", attempt)).toContain("alive");
    expect(await calling("ptrace", "16, 1, 0, 0", attempt)).toBe("EPERM");
    expect(
      await shell("head -c 1 /proc/1/mem && echo read; cat /proc/1/environ && echo read; readlink /proc/1/fd/0 && echo read", attempt),
    ).not.toContain("read\n");
  });

  test("switches of the kernel cannot be turned", async () => {
    const before = readFileSync("/proc/sys/kernel/core_pattern", "utf8");
    const tried = await shell(
      "echo x > /proc/sys/kernel/core_pattern && echo written; echo b > /proc/sysrq-trigger && echo written",
      attempt,
    );
    expect(tried).not.toContain("written");
    expect(readFileSync("/proc/sys/kernel/core_pattern", "utf8")).toBe(before);
    expect(
      await shell("echo 1 > /sys/fs/cgroup/unified/cgroup.procs && echo written; mkdir /sys/fs/cgroup/unified/x && echo written", attempt),
    ).not.toContain("written");
  });

  test("no capability is there, and none can be had", async () => {
    const status = await shell("grep -E '^(Cap|NoNewPrivs)' /proc/self/status", attempt);
    expect(status.match(/^Cap\w+:\s+0{16}$/gm)).toHaveLength(5);
    expect(status).toMatch(/^NoNewPrivs:\s+1$/m);
    expect(await calling("capset", "(ctypes.c_uint32*2)(0x20080522,0), (ctypes.c_uint32*6)(0xffffffff,0xffffffff,0,0,0,0)", attempt)).toBe(
      "EPERM",
    );
    // A set-user-ID program stays who it was: su would be root.
    expect(await shell("/bin/su nobody -s /bin/sh -c id 2>&1; /bin/sh -c 'grep CapEff /proc/self/status'", attempt)).toMatch(
      /CapEff:\s+0{16}/,
    );
  });

  test("its files are its own: /tmp of the host is not there, and nothing of the machine can be written", async () => {
    expect(await shell(`cat ${directory}/secret; ls -A /tmp`, attempt)).not.toContain("of the host");
    const places = ["/", "/etc", "/usr", "/root", "/var/lib", "/sys", "/boot", "/home", "/opt"].map((place) => `${place}/vigil-escape`);
    expect(await shell(places.map((place) => `echo x > ${place} && echo written`).join("; "), attempt)).not.toContain("written\n");
    expect(places.filter((place) => existsSync(place))).toEqual([]);
  });

  test("another network cannot be reached", async () => {
    const server = createServer((socket) => {
      socket.on("error", () => undefined).end("host");
    }).listen(0, "127.0.0.1");
    await new Promise((resolve) => server.once("listening", resolve));
    const address = server.address();
    const port = typeof address === "object" && address !== null ? address.port : 0;
    const connect = `import socket; socket.create_connection(("127.0.0.1", ${port}), 2); print("connected")`;
    try {
      const inside = await runConfined([PYTHON, "-c", connect], attempt);
      expect(inside.errors).toContain("refused");
      const outside = await runConfined([PYTHON, "-c", connect], { ...attempt, network: "host" });
      expect(outside.output).toContain("connected");
    } finally {
      server.close();
    }
    // An abstract socket of the host belongs to the host's network.
    expect(await shell("cat /proc/net/unix | wc -l", attempt)).toMatch(/^[1-9]\n$/);
  });

  test("nothing that was open in Vigil is open in it", async () => {
    expect((await shell("ls /proc/self/fd | tr '\\n' ' '", attempt)).trim()).toBe("0 1 2 3");
  });
});

describe("with the filter", () => {
  test.each<[SyscallName, string]>([
    ["bpf", "0, 0, 0"],
    ["keyctl", "0, -3, 0"],
    ["add_key", 'b"user", b"x", b"y", 1, -3'],
    ["unshare", "0x10000000"],
    ["perf_event_open", "0, 0, 0, 0, 0"],
    ["userfaultfd", "0"],
    ["clone", "0x10000011, 0, 0, 0, 0"],
    ["socket", "17, 3, 0"],
    ["process_vm_readv", "1, 0, 0, 0, 0, 0"],
    ["syslog", "2, 0, 0"],
    ["ptrace", "0, 0, 0, 0"],
  ])("%s(%s) is refused", async (name, args) => {
    expect(await calling(name, args)).toBe("EPERM");
  });

  test.each<[SyscallName, string]>([
    ["clone3", "0, 0"],
    ["io_uring_setup", "1, 0"],
  ])("%s(%s) does not succeed", async (name, args) => {
    expect(await calling(name, args)).toMatch(/^(ENOSYS|EPERM)$/);
  });

  test("typing into the terminal that started it is refused before the terminal is asked", async () => {
    expect(await calling("ioctl", '0, 0x5412, b"x"')).toBe("EPERM");
    expect(await calling("ioctl", '0, 0x5413, b"12345678"')).toBe("ENOTTY");
  });

  test("32-bit calls, whose numbers mean others, kill the program", async () => {
    if (architecture() !== "x64") throw new Error("the test is written for x86-64");
    const source = `
int main(void) { int result; __asm__ volatile ("int $0x80" : "=a"(result) : "a"(20)); return result > 0 ? 0 : 1; }`;
    const program = join(directory, "compat");
    expect(spawnSync("gcc", ["-x", "c", "-o", program, "-"], { input: source }).status).toBe(0);
    expect((await runConfined([program])).end).toEqual({ kind: "killed", signal: "SIGSYS", number: 31 });
  });

  test("its own profile says what the filter has", () => {
    expect(DEFAULT_PROFILE.calls.some(({ name }) => name === "bpf")).toBe(false);
  });
});

describe("limits", () => {
  test("a fork bomb stops at the limit of processes, and nothing of it is left", async () => {
    const bomb = `
import os, time
count = 0
try:
    while True:
        if os.fork() == 0: time.sleep(600)
        count += 1
except OSError as error: print(count, error.strerror)`;
    const { output } = await runConfined([PYTHON, "-c", bomb], { limits: { processes: 20 } });
    expect(output).toMatch(/^1\d Resource temporarily unavailable/);
  });

  test("a program that takes too much memory is killed, and Vigil is not", async () => {
    const hog = "b = []\nwhile True: b.append(bytearray(b'x') * 4_000_000)";
    const { end } = await runConfined([PYTHON, "-c", hog], { limits: { memoryBytes: 64 * 1024 * 1024 } });
    expect(end).toEqual({ kind: "killed", signal: "SIGKILL", number: 9 });
  });

  test("a private directory holds no more than it may", async () => {
    const filled = await shell("head -c 20000000 /dev/zero > /tmp/x; wc -c < /tmp/x", { temporaryBytes: 4 * 1024 * 1024 });
    expect(filled).toContain("No space left");
    expect(filled).toContain("4194304");
  });
});
