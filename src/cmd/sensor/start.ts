/** The sensor of a node: rules judge what processes do; findings are stored, and acted upon. */
import { readKernelBtf } from "../../ebpf/kernel/kernel-btf.ts";
import { compileRules } from "../../falco/compile.ts";
import { messageOf, VigilError } from "../../lib/error.ts";
import { readBootClock } from "../../sensor/boot-clock.ts";
import { type Detection, Detector } from "../../sensor/detector.ts";
import { respond } from "../../sensor/response.ts";
import { Sensor } from "../../sensor/sensor.ts";
import type { AgentSettings } from "../agent/settings.ts";
import { EventForwarder } from "../event-forwarder.ts";
import { createLog, type Log } from "../log.ts";
import { testFiles } from "../policy/test.ts";
import type { Running } from "../run-supervised.ts";
import { hostLookups } from "../runtime/host-lookups.ts";
import { loadRuntimeRules } from "../runtime/load-rules.ts";

const WHAT = "runtime sensor";
/** Findings that happened again are told so often. */
const FLUSH_MS = 10_000;
const EVENTS_PER_DRAIN_MS = 1_000;

/** The sensor has no standard input to read rules from. */
const NO_INPUT = { readInput: () => new Uint8Array() };

const off = (why: string, how?: string): Running => ({
  report: { on: [], off: [{ what: WHAT, why, ...(how === undefined ? {} : { how }) }], facts: {} },
  drain: async () => {},
});

export async function startSensor({ stateDirectory, configuration }: AgentSettings): Promise<Running> {
  const log = createLog("sensor");
  const forwarder = new EventForwarder({ stateDirectory, producer: "sensor", log });
  try {
    return start(configuration["runtime.rules"], log, forwarder);
  } catch (thrown) {
    // The rest of Vigil does not depend on it.
    return thrown instanceof VigilError ? off(thrown.message, thrown.hint) : off(messageOf(thrown));
  }
}

function start(paths: readonly string[], log: Log, forwarder: EventForwarder): Running {
  const files = paths.flatMap((path) => testFiles(path, (name) => name.endsWith(".yaml") || name.endsWith(".yml")));
  const { policies, ruleSet, diagnostics } = loadRuntimeRules(files, NO_INPUT);
  const mistakes = diagnostics.filter(({ severity }) => severity === "error");
  for (const { file, line, message } of mistakes) log("error", `${file}:${line}: ${message}`);
  const falco = compileRules(ruleSet);
  const count = policies.policies.length + falco.rules.length;
  if (count === 0) return off(`no rule in ${paths.join(", ")} can be used`, "`vigil runtime rules PATH` says why");
  const clock = readBootClock();
  const detector = new Detector({ policies, falco });
  const act = (detection: Detection): void => {
    const { finding } = detection;
    forwarder.found(finding);
    const response = respond(detection, { bootNs: clock.bootNs, pathOf: (id) => sensor.cgroups.pathOf(id) });
    if (response === undefined) return;
    const { outcome, message } = response;
    forwarder.acted({
      action: detection.action,
      object: finding.object,
      outcome,
      message,
      subject: finding.subject,
      severity: finding.severity,
    });
  };
  const sensor: Sensor = new Sensor({
    btf: readKernelBtf(),
    lookups: hostLookups(),
    clock,
    detector,
    onDetection: act,
    onLoss: (ring, lost) => {
      const message = `${lost} events of the ${ring} ring were lost: they came faster than they were read`;
      forwarder.acted({ action: "observe", object: ring, outcome: "failed", message, subject: "vigil", severity: 3 });
    },
  });
  const { unknown } = sensor.watch({ events: policies.interest.events, calls: falco.eventTypes, mayWatchCalls: true });
  if (unknown.length > 0) log("warning", `calls that rules ask for are not told: ${unknown.join(", ")}`);
  const timer = setInterval(() => {
    for (const finding of detector.flush(BigInt(Date.now()) * 1_000_000n)) forwarder.found(finding);
  }, FLUSH_MS).unref();
  const problem = mistakes.length === 0 ? "" : `, ${mistakes.length} mistakes (see the log)`;
  return {
    report: { on: [{ what: WHAT, where: `${count} rules${problem}` }], off: [], facts: {} },
    drain: async (withinMs) => {
      clearInterval(timer);
      sensor[Symbol.dispose]();
      await forwarder.close(Math.min(EVENTS_PER_DRAIN_MS, withinMs / 2));
    },
  };
}
