/** The sensor of a node: rules judge what processes do; findings are stored, and acted upon; some of what processes do is stored, too. */
import { constants, setPriority } from "node:os";
import { messageOf, VigilError } from "../../lib/error.ts";
import { readManifestTree } from "../../resource/manifest-tree.ts";
import type { EventSources } from "../../sensor/event-sources.ts";
import type { AgentSettings } from "../agent/settings.ts";
import { EventForwarder } from "../event-forwarder.ts";
import { createLog, type Log } from "../log.ts";
import { TEST_FOLDERS } from "../manifest-folders.ts";
import type { ReadyReport } from "../process-message.ts";
import type { Running } from "../run-supervised.ts";
import { HostWatch } from "./host-watch.ts";
import { rulePaths } from "./rule-paths.ts";
import { followRuntimeRules, placeOf, type RulesInForce, readRuntimeRules } from "./rule-source.ts";
import { storedEvents } from "./stored-events.ts";

const WHAT = "runtime sensor";
const EVENTS_PER_DRAIN_MS = 1_000;

const off = (why: string, how?: string): Running => ({
  report: { on: [], off: [{ what: WHAT, why, ...(how === undefined ? {} : { how }) }], facts: {} },
  drain: async () => {},
});

export async function startSensor(settings: AgentSettings): Promise<Running> {
  const log = createLog("sensor");
  try {
    return await start(settings, log);
  } catch (thrown) {
    // The rest of Vigil does not depend on it.
    return thrown instanceof VigilError ? off(thrown.message, thrown.hint) : off(messageOf(thrown));
  }
}

/** Who looks at all others goes on looking when they want all of the processors. */
function goFirst(log: Log): void {
  try {
    setPriority(constants.priority.PRIORITY_ABOVE_NORMAL);
  } catch (thrown) {
    log("warning", `the sensor has no higher priority than what it watches: ${messageOf(thrown)}`);
  }
}

async function start(settings: AgentSettings, log: Log): Promise<Running> {
  const { stateDirectory, configuration } = settings;
  const paths = rulePaths(configuration["runtime.rules"]);
  const before = await readManifestTree(paths, { without: TEST_FOLDERS });
  const { rules, mistakes } = readRuntimeRules(paths);
  for (const mistake of mistakes) log("error", placeOf(mistake));
  if (rules.count === 0) return off(`no rule in ${paths.join(", ")} can be used`, "`vigil runtime rules PATH` says why");
  const stored = storedEvents(configuration["runtime.store"]);
  if (stored.unknown.length > 0) log("error", `there is no event ${stored.unknown.join(", ")} to store`);
  const forwarder = new EventForwarder({ stateDirectory, producer: "sensor", log });
  goFirst(log);
  const watch = new HostWatch({ settings, forwarder, log, stored: stored.names, rules });
  const stopping = new AbortController();
  void followRuntimeRules(paths, {
    signal: stopping.signal,
    contentHash: before.contentHash,
    log,
    onRules: (fresh) => watch.use(fresh),
    onRefused: (problems) => watch.refuse(problems),
  });
  return {
    report: reportOf(rules, watch.sources, mistakes.length),
    drain: async (withinMs) => {
      stopping.abort();
      await watch.close();
      await forwarder.close(Math.min(EVENTS_PER_DRAIN_MS, withinMs / 2));
    },
  };
}

function reportOf(rules: RulesInForce, { calls, untold }: EventSources, mistakeCount: number): ReadyReport {
  const untoldEvents = new Set<string>(untold);
  const idle = rules.policies.policies.filter(({ match }) => match.events.every((name) => untoldEvents.has(name)));
  const parts = [
    `${rules.count - idle.length} rules judge what processes do`,
    calls.length === 0 ? "nothing is attached to system calls" : "each system call of this host costs 0.1 µs more",
    ...(mistakeCount === 0 ? [] : [`${mistakeCount} mistakes (above)`]),
  ];
  const names = idle.map(({ metadata }) => metadata.name).join(", ");
  return {
    on: [{ what: WHAT, where: parts.join(", ") }],
    off:
      idle.length === 0
        ? []
        : [
            {
              what: `${idle.length} rules about files and memory`,
              why: `${names}: only system calls tell of these, and watching costs each call of the host 0.1 µs`,
              how: "to have them: `runtime.systemCalls: on`",
            },
          ],
    facts: {},
  };
}
