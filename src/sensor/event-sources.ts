/**
 * Where the sensor gets events from: hooks that are passed seldom wherever they tell enough, and system calls, for which every call of the
 * host pays, only where nothing else does.
 */
import { callsOf, RUNTIME_EVENTS, type RuntimeEventName } from "../resource/runtime-event-name.ts";
import { CALL_ROWS } from "./programs/call-table.ts";
import type { HookKind } from "./programs/record-layouts.ts";

/** What a source other than system calls can tell of an event. */
type OtherSource =
  /** All of it. */
  | { readonly kind: "scheduler" }
  | { readonly kind: "hook"; readonly hook: HookKind }
  /** That it is attempted, by the capability that the kernel asks for in the call; what came of it is not known. */
  | { readonly kind: "attempt"; readonly isEach: boolean };

const OTHER_SOURCES: Readonly<Partial<Record<RuntimeEventName, OtherSource>>> = {
  "process.exec": { kind: "scheduler" },
  "process.end": { kind: "scheduler" },
  "process.signal": { kind: "hook", hook: "signal" },
  "process.capability": { kind: "hook", hook: "capability" },
  "network.connect": { kind: "hook", hook: "connect" },
  "network.bind": { kind: "hook", hook: "bind" },
  "network.listen": { kind: "hook", hook: "listen" },
  // These always ask for a capability.
  "process.module": { kind: "attempt", isEach: true },
  "process.bpf": { kind: "attempt", isEach: true },
  // These do where it matters: to mount, to enter or make namespaces, to become another user, to open raw and packet sockets.
  "process.mount": { kind: "attempt", isEach: false },
  "process.namespace": { kind: "attempt", isEach: false },
  "process.credentials": { kind: "attempt", isEach: false },
  "network.socket": { kind: "attempt", isEach: false },
};

export interface WantedEvents {
  readonly events: Iterable<RuntimeEventName>;
  /** System calls that are wanted by name, as rules of Falco want them: with all that only their return tells. */
  readonly calls: Iterable<string>;
  /** Whether programs may be attached to system calls. */
  readonly mayWatchCalls: boolean;
  /** Whether the kernel says when it asks for a capability (Linux 6.13); it does unless this says otherwise. */
  readonly tellsCapabilities?: boolean;
  /** Whether a cgroup2 is mounted, at whose root connections are seen; one is unless this says otherwise. */
  readonly hasCgroups?: boolean;
}

export interface EventSources {
  readonly hooks: ReadonlySet<HookKind>;
  /** Calls told when the kernel asks for a capability in them. */
  readonly attempts: readonly string[];
  /** Calls told when they return. Not empty: every call of the host pays. */
  readonly calls: readonly string[];
  /** Events that only calls can tell, and which therefore are not told. */
  readonly untold: readonly RuntimeEventName[];
  /** Events of which it is told only that they are attempted with a capability. */
  readonly attempted: readonly RuntimeEventName[];
  /** Calls that the sensor cannot tell of. */
  readonly unknown: readonly string[];
}

/** Events that come from the scheduler, under the names of their calls. */
const SCHEDULER_CALLS: ReadonlySet<string> = new Set(["execve", "execveat", "clone", "clone3", "fork", "vfork", "procexit"]);

const callsOfEvent = (name: RuntimeEventName): readonly string[] => callsOf(new Set([name]));

/** Which sources tell what is wanted. */
export function sourcesOf({ events, calls, mayWatchCalls, tellsCapabilities = true, hasCgroups = true }: WantedEvents): EventSources {
  const otherOf = (name: RuntimeEventName): OtherSource | undefined => {
    const other = OTHER_SOURCES[name];
    const needsCapabilities = other?.kind === "attempt" || (other?.kind === "hook" && other.hook === "capability");
    const needsCgroups = other?.kind === "hook" && (other.hook === "connect" || other.hook === "bind");
    return (needsCapabilities && !tellsCapabilities) || (needsCgroups && !hasCgroups) ? undefined : other;
  };
  const named = [...new Set(calls)].filter((call) => !SCHEDULER_CALLS.has(call));
  const wanted = new Set(events);
  const ordered = RUNTIME_EVENTS.filter((name) => wanted.has(name));
  const needsCalls = (name: RuntimeEventName): boolean => {
    const other = otherOf(name);
    return other === undefined || (other.kind === "attempt" && !other.isEach);
  };
  const watched = mayWatchCalls ? named.filter((call) => CALL_ROWS.has(call)) : [];
  const areCallsWatched = mayWatchCalls && (watched.length > 0 || ordered.some(needsCalls));
  const hooks = new Set<HookKind>();
  const byCall = new Set<string>(watched);
  const attempts = new Set<string>();
  const untold: RuntimeEventName[] = [];
  const attempted: RuntimeEventName[] = [];
  for (const name of ordered) {
    const other = otherOf(name);
    const own = callsOfEvent(name);
    if (other?.kind === "scheduler") continue;
    // What a rule of Falco wants told by its return is not told twice.
    if (other?.kind === "hook" && !own.some((call) => byCall.has(call))) hooks.add(other.hook);
    else if (areCallsWatched && own.length > 0) for (const call of own) byCall.add(call);
    else if (other?.kind === "attempt") {
      for (const call of own) attempts.add(call);
      attempted.push(name);
    } else untold.push(name);
  }
  return {
    hooks,
    attempts: [...attempts].filter((call) => (CALL_ROWS.get(call)?.capabilities.length ?? 0) > 0),
    calls: [...byCall],
    untold,
    attempted,
    unknown: named.filter((call) => !CALL_ROWS.has(call)),
  };
}
