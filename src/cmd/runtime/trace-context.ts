/** What Vigil knows of a running process beside what the kernel and its file say: its identity, the policies about it, what it did. */
import { join } from "node:path";
import { compactLine } from "../../event/compact-line.ts";
import type { FileEvent, FindingEvent, NetworkEvent, ProcessEvent } from "../../event/runtime-event.ts";
import { eventToJson } from "../../event/wire.ts";
import { readEvents } from "../../evidence/event-reader.ts";
import { messageOf } from "../../lib/error.ts";
import { selects } from "../../policy/label-match.ts";
import { readManifestTree } from "../../resource/manifest-tree.ts";
import { parseRuntimePolicy } from "../../resource/runtime-policy.ts";
import type { Configuration } from "../config.ts";
import { EVENTS_FOLDER } from "../events/store.ts";
import { agentSocket } from "../identity-sockets.ts";
import { TEST_FOLDERS } from "../manifest-folders.ts";
import { rulePaths } from "../sensor/rule-paths.ts";
import { identifyByAgent } from "../sensor/workload-directory.ts";

export interface TraceContext {
  /** SPIFFE IDs, the default one first. */
  readonly identities: readonly string[];
  /** The registered entry of the first. */
  readonly workload: string;
  /** Why the identity is not known; empty when it is. */
  readonly identityProblem: string;
  /** RuntimePolicies that judge what it does, if the sensor runs. */
  readonly policies: readonly string[];
  /** Stored events of it, the oldest first. */
  readonly events: readonly (ProcessEvent | FileEvent | NetworkEvent | FindingEvent)[];
}

export interface TracedProcess {
  readonly pid: number;
  /** Nanoseconds since the epoch. */
  readonly startNs: bigint;
  readonly labels: Readonly<Record<string, string>>;
}

const RECENT = 10;
/** Of these, those of an earlier process with the number are left out. */
const SEARCHED = 200;
/** The system counts starts in hundredths of a second. */
const START_TOLERANCE_NS = 20_000_000n;

/** Never rejects: what cannot be known is empty. */
export async function readTraceContext(process: TracedProcess, settings: Configuration["values"]): Promise<TraceContext> {
  const [identity, policies] = await Promise.all([identityOf(process.pid, settings), policiesOf(process, settings)]);
  return { ...identity, policies, events: recentEvents(process, settings) };
}

async function identityOf(
  pid: number,
  settings: Configuration["values"],
): Promise<Pick<TraceContext, "identities" | "workload" | "identityProblem">> {
  const agent = identifyByAgent(agentSocket(settings["state.directory"], settings));
  try {
    const [found] = await agent.identify([pid]);
    return { identities: found?.spiffeIds ?? [], workload: found?.workload ?? "", identityProblem: "" };
  } catch (error) {
    return { identities: [], workload: "", identityProblem: messageOf(error) };
  } finally {
    await agent.close();
  }
}

async function policiesOf({ labels }: TracedProcess, settings: Configuration["values"]): Promise<readonly string[]> {
  const stated = settings["runtime.rules"];
  if (stated.includes("none")) return [];
  const { documents } = await readManifestTree(rulePaths(stated), { without: TEST_FOLDERS });
  return documents.flatMap((document) => {
    const parsed = parseRuntimePolicy(document);
    return parsed.kind === "runtime" && selects(parsed.resource.match.workloads, labels) ? [parsed.resource.metadata.name] : [];
  });
}

function recentEvents({ pid, startNs }: TracedProcess, settings: Configuration["values"]): TraceContext["events"] {
  try {
    const stored = readEvents(join(settings["state.directory"], EVENTS_FOLDER), { pid, sinceNs: startNs - START_TOLERANCE_NS }, SEARCHED);
    const own = stored.filter(
      (event) => event.kind === "process" || event.kind === "file" || event.kind === "network" || event.kind === "finding",
    );
    return own.slice(-RECENT);
  } catch {
    return []; // The store is another user's.
  }
}

export const contextJson = ({ events, ...context }: TraceContext): object => ({ ...context, events: events.map(eventToJson) });

/** One line for each event. */
export const contextLines = ({ events }: TraceContext): readonly string[] => events.map(compactLine);
