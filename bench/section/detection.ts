/** Rules of Falco and RuntimePolicies on a stream of events, in one thread. There is no peer in this language. */
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { type CompiledRules, compileRules } from "../../src/falco/compile.ts";
import { loadRules } from "../../src/falco/rule-set.ts";
import type { SyscallEvent } from "../../src/falco/syscall-event.ts";
import { readValues } from "../../src/resource/document.ts";
import { Detector } from "../../src/sensor/detector.ts";
import { CONTAINER, sampleEvent, sampleFile, sampleProcess, sampleSocket } from "../../test/falco/sample-event.ts";
import { readRuntimePack } from "../../test/sensor/runtime-pack.ts";
import { cpuNs, median } from "../measure.ts";
import type { Section } from "../report.ts";

const ROOT = join(import.meta.dirname, "../..");
const FILES = ["falco_rules.yaml", "falco-incubating_rules.yaml"];
const ROUNDS = 15;
const PASSES = 400;

function falcoRules(): CompiledRules {
  const documents = FILES.flatMap((file) => readValues(readFileSync(join(ROOT, "test/data/falco", file)), file).documents);
  return compileRules(loadRules(documents), { includes: () => true });
}

/** What a busy host does: files above all, some programs and connections, and nothing that a rule is after. */
export function ordinaryEvents(): readonly SyscallEvent[] {
  const init = sampleProcess({ name: "systemd", pid: 1 });
  const shim = sampleProcess({ name: "containerd-shim", parent: init });
  const programs = ["nginx", "node", "postgres", "webapp", "make", "cc1", "git", "python3", "redis-server", "ruby"];
  // Interpreters that a container starts by the dozen are a finding.
  const contained = new Set(["nginx", "postgres", "webapp", "redis-server"]);
  const processes = programs.map((name, index) => {
    const place = contained.has(name) ? { container: CONTAINER } : {};
    return sampleProcess({
      name,
      pid: 100 + index,
      args: ["-x", `/srv/file${index}`],
      parent: sampleProcess({ name: "sh", parent: shim }),
      ...place,
    });
  });
  const files = [
    "/usr/lib/libc.so.6",
    "/etc/ld.so.cache",
    "/srv/x.o",
    "/proc/self/status",
    "/var/lib/db/1",
    "/home/jo/src/a.ts",
    "/etc/hosts",
  ];
  return Array.from({ length: 400 }, (_, index) => {
    const caller = processes[index % processes.length] ?? init;
    const name = files[index % files.length] ?? "";
    const fd = sampleFile(name);
    const kind = index % 20;
    if (kind < 7) return sampleEvent("openat", { caller, fd, args: { name, flags: 0o2000000 }, result: 3 });
    if (kind < 10) return sampleEvent("openat", { caller, fd, args: { name, flags: 0o1101, mode: 0o644 }, result: 3 });
    if (kind < 13) return sampleEvent("execve", { caller, args: { filename: caller.exePath } });
    if (kind < 16) return sampleEvent("connect", { caller, fd: sampleSocket({ remoteIp: `10.0.${index % 50}.7` }) });
    if (kind < 17) return sampleEvent("unlinkat", { caller, args: { name } });
    if (kind < 18) return sampleEvent("clone", { caller, args: { flags: 17 } });
    if (kind < 19) return sampleEvent("dup2", { caller, fd, result: 1 });
    return sampleEvent("fchmodat", { caller, args: { filename: name, mode: 0o644 } });
  });
}

export async function detection(): Promise<Section> {
  const events = ordinaryEvents();
  const falco = falcoRules();
  const policies = readRuntimePack();
  const contestants = [
    { name: `${falco.rules.length} rules of Falco (stable and incubating)`, detector: new Detector({ falco }), nsPerEvent: [] as number[] },
    {
      name: `${policies.policies.length} RuntimePolicies (packs/runtime)`,
      detector: new Detector({ policies }),
      nsPerEvent: [] as number[],
    },
    { name: "both", detector: new Detector({ falco, policies }), nsPerEvent: [] as number[] },
  ];
  for (let round = -2; round < ROUNDS; round++) {
    for (const { detector, nsPerEvent } of contestants) {
      const start = cpuNs();
      for (let pass = 0; pass < PASSES; pass++) for (const event of events) detector.judge(event);
      if (round >= 0) nsPerEvent.push((cpuNs() - start) / (PASSES * events.length));
    }
  }
  const rates = contestants.map(({ name, nsPerEvent }) => ({ name, ns: median(nsPerEvent), rate: 1e9 / median(nsPerEvent) }));
  const [byFalco] = rates;
  return {
    title: "Detection: events judged",
    notes: [
      "Events as the sensor delivers them, in the mix of a busy host (half of them opened files); one thread, CPU time.",
      "Every event meets every rule that its type can match, and none is found to be anything.",
    ],
    columns: ["rules", "ns per event", "events per second and core"],
    rows: rates.map(({ name, ns, rate }) => [name, ns.toFixed(0), Math.round(rate).toLocaleString("en")]),
    targets: [
      {
        what: "events judged per second and core by Falco's stable and incubating rules",
        goal: "≥ 1,000,000",
        value: byFalco?.rate ?? 0,
        met: (byFalco?.rate ?? 0) >= 1e6,
      },
    ],
  };
}
