/** Real processes connect to a real socket, and the agent's side says who they are. */
import { type ChildProcess, type SpawnOptions, spawn } from "node:child_process";
import { createHash } from "node:crypto";
import { once } from "node:events";
import { chmodSync, copyFileSync, mkdirSync, mkdtempSync, openSync, readFileSync, rmSync, statSync, writeFileSync } from "node:fs";
import { createServer, type Server, type Socket } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { Accounts } from "../../src/identity/attestation/accounts.ts";
import { AttestedConnection } from "../../src/identity/attestation/attested-connection.ts";
import type { AttestedProcess, WorkloadAttestor } from "../../src/identity/attestation/attestor.ts";
import { BinaryDigest } from "../../src/identity/attestation/binary-digest.ts";
import { containerAttestor } from "../../src/identity/attestation/container-attestor.ts";
import { kubernetesAttestor } from "../../src/identity/attestation/kubernetes-attestor.ts";
import { systemdAttestor, systemUnitOf } from "../../src/identity/attestation/systemd-attestor.ts";
import { unixAttestor } from "../../src/identity/attestation/unix-attestor.ts";
import { descriptorOf, isInInitialCgroupNamespace, openPeer, peerCredentials, ticksSinceBoot } from "../../src/linux/peer-credentials.ts";
import { ProcessHandle } from "../../src/linux/process-handle.ts";

const PERL = "/usr/bin/perl";
/** Connects, says so, and then does what each line of its standard input says. */
const CLIENT = `use Socket; use Fcntl; $| = 1;
socket(S, PF_UNIX, SOCK_STREAM, 0) or die; connect(S, sockaddr_un($ARGV[0])) or die "connect: $!";
fcntl(S, F_SETFD, 0);
print "connected\\n";
while (<STDIN>) { chomp; if ($_ eq "sleep") { exec("/bin/sleep", "60") } }`;

let directory: string;
let server: Server;
let path: string;
let digests: BinaryDigest;
const children: ChildProcess[] = [];
const connections: AttestedConnection[] = [];

beforeEach(async () => {
  directory = mkdtempSync(join(tmpdir(), "vigil-attest-"));
  chmodSync(directory, 0o755);
  path = join(directory, "a.sock");
  digests = new BinaryDigest();
  server = createServer();
  server.listen(path);
  await once(server, "listening");
  chmodSync(path, 0o777);
});

afterEach(async () => {
  for (const child of children.splice(0)) child.kill("SIGKILL");
  for (const connection of connections.splice(0)) connection[Symbol.dispose]();
  server.close();
  await digests.close();
  rmSync(directory, { recursive: true });
});

function attestors(more: readonly WorkloadAttestor[] = []): readonly WorkloadAttestor[] {
  const isAgentInContainer = !isInInitialCgroupNamespace();
  return [
    unixAttestor({ accounts: new Accounts(), digests, wantsDigest: () => true }),
    containerAttestor({ isAgentInContainer }),
    systemdAttestor({ isAgentInContainer }),
    ...more,
  ];
}

async function connect(command: readonly string[] = [PERL], options: SpawnOptions = {}): Promise<{ child: ChildProcess; socket: Socket }> {
  const [program = "", ...args] = command;
  const child = spawn(program, [...args, "-e", CLIENT, path], { stdio: ["pipe", "pipe", "inherit"], ...options });
  children.push(child);
  const [socket]: Socket[] = await once(server, "connection");
  if (socket === undefined) throw new Error("no connection");
  return { child, socket };
}

function open(socket: Socket, all = attestors()): AttestedConnection {
  const connection = AttestedConnection.open(socket, all);
  connections.push(connection);
  return connection;
}

const sha256 = (file: string): string => createHash("sha256").update(readFileSync(file)).digest("hex");

