import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { HOST } from "../falco/syscall-event.ts";
import { type Credentials, type ExecEvent, type Placement, ProcessTable } from "./process-table.ts";

const NOBODY_LOGGED_IN = 4_294_967_295;
const CREDENTIALS: Credentials = {
  uid: 0,
  euid: 0,
  gid: 0,
  egid: 0,
  loginUid: NOBODY_LOGGED_IN,
  capEffective: 0n,
  capPermitted: 0n,
  capInheritable: 0n,
};
const PLACEMENT: Placement = { tty: 0, sid: 1, pgid: 1, vpid: 1, vpgid: 1, cgroupId: "7", mountNamespace: 1 };

const table = (limit?: number): ProcessTable =>
  new ProcessTable({
    bootId: "b",
    ...(limit !== undefined && { limit }),
    lookups: {
      userName: (uid) => ({ 0: "root", 33: "www-data" })[uid] ?? null,
      groupName: (gid) => (gid === 0 ? "root" : null),
      container: (cgroupId) => (cgroupId === "9" ? { ...HOST, id: "c9" } : HOST),
    },
  });

const exec = (pid: number, name: string, more: Partial<ExecEvent> = {}): ExecEvent => ({
  pid,
  startNs: BigInt(pid),
  timeNs: BigInt(pid) + 100n,
  parentPid: 0,
  name,
  exePath: `/bin/${name}`,
  argv: [name],
  cwd: "/",
  credentials: CREDENTIALS,
  placement: { ...PLACEMENT, vpid: pid },
  ...more,
});

const names = (processes: ProcessTable, pid: number): readonly string[] => {
  const found = processes.find(pid);
  return found === undefined ? [] : [found, ...processes.ancestors(found)].map(({ name }) => name);
};

