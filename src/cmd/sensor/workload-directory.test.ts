import { expect, test } from "vitest";
import type { ProcessView } from "../../falco/syscall-event.ts";
import { HOST } from "../../falco/syscall-event.ts";
import { WorkloadDirectory } from "./workload-directory.ts";

/** A process that has ended when it is asked about. */
const GONE = 66_666;

/** The directory looks at these alone. */
const processOf = (pid: number, exePath: string): ProcessView => ({ pid, exePath, uid: 0, cgroupId: "7", container: HOST }) as ProcessView;

function directory(answer: (pid: number) => readonly string[]) {
  const asked: number[][] = [];
  const problems: string[] = [];
  const time = { nowMs: 0 };
  const made = new WorkloadDirectory({
    identify: async (pids) => {
      asked.push([...pids]);
      return pids.map((pid) => ({ spiffeIds: answer(pid), workload: "", isFound: pid !== GONE }));
    },
    clock: () => time.nowMs,
    onProblem: (message) => problems.push(message),
  });
  return { asked, problems, time, made };
}

test("the agent is asked once for all processes of a program in a cgroup, and again after a while", async () => {
  const { asked, time, made } = directory(() => ["spiffe://a.example/web", "spiffe://a.example/other"]);
  expect(made.workloadOf(processOf(1, "/bin/a")).id).toBe("unresolved:7");
  expect((await made.resolved(processOf(2, "/bin/a"), 1_000)).id).toBe("spiffe://a.example/web");
  expect(made.workloadOf(processOf(3, "/bin/a")).id).toBe("spiffe://a.example/web");
  expect(asked).toEqual([[2]]);
  time.nowMs = 61_000;
  expect(made.workloadOf(processOf(4, "/bin/a")).id).toBe("spiffe://a.example/web");
  await made.resolved(processOf(4, "/bin/a"), 1_000);
  expect(asked).toEqual([[2], [4]]);
});

test("who is nobody is asked about again soon, and an agent that fails is told of once", async () => {
  let isFailing = false;
  const { asked, problems, time, made } = directory(() => {
    if (isFailing) throw new Error("no");
    return [];
  });
  expect((await made.resolved(processOf(1, "/bin/a"), 1_000)).id).toBe("unresolved:7");
  time.nowMs = 6_000;
  isFailing = true;
  for (const name of ["/bin/a", "/bin/b", "/bin/c"]) expect((await made.resolved(processOf(2, name), 1_000)).id).toBe("unresolved:7");
  expect(asked.length).toBe(4);
  expect(problems).toHaveLength(0);
  time.nowMs = 40_000;
  for (const name of ["/bin/a", "/bin/b", "/bin/c"]) await made.resolved(processOf(2, name), 1_000);
  expect(problems).toHaveLength(1);
});

test("a process that has ended says nothing about the next one like it", async () => {
  const { asked, made } = directory((pid) => (pid === GONE ? [] : ["spiffe://a.example/web"]));
  expect((await made.resolved(processOf(GONE, "/bin/a"), 1_000)).id).toBe("unresolved:7");
  expect((await made.resolved(processOf(2, "/bin/a"), 1_000)).id).toBe("spiffe://a.example/web");
  expect(asked).toEqual([[GONE], [2]]);
});

test("what waits has a limit", async () => {
  const { asked, made } = directory((pid) => [`spiffe://a.example/${pid}`]);
  for (let pid = 1; pid <= 2_000; pid++) made.workloadOf(processOf(pid, `/bin/${pid}`));
  await made.resolved(processOf(1, "/bin/1"), 1_000);
  expect(asked.flat()).toHaveLength(1_024);
  expect(Math.max(...asked.map(({ length }) => length))).toBe(64);
});