describe("a process that connects", () => {
  test("is known by user, groups, program and digest", async () => {
    const { child, socket } = await connect(["/usr/bin/setpriv", "--reuid", "1", "--regid", "2", "--groups", "3,54321", PERL]);
    const attestation = await open(socket).attest();
    expect(attestation).toMatchObject({ pid: child.pid, uid: 1, gid: 2, isCertain: true, executablePath: PERL, remarks: [] });
    expect(attestation.selectors).toEqual(
      expect.arrayContaining([
        "unix:uid:1",
        "unix:user:daemon",
        "unix:gid:2",
        "unix:group:bin",
        "unix:supplementary_gid:3",
        "unix:supplementary_group:sys",
        "unix:supplementary_gid:54321",
        `unix:path:${PERL}`,
        `unix:sha256:${sha256(PERL)}`,
      ]),
    );
    expect(attestation.selectors).not.toContain("unix:supplementary_group:");
  });

  test("is attested once, until it becomes another program", async () => {
    let asked = 0;
    const counting: WorkloadAttestor = { name: "count", attest: () => ({ kind: "selectors", selectors: [`count:${++asked}`] }) };
    const { child, socket } = await connect();
    const connection = open(socket, attestors([counting]));
    const [one, two] = await Promise.all([connection.attest(), connection.attest()]);
    expect(one).toBe(two);
    expect(await connection.attest()).toBe(one);
    expect(connection.isCurrent()).toBe(true);
    child.stdin?.write("sleep\n");
    await expect.poll(() => connection.isCurrent()).toBe(false);
    const other = await connection.attest();
    expect(other.selectors).toContain("count:2");
    expect(other.executablePath).not.toBe(PERL);
    expect(other.selectors).not.toContain(`unix:path:${PERL}`);
  });

  test("gets nothing once it has ended", async () => {
    const { child, socket } = await connect();
    const connection = open(socket);
    await connection.attest();
    child.kill("SIGKILL");
    await once(child, "exit");
    expect(connection.isCurrent()).toBe(false);
    await expect(connection.attest()).rejects.toMatchObject({ code: "LINUX_PROCESS_GONE" });
  });

  test("is not found any more when it ended before it was looked at", async () => {
    const { child, socket } = await connect();
    child.kill("SIGKILL");
    await once(child, "exit");
    expect(() => open(socket)).toThrow(expect.objectContaining({ code: expect.stringMatching(/^LINUX_(PEER|PROCESS)_GONE$/) }));
  });
});

describe("a process that pretends", () => {
  test("does not get the path of a program over which it has mounted its own", async () => {
    const own = join(directory, "own");
    copyFileSync(PERL, own);
    chmodSync(own, 0o755);
    const victim = join(directory, "payments");
    writeFileSync(victim, "the real one", { mode: 0o755 });
    const script = `mount --bind "${own}" "${victim}" && exec "${victim}" "$@"`;
    const { socket } = await connect(["/usr/bin/unshare", "-m", "/bin/sh", "-c", script, "sh"]);
    await once(children[0]?.stdout ?? socket, "data");
    const attestation = await open(socket).attest();
    expect(attestation.executablePath).toBe(victim);
    expect(attestation.selectors.filter((selector) => selector.startsWith("unix:path"))).toEqual([]);
    expect(attestation.selectors).toContain(`unix:sha256:${sha256(PERL)}`);
    expect(attestation.remarks).toEqual([expect.stringMatching(/^unix: the file at `.*payments`/)]);
  });

  test("does not get the path of a program that it has removed or replaced, and keeps its digest", async () => {
    const own = join(directory, "own");
    copyFileSync(PERL, own);
    chmodSync(own, 0o755);
    const { socket } = await connect([own]);
    rmSync(own);
    writeFileSync(own, "another", { mode: 0o755 });
    const { selectors } = await open(socket).attest();
    expect(selectors).not.toContain(`unix:path:${own}`);
    expect(selectors).toContain(`unix:sha256:${sha256(PERL)}`);
  });

  test("gets nothing at all when an attestor finds a contradiction", async () => {
    const lying: WorkloadAttestor = { name: "container", attest: () => ({ kind: "contradiction", message: "two containers" }) };
    const { socket } = await connect();
    await expect(open(socket, attestors([lying])).attest()).rejects.toMatchObject({
      code: "ATTESTATION_REFUSED",
      message: expect.stringMatching(/attestor `container` refuses process \d+: two containers/),
    });
  });

  test("loses only what an attestor that fails would have said", async () => {
    const failing: WorkloadAttestor = { name: "k8s", attest: () => Promise.reject(new Error("the API server does not answer")) };
    const { socket } = await connect();
    const { selectors, remarks } = await open(socket, attestors([failing])).attest();
    expect(selectors).toContain("unix:uid:0");
    expect(remarks).toContain("k8s: the API server does not answer");
  });
});

