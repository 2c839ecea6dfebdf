/** The stable rules of Falco, as they are shipped, against what they are about: done for real, in a harmless way. */
import { chmodSync, copyFileSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as pause } from "node:timers/promises";
import { afterAll, beforeAll, expect, test } from "vitest";
import { compileRules } from "../../src/falco/compile.ts";
import { loadRules } from "../../src/falco/rule-set.ts";
import { readValues } from "../../src/resource/document.ts";
import { Detector } from "../../src/sensor/detector.ts";
import { containerOf, PretendedContainer, run, type Watched, watch } from "./sensor-fixture.ts";

const RULES = join(import.meta.dirname, "../data/falco/falco_rules.yaml");
const rules = compileRules(loadRules(readValues(readFileSync(RULES, "utf8"), "falco_rules.yaml").documents), { includes: () => true });
const API_SERVER = "127.0.0.99";
/** Whatever else happens on this machine has room, too. */
const RING_BYTES = 1 << 24;
const NOT_PRIVATE = "203.0.113.1";
const SYS = { memfd_create: 319, ptrace: 101, init_module: 175 } as const;

let directory: string;
let container: PretendedContainer;
let watched: Watched;

/** A copy of a program under another name: rules look at names. */
const named = (name: string, program: string, folder = directory): string => {
  const path = join(folder, name);
  copyFileSync(program, path);
  chmodSync(path, 0o755);
  return path;
};
const perl = (code: string, name = "perl"): readonly [string, readonly string[]] => [
  name === "perl" ? "/usr/bin/perl" : named(name, "/usr/bin/perl"),
  ["-e", code],
];
const inContainer = (program: string, args: readonly string[]): Promise<number> => run(program, args, { cgroup: container.path });
const SOCKET = "use Socket; socket(S, AF_INET, SOCK_STREAM, 0);";

interface Behaviour {
  readonly rule: string;
  readonly act: () => Promise<unknown>;
}

const BEHAVIOURS: readonly Behaviour[] = [
  { rule: "Directory traversal monitored file read", act: () => run("/bin/cat", ["../../../../../../../etc/passwd"], { cwd: "/tmp" }) },
  {
    rule: "Read sensitive file trusted after startup",
    act: () => run(...perl("sleep 6; open(F, '<', '/etc/shadow')", "nginx")),
  },
  { rule: "Read sensitive file untrusted", act: () => run("/bin/cat", ["/etc/shadow"]) },
  {
    rule: "Run shell untrusted",
    act: () => run(...perl("my $pid = fork; exec('/bin/sh', '-c', ':') if !$pid; waitpid($pid, 0)", "httpd")),
  },
  {
    rule: "System user interactive",
    act: () => run(...perl("$> = $< = 33; my $p = fork; exec('/usr/bin/id') if !$p; waitpid($p, 0)", "sshd")),
  },
  {
    rule: "Terminal shell in container",
    act: () => inContainer(named("runc", "/usr/bin/script"), ["-qec", ":", "/dev/null"]),
  },
  {
    rule: "Contact K8S API Server From Container",
    act: () => inContainer(...perl(`${SOCKET} connect(S, sockaddr_in(443, inet_aton('${API_SERVER}')))`)),
  },
  {
    rule: "Netcat Remote Code Execution in Container",
    act: () => inContainer(named("nc", "/bin/true"), ["-e", "/bin/sh", "127.0.0.1", "1"]),
  },
  { rule: "Search Private Keys or Passwords", act: () => run("/usr/bin/find", [directory, "-maxdepth", "0", "-name", "id_rsa"]) },
  { rule: "Clear Log Activities", act: () => run(...perl(`open(F, '>', '${join(directory, "auth.log")}')`)) },
  { rule: "Remove Bulk Data from Disk", act: () => run(named("shred", "/bin/true"), []) },
  { rule: "Create Symlink Over Sensitive Files", act: () => run("/bin/ln", ["-s", "/etc/shadow", join(directory, "soft")]) },
  { rule: "Create Hardlink Over Sensitive Files", act: () => run(...perl(`link('/etc/shadow', '${join(directory, "hard")}')`)) },
  { rule: "Packet socket created in container", act: () => inContainer(...perl("socket(S, 17, 3, 0)", "sniffer")) },
  {
    rule: "Redirect STDOUT/STDIN to Network Connection in Container",
    act: () =>
      inContainer(
        ...perl(
          "use Socket; use POSIX; socket(L, AF_INET, SOCK_STREAM, 0); bind(L, sockaddr_in(0, INADDR_LOOPBACK)); listen(L, 1);" +
            "my ($port) = sockaddr_in(getsockname(L)); socket(S, AF_INET, SOCK_STREAM, 0); connect(S, sockaddr_in($port, INADDR_LOOPBACK));" +
            "POSIX::dup2(fileno(S), 1);",
        ),
      ),
  },
  { rule: "Linux Kernel Module Injection Detected", act: () => inContainer(...perl(`syscall(${SYS.init_module}, 0, 0, 0)`, "loader")) },
  { rule: "Debugfs Launched in Privileged Container", act: () => inContainer(named("debugfs", "/bin/true"), []) },
  {
    rule: "Detect release_agent File Container Escapes",
    act: () => inContainer(...perl(`open(F, '>', '${join(directory, "release_agent")}')`)),
  },
  {
    rule: "PTRACE attached to process",
    act: () =>
      run(
        ...perl(`my $p = fork; if (!$p) { sleep 30; exit } syscall(${SYS.ptrace}, 16, $p, 0, 0); kill 9, $p; waitpid($p, 0)`, "injector"),
      ),
  },
  { rule: "PTRACE anti-debug attempt", act: () => run(...perl(`syscall(${SYS.ptrace}, 0, 0, 0, 0)`, "hider")) },
  { rule: "Find AWS Credentials", act: () => run("/bin/grep", ["aws_secret_access_key", "/dev/null"]) },
  { rule: "Execution from /dev/shm", act: () => withShm((folder) => run(named("program", "/bin/true", folder), [])) },
  {
    rule: "Drop and execute new binary in container",
    act: () => inContainer("/usr/bin/unshare", ["-m", "/bin/sh", "-c", OVERLAY, directory]),
  },
  {
    rule: "Disallowed SSH Connection Non Standard Port",
    act: () =>
      run("/usr/bin/unshare", [
        "-n",
        "/bin/sh",
        "-c",
        `ip link set lo up; ip route add ${NOT_PRIVATE}/32 dev lo; exec "$0" -e "$1"`,
        named("ssh", "/usr/bin/perl"),
        `use Socket; use Fcntl; socket(S, AF_INET, SOCK_STREAM, 0); fcntl(S, F_SETFL, O_NONBLOCK); connect(S, sockaddr_in(443, inet_aton('${NOT_PRIVATE}')))`,
      ]),
  },
  {
    rule: "Fileless execution via memfd_create",
    act: () =>
      run(
        ...perl(
          `my $n = 'hidden'; my $fd = syscall(${SYS.memfd_create}, $n, 0); open(I, '<', '/bin/true'); binmode I; local $/; my $data = <I>;` +
            `open(M, '>&=', $fd); binmode M; print M $data; M->flush; exec("/proc/$$/fd/$fd")`,
        ),
      ),
  },
];

