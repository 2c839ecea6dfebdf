/** The stream of one agent: the full state, then what changed, as it changes. */
import { create, toBinary } from "@bufbuild/protobuf";
import { EntrySchema, type SyncResponse, SyncResponseSchema } from "../generated/vigil/authority/v1/authority_pb.ts";
import type { Authority, Shared } from "./authority.ts";
import { bundlesMessage, denialsMessage, entryMessage } from "./authority-message.ts";
import { type Entry, isServedBy } from "./entry.ts";

/** Of the entries in one message: clients take 4 MiB. */
const MAX_PART_BYTES = 2 * 1024 * 1024;

/** Ends when the signal aborts. What changes while a message waits to be sent is told once, in its last form. */
export async function* syncStream(
  authority: Authority,
  agentId: string,
  signal: AbortSignal,
): AsyncGenerator<SyncResponse, void, undefined> {
  let wake: () => void = () => undefined;
  const stop = authority.onChange(() => wake());
  const onAbort = (): void => wake();
  signal.addEventListener("abort", onAbort);
  try {
    let told: Told | undefined;
    while (!signal.aborted) {
      const { shared } = authority;
      if (told?.shared !== shared) {
        const next: Told = { shared, entries: told?.shared.entries === shared.entries ? told.entries : entriesFor(shared, agentId) };
        yield* messagesBetween(authority, told, next);
        told = next;
        continue;
      }
      await new Promise<void>((resolve) => {
        wake = resolve;
        if (signal.aborted || authority.shared !== shared) resolve();
      });
    }
  } finally {
    stop();
    signal.removeEventListener("abort", onAbort);
  }
}

interface Told {
  readonly shared: Shared;
  /** Those that the agent may serve. */
  readonly entries: ReadonlyMap<string, Entry>;
}

const entriesFor = ({ entries }: Shared, agentId: string): ReadonlyMap<string, Entry> =>
  new Map([...entries].filter(([, entry]) => isServedBy(entry, agentId)));

/** What an agent that knows `before` must be told to know `after`; nothing when nothing of it concerns the agent. */
function* messagesBetween(authority: Authority, before: Told | undefined, after: Told): Generator<SyncResponse, void, undefined> {
  const known = before?.entries;
  const changed = [...after.entries.values()].filter((entry) => known?.get(entry.id) !== entry);
  const removed = known === undefined ? [] : [...known.keys()].filter((id) => !after.entries.has(id));
  const { documents, taintedIds, denials, revision } = after.shared;
  // What is active changes with neither documents nor taints, and agents need not know at once: it comes with the next of these.
  const tellsBundles = before?.shared.documents !== documents || before.shared.taintedIds !== taintedIds;
  const tellsDenials = before?.shared.denials !== denials;
  if (before !== undefined && changed.length === 0 && removed.length === 0 && !tellsBundles && !tellsDenials) return;
  const parts = [...partsOf(changed)];
  for (const [index, part] of parts.entries())
    yield create(SyncResponseSchema, {
      isFull: before === undefined && index === 0,
      entries: part.map(entryMessage),
      removedEntryIds: index === 0 ? removed : [],
      revision,
      continues: index < parts.length - 1,
      ...(index === 0 && tellsBundles ? { bundles: bundlesMessage(authority) } : {}),
      ...(index === 0 && tellsDenials ? { denials: denialsMessage(denials) } : {}),
    });
}

/** Entries in parts that fit into messages; at least one part. */
function* partsOf(entries: readonly Entry[]): Generator<readonly Entry[], void, undefined> {
  let part: Entry[] = [];
  let bytes = 0;
  for (const entry of entries) {
    const size = toBinary(EntrySchema, entryMessage(entry)).length;
    if (bytes + size > MAX_PART_BYTES && part.length > 0) {
      yield part;
      part = [];
      bytes = 0;
    }
    part.push(entry);
    bytes += size;
  }
  yield part;
}