describe("the table of processes", () => {
  test("a seed in any order, then forks and execs: ancestry is known", () => {
    const processes = table();
    processes.seed([exec(30, "sh", { parentPid: 20 }), exec(1, "init"), exec(20, "sshd", { parentPid: 1 })]);
    processes.fork({ pid: 40, parentPid: 30, startNs: 40n });
    expect(names(processes, 40)).toEqual(["sh", "sh", "sshd", "init"]);
    processes.exec(exec(40, "curl", { argv: ["curl", "-s", "http://x"] }));
    expect(names(processes, 40)).toEqual(["curl", "sh", "sshd", "init"]);
    expect(processes.find(40)).toMatchObject({ argsText: "-s http://x", commandLine: "curl -s http://x", execId: "b:40:140", exe: "curl" });
  });

  test("a parent that has ended is still an ancestor", () => {
    const processes = table();
    processes.seed([exec(1, "init"), exec(2, "sh", { parentPid: 1 })]);
    processes.fork({ pid: 3, parentPid: 2, startNs: 3n });
    processes.exit(2);
    expect(names(processes, 3)).toEqual(["sh", "sh", "init"]);
  });

  test("a PID that is used again is another process, and no ancestor of the first one's children", () => {
    const processes = table();
    processes.seed([exec(1, "init"), exec(5, "old", { parentPid: 1 })]);
    processes.fork({ pid: 6, parentPid: 5, startNs: 6n });
    processes.exit(5);
    const reused = processes.fork({ pid: 5, parentPid: 1, startNs: 500n });
    processes.exec(exec(5, "new", { startNs: 500n, timeNs: 501n }));
    expect(reused.execId).not.toBe("b:5:5");
    expect(names(processes, 5)).toEqual(["new", "init"]);
    expect(processes.find(6)?.parent?.name).toBe("old");
    // One that began after its supposed child cannot be its parent.
    processes.seed([exec(7, "child", { parentPid: 5, startNs: 100n })]);
    expect(names(processes, 7)).toEqual(["child"]);
  });

  test("what events told is not overwritten by a seed that comes late", () => {
    const processes = table();
    processes.exec(exec(8, "fresh"));
    processes.seed([exec(8, "stale")]);
    expect(processes.find(8)?.name).toBe("fresh");
  });

  test("users, groups and containers are looked up when they change", () => {
    const processes = table();
    processes.seed([exec(2, "httpd")]);
    expect(processes.find(2)).toMatchObject({ userName: "root", groupName: "root", loginName: null, container: HOST });
    processes.setCredentials(2, { ...CREDENTIALS, uid: 33, euid: 33, egid: 33 });
    processes.setPlacement(2, { cgroupId: "9" });
    expect(processes.find(2)).toMatchObject({ userName: "www-data", groupName: null, container: { id: "c9" }, sid: 1 });
    expect(processes.fork({ pid: 3, parentPid: 2, startNs: 3n })).toMatchObject({ euid: 33, container: { id: "c9" } });
  });

  test("arguments of megabytes are cut", () => {
    const processes = table();
    const found = processes.exec(exec(2, "x", { argv: ["x", "a".repeat(1_000_000), "b"] }));
    expect(found.args).toEqual(["a".repeat(4_096)]);
  });

  test("it never grows beyond its limit: those that ended go first", () => {
    const processes = table(100);
    processes.seed([exec(1, "init")]);
    for (let pid = 2; pid < 5_000; pid++) {
      processes.fork({ pid, parentPid: 1, startNs: BigInt(pid) });
      processes.exit(pid);
    }
    expect(processes.size).toBe(100);
    expect(processes.evicted).toBe(0);
    expect(processes.find(1)?.name).toBe("init");
    for (let pid = 10_000; pid < 10_200; pid++) processes.fork({ pid, parentPid: 1, startNs: BigInt(pid) });
    expect(processes.size).toBe(100);
    expect(processes.evicted).toBeGreaterThan(0);
  });

  test("of those that ended the last are found, and their children still know them", () => {
    const processes = table();
    processes.seed([exec(1, "init"), exec(2, "daemon", { parentPid: 1 })]);
    processes.fork({ pid: 3, parentPid: 2, startNs: 3n });
    processes.exit(2);
    for (let pid = 10; pid < 10_000; pid++) {
      processes.fork({ pid, parentPid: 1, startNs: BigInt(pid) });
      processes.exit(pid);
    }
    expect(processes.size).toBe(2 + 1_024);
    expect(processes.find(2)).toBeUndefined();
    expect(processes.find(9_999)).toBeDefined();
    expect(names(processes, 3)).toEqual(["daemon", "daemon", "init"]);
  });

  test("whoever forks and ends again and again does not keep all of its line", () => {
    const processes = table();
    processes.seed([exec(1, "init")]);
    for (let pid = 2; pid < 20_000; pid++) {
      processes.fork({ pid, parentPid: pid - 1, startNs: BigInt(pid) });
      processes.exit(pid - 1);
    }
    let length = 0;
    for (let at = processes.find(19_999)?.parent ?? null; at !== null; at = at.parent) length += 1;
    expect(length).toBeGreaterThanOrEqual(64);
    expect(length).toBeLessThan(128);
  });

  test("those whose end was lost are ended", () => {
    const processes = table();
    processes.seed([exec(1, "init"), exec(2, "gone"), exec(3, "used again")]);
    const living = new Map([
      [1, 1n],
      [3, 50n],
    ]);
    expect(processes.endOthers((pid, startNs) => living.get(pid) === startNs)).toBe(2);
    expect(processes.endOthers((pid, startNs) => living.get(pid) === startNs)).toBe(0);
    expect(processes.find(2)?.name).toBe("gone");
  });

  test("one that has ended before it was told of takes no living one's place", () => {
    const processes = table();
    processes.seed([exec(1, "init"), exec(2, "living", { startNs: 50n })]);
    expect(processes.execEnded(exec(2, "dead", { parentPid: 1 })).name).toBe("dead");
    expect(processes.find(2)?.name).toBe("living");
    processes.execEnded(exec(3, "dead", { parentPid: 1 }));
    expect(names(processes, 3)).toEqual(["dead", "init"]);
    expect(processes.endOthers(() => false)).toBe(2);
  });

  test("whatever events come, ancestries end and the size is bounded", () => {
    const event = fc.record({ kind: fc.constantFrom("fork", "exec", "exit"), pid: fc.nat(20), parent: fc.nat(20), at: fc.nat(50) });
    fc.assert(
      fc.property(fc.array(event, { maxLength: 200 }), (events) => {
        const processes = table(10);
        for (const { kind, pid, parent, at } of events) {
          if (kind === "fork") processes.fork({ pid, parentPid: parent, startNs: BigInt(at) });
          else if (kind === "exec") processes.exec(exec(pid, "x", { parentPid: parent, startNs: BigInt(at) }));
          else processes.exit(pid);
          const found = processes.find(pid);
          const line = found === undefined ? [] : processes.ancestors(found);
          expect(new Set(line).size).toBe(line.length);
          expect(line).not.toContain(found);
        }
        expect(processes.size).toBeLessThanOrEqual(10);
      }),
    );
  });
});
