/** The stream of one agent: the full state, then what changed, as it changes. */
import { setImmediate } from "node:timers/promises";
import { create, toBinary } from "@bufbuild/protobuf";
import { EncodedMessage } from "../../grpc/encoded-message.ts";
import { frameMessage } from "../../grpc/message-frame.ts";
import { SyncResponseSchema } from "../generated/vigil/authority/v1/authority_pb.ts";
import type { Authority, Shared } from "./authority.ts";
import { bundlesMessage, denialsMessage, encodedEntry } from "./authority-message.ts";
import { type Entry, isServedBy } from "./entry.ts";

/** Of the entries in one message: clients take 4 MiB. */
const MAX_PART_BYTES = 2 * 1024 * 1024;

/** Ends when the signal aborts. What changes while a message waits to be sent is told once, in its last form. */
export async function* syncStream(
  authority: Authority,
  agentId: string,
  signal: AbortSignal,
): AsyncGenerator<EncodedMessage, void, undefined> {
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
async function* messagesBetween(
  authority: Authority,
  before: Told | undefined,
  after: Told,
): AsyncGenerator<EncodedMessage, void, undefined> {
  const known = before?.entries;
  const changed = [...after.entries.values()].filter((entry) => known?.get(entry.id) !== entry);
  const removed = known === undefined ? [] : [...known.keys()].filter((id) => !after.entries.has(id));
  const { documents, taintedIds, denials, revision } = after.shared;
  // What is active changes with neither documents nor taints, and agents need not know at once: it comes with the next of these.
  const tellsBundles = before?.shared.documents !== documents || before.shared.taintedIds !== taintedIds;
  const tellsDenials = before?.shared.denials !== denials;
  if (before !== undefined && changed.length === 0 && removed.length === 0 && !tellsBundles && !tellsDenials) return;
  const news = create(SyncResponseSchema, {
    isFull: before === undefined,
    ...(tellsBundles ? { bundles: bundlesMessage(authority) } : {}),
    ...(tellsDenials ? { denials: denialsMessage(denials) } : {}),
  });
  let part: Uint8Array[] = [toBinary(SyncResponseSchema, news)];
  let bytes = 0;
  for (const field of fieldsOf(removed, changed)) {
    if (bytes + field.length > MAX_PART_BYTES && bytes > 0) {
      yield messageOf(part, { revision, continues: true });
      // Thousands of entries take a while to encode: whoever else calls is answered meanwhile.
      await setImmediate();
      [part, bytes] = [[], 0];
    }
    part.push(field);
    bytes += field.length;
  }
  yield messageOf(part, { revision, continues: false });
}

function* fieldsOf(removed: readonly string[], changed: readonly Entry[]): Generator<Uint8Array, void, undefined> {
  for (const id of removed) yield toBinary(SyncResponseSchema, create(SyncResponseSchema, { removedEntryIds: [id] }));
  for (const entry of changed) yield encodedEntry(entry);
}

/** Protobuf joins messages by joining their octets; lists grow. */
const messageOf = (part: readonly Uint8Array[], last: { readonly revision: bigint; readonly continues: boolean }): EncodedMessage =>
  new EncodedMessage(frameMessage(Buffer.concat([...part, toBinary(SyncResponseSchema, create(SyncResponseSchema, last))])));
