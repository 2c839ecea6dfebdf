/** What is told without a program on system calls. */
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, expect, test } from "vitest";
import { listLinks, listPrograms } from "../../src/ebpf/kernel/object-info.ts";
import type { SyscallEvent } from "../../src/falco/syscall-event.ts";
import type { RuntimeEventName } from "../../src/resource/runtime-event-name.ts";
import { run, type Watched, watch } from "./sensor-fixture.ts";

const EVENTS: readonly RuntimeEventName[] = [
  "process.signal",
  "process.module",
  "process.bpf",
  "process.mount",
  "process.namespace",
  "process.credentials",
  "process.capability",
  "network.connect",
  "network.bind",
  "network.listen",
  "network.socket",
];
/** `bpf(2)` on x86-64. */
const SYS_BPF = 321;

let directory: string;
let watched: Watched;
beforeAll(() => {
  directory = mkdtempSync(join(tmpdir(), "vigil-hooks-"));
  watched = watch();
  const sources = watched.sensor.watch({ events: EVENTS, calls: [], mayWatchCalls: false });
  expect(sources).toMatchObject({ calls: [], untold: [] });
});
afterAll(() => {
  watched[Symbol.dispose]();
  rmSync(directory, { recursive: true });
});

const perl = (code: string): Promise<number> => run("/usr/bin/perl", ["-e", code]);
const told = (type: string, holds: (event: SyscallEvent) => boolean = () => true): Promise<SyscallEvent> =>
  watched.until(
    type,
    (event) => event.type === type && event.caller.name === "perl" && event.caller.parent?.pid === process.pid && holds(event),
  );
const SOCKET = "use Socket; socket(S, AF_INET, SOCK_STREAM, 0);";

test("nothing is attached to system calls", () => {
  const names = new Map(listPrograms().map(({ id, name }) => [id, name]));
  const attached = listLinks().map(({ programId }) => names.get(programId));
  expect(attached).toContain("sense_connect4");
  expect(attached).toContain("sense_capable");
  expect(watched.sensor.counts.isWatchingCalls).toBe(false);
});

test("connections of TCP and UDP are told with their addresses, of both families", async () => {
  await perl(`${SOCKET} connect(S, sockaddr_in(9, inet_aton('127.0.0.7')))`);
  expect((await told("connect")).fd).toMatchObject({
    kind: "ipv4",
    name: ":0->127.0.0.7:9",
    socket: { protocol: "tcp", remoteIp: "127.0.0.7", remotePort: 9, role: "client" },
  });
  await perl("use Socket; socket(S, AF_INET6, SOCK_DGRAM, 0); connect(S, pack_sockaddr_in6(53, Socket::inet_pton(AF_INET6, '::1')))");
  const second = await told("connect", ({ fd }) => fd?.socket?.remotePort === 53);
  expect(second.fd?.socket).toMatchObject({ protocol: "udp", remoteIp: "::1" });
  await perl(
    "use Socket; socket(S, AF_INET6, SOCK_STREAM, 0); connect(S, pack_sockaddr_in6(7, Socket::inet_pton(AF_INET6, '::ffff:127.0.0.8')))",
  );
  const mapped = await told("connect", ({ fd }) => fd?.socket?.remotePort === 7);
  expect(mapped.fd).toMatchObject({ kind: "ipv4", socket: { remoteIp: "127.0.0.8" } });
});

test("ports that are bound and opened are told", async () => {
  await perl(`${SOCKET} bind(S, sockaddr_in(0, inet_aton('127.0.0.9'))); listen(S, 1)`);
  const bound = await told("bind");
  expect(bound.fd?.socket).toMatchObject({ localIp: "127.0.0.9", localPort: 0, remoteIp: "", role: "unknown" });
  const opened = await told("listen");
  expect(opened.fd?.socket).toMatchObject({ localIp: "127.0.0.9", protocol: "tcp" });
  expect(opened.fd?.socket?.localPort).toBeGreaterThan(0);
});

test("signals are told with who sends them to whom; faults too, and children that end are not", async () => {
  await perl("my $p = fork; if (!$p) { sleep 30; exit } kill 'TERM', $p; waitpid($p, 0)");
  const sent = await told("signal");
  expect(sent.args["sig"]).toBe("SIGTERM");
  const target = watched.events.find(({ type, args }) => type === "clone" && args["pid"] === sent.args["pid"]);
  expect(target).toBeDefined();
  await run("/usr/bin/perl", ["-e", "unpack('p', pack('Q', 16))"]);
  expect((await told("signal", ({ args }) => args["sig"] === "SIGSEGV")).args["pid"]).toBeGreaterThan(1);
  expect(watched.events.filter(({ type, args }) => type === "signal" && args["sig"] === "SIGCHLD")).toEqual([]);
});

test("calls that need a capability are told once, with what they were called with, and with its refusal", async () => {
  await perl(`my $a = "\\0" x 128; syscall(${SYS_BPF}, 5, $a, 128)`);
  expect((await told("bpf")).args["cmd"]).toBe(5);
  await run("/usr/bin/unshare", ["-m", "/bin/mount", "-t", "tmpfs", "none", directory]);
  const mounted = await watched.until("a mount", ({ type, args }) => type === "mount" && args["dir"] === directory);
  expect(mounted.args["dev"]).toBe("none");
  await perl("$> = 65534; socket(S, 17, 3, 0)");
  const refused = await told("socket");
  expect(refused).toMatchObject({ result: -1, args: { domain: 17 } });
  expect((await told("setresuid")).args["euid"]).toBe("nobody");
  const counts = Map.groupBy(
    watched.events.filter(({ caller }) => caller.parent?.pid === process.pid),
    ({ type }) => type,
  );
  expect([counts.get("bpf")?.length, counts.get("socket")?.length]).toEqual([1, 1]);
});

test("a capability is told when a program first uses it, not for the memory that it takes", async () => {
  await perl("chroot('/') for 1..10; chown(1, 1, '/nowhere')");
  const used = await told("capable", ({ args }) => args["cap"] === "CAP_SYS_CHROOT");
  expect(used).toMatchObject({ result: 0, args: { call: "chroot" } });
  const same = watched.events.filter(
    ({ type, caller, args }) => type === "capable" && caller.pid === used.caller.pid && args["cap"] === "CAP_SYS_CHROOT",
  );
  expect(same).toHaveLength(1);
  const accounting = watched.events.filter(({ type, args }) => type === "capable" && ["mmap", "brk"].includes(String(args["call"])));
  expect(accounting).toEqual([]);
});

test("what is wanted no more is told no more, and nothing stays attached", async () => {
  const { sensor } = watched;
  sensor.watch({ events: [], calls: [], mayWatchCalls: false });
  const before = watched.events.length;
  await perl(`${SOCKET} connect(S, sockaddr_in(9, inet_aton('127.0.0.7')))`);
  sensor.drain();
  // Others' connections from before may still be in the ring.
  const added = watched.events.slice(before).flatMap(({ type, caller }) => (caller.parent?.pid === process.pid ? [type] : []));
  expect(added).toContain("execve");
  expect(added).not.toContain("connect");
});