/** A program in the upper layer of an overlay, as one that was downloaded into a container. */
const OVERLAY =
  "mkdir $0/o && mount -t tmpfs none $0/o && mkdir $0/o/l $0/o/u $0/o/w $0/o/m && " +
  "mount -t overlay overlay -o lowerdir=$0/o/l,upperdir=$0/o/u,workdir=$0/o/w $0/o/m && cp /bin/true $0/o/m/dropped && $0/o/m/dropped";

async function withShm(act: (folder: string) => Promise<unknown>): Promise<void> {
  const folder = mkdtempSync("/dev/shm/vigil-");
  try {
    await act(folder);
  } finally {
    rmSync(folder, { recursive: true });
  }
}

beforeAll(() => {
  directory = mkdtempSync(join(tmpdir(), "vigil-falco-"));
  mkdirSync(join(directory, "empty"));
  writeFileSync(join(directory, "auth.log"), "one line\n");
  container = new PretendedContainer("c0ffee".padEnd(64, "0"));
  const detector = new Detector({ falco: rules, falcoDeduplicateMs: 0, findingsPerMinute: 10_000 });
  const lookups = {
    userName: (uid: number) => (uid === 0 ? "root" : uid === 33 ? "www-data" : null),
    groupName: () => null,
    container: containerOf,
    remoteName: (ip: string) => (ip === API_SERVER ? "kubernetes.default.svc.cluster.local" : null),
  };
  watched = watch({ detector, calls: rules.eventTypes, lookups, ringBytes: RING_BYTES });
});
afterAll(() => {
  watched[Symbol.dispose]();
  container[Symbol.dispose]();
  rmSync(directory, { recursive: true });
});

test("each of the 25 stable rules fires on what it is about", { timeout: 120_000 }, async () => {
  expect(BEHAVIOURS.map(({ rule }) => rule).sort()).toEqual(rules.rules.map(({ name }) => name).sort());
  for (const { act } of BEHAVIOURS) await act();
  // Others work on this machine too.
  const ours = (): Watched["detections"] =>
    watched.detections.filter(({ finding }) => finding.ancestry.some(({ pid }) => pid === process.pid));
  const fired = (): Set<string> => new Set(ours().map(({ finding }) => finding.rule));
  for (let attempt = 0; attempt < 100 && fired().size < BEHAVIOURS.length; attempt++) {
    watched.sensor.drain();
    await pause(50);
  }
  expect(BEHAVIOURS.map(({ rule }) => rule).filter((rule) => !fired().has(rule))).toEqual([]);
  expect(watched.sensor.counts.losses.process).toBe(0);
});