describe("the number of a process", () => {
  test("does not make a handle mean another process", async () => {
    const child = spawn("/bin/sleep", ["60"]);
    children.push(child);
    using handle = ProcessHandle.open(child.pid ?? 0);
    expect(handle.isAlive()).toBe(true);
    child.kill("SIGKILL");
    await once(child, "exit");
    expect(handle.isAlive()).toBe(false);
    expect(() => handle.read("stat")).toThrow(expect.objectContaining({ code: "LINUX_PROCESS_GONE" }));
  });

  test("is believed on a kernel that does not vouch only if it started before the connection", async () => {
    const { child, socket } = await connect();
    const descriptor = descriptorOf(socket);
    const credentials = peerCredentials(descriptor);
    const { process, isCertain } = openPeer(descriptor, credentials, ticksSinceBoot(), () => undefined);
    expect({ pid: process.pid, isCertain }).toEqual({ pid: child.pid, isCertain: false });
    const earlier = process.startTicks - 1n;
    process.close();
    expect(() => openPeer(descriptor, credentials, earlier, () => undefined)).toThrow(expect.objectContaining({ code: "LINUX_PEER_GONE" }));
  });

  test("tells nothing when the caller is in a namespace that cannot be seen", async () => {
    const { socket } = await connect();
    const hidden = { ...peerCredentials(descriptorOf(socket)), pid: 0 };
    expect(() => openPeer(descriptorOf(socket), hidden, 0n)).toThrow(expect.objectContaining({ code: "LINUX_PEER_UNKNOWN" }));
  });

  test.each(["", "7 (x) S 1 2", `7 (x) S ${Array.from({ length: 18 }, () => "0").join(" ")} -5`])(
    "cannot be looked at with the stat %j",
    (stat) => {
      const proc = join(directory, "proc");
      mkdirSync(join(proc, "7"), { recursive: true });
      writeFileSync(join(proc, "7/stat"), stat);
      expect(() => ProcessHandle.open(7, proc)).toThrow(expect.objectContaining({ code: "LINUX_PROCESS_UNREADABLE" }));
    },
  );
});

describe("digests", () => {
  test("are computed again when the file has changed, and once when many ask", async () => {
    const file = join(directory, "program");
    writeFileSync(file, "one");
    let opened = 0;
    const of = (): Promise<string> => {
      const { dev, ino, size, mtimeNs, ctimeNs } = statSync(file, { bigint: true });
      return digests.of({ dev, ino, size, mtimeNs, ctimeNs }, () => {
        opened++;
        return openSync(file, "r");
      });
    };
    const expected = sha256(file);
    expect(await Promise.all([of(), of(), of()])).toEqual([expected, expected, expected]);
    expect(opened).toBe(1);
    writeFileSync(file, "two!");
    expect(await of()).toBe(sha256(file));
    expect(opened).toBe(2);
  });

  test("are refused for files beyond the limit", async () => {
    const small = new BinaryDigest({ maxBytes: 2 });
    const facts = { dev: 1n, ino: 1n, size: 3n, mtimeNs: 0n, ctimeNs: 0n };
    await expect(small.of(facts, () => expect.unreachable())).rejects.toMatchObject({ code: "DIGEST_TOO_LARGE" });
  });
});

describe("systemd units", () => {
  test.each([
    ["0::/system.slice/nginx.service\n", "nginx.service"],
    ["12:pids:/x\n1:name=systemd:/system.slice/nginx.service\n0::/system.slice/other.service", "nginx.service"],
    ["0::/system.slice/system-getty.slice/getty@tty1.service", "getty@tty1.service"],
    ["0::/user.slice/user-1000.slice/session-3.scope", "session-3.scope"],
    ["0::/user.slice/user-1000.slice/user@1000.service/app.slice/nginx.service", "user@1000.service"],
    // A service that may make control groups below its own names one like another service.
    ["0::/system.slice/web.service/system.slice/nginx.service", "web.service"],
    ["0::/init.scope", "init.scope"],
  ])("%j belongs to %s", (cgroup, unit) => expect(systemUnitOf(cgroup)).toBe(unit));

  test.each(["0::/", "", "0::/system.slice", "0::/docker/0123", "0::/a b.service"])("%j belongs to none", (cgroup) => {
    expect(systemUnitOf(cgroup)).toBeUndefined();
  });
});

describe("a Pod", () => {
  const ID = "a".repeat(64);
  const UID = "00000000-1111-2222-3333-444444444444";
  const ask = (podUid: string, cgroup = `0::/kubepods/pod${UID}/${ID}`): unknown => {
    const proc = join(directory, "proc");
    mkdirSync(join(proc, "7"), { recursive: true });
    writeFileSync(join(proc, "7/stat"), `7 (x) S ${Array.from({ length: 18 }, () => "0").join(" ")} 1`);
    writeFileSync(join(proc, "7/cgroup"), cgroup);
    const reviewer = { review: async () => ({ namespace: "shop", serviceAccount: "orders", podName: "orders-1", podUid }) };
    const attestor = kubernetesAttestor({ reviewer, tokenOf: async () => "token", isAgentInContainer: false });
    const workload: AttestedProcess = { process: ProcessHandle.open(7, proc), credentials: { pid: 7, uid: 0, gid: 0, groups: [] } };
    return attestor.attest(workload);
  };

  test("is known by its service account when the token is its own", async () => {
    expect(await ask(UID)).toEqual({ kind: "selectors", selectors: ["k8s:ns:shop", "k8s:sa:orders", "k8s:pod-name:orders-1"] });
    expect(await ask(UID, "0::/system.slice/x.service")).toEqual({ kind: "none" });
  });

  test("is refused with another Pod's token", async () => {
    expect(await ask("ffffffff-1111-2222-3333-444444444444")).toMatchObject({ kind: "contradiction" });
  });
});
