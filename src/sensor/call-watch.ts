/** The programs on system calls, as long as somebody wants calls told. */
import { attachRawTracepoint } from "../ebpf/kernel/attach.ts";
import { type Collection, loadCollection } from "../ebpf/kernel/collection.ts";
import type { LoadedMap } from "../ebpf/kernel/loaded-map.ts";
import type { RecordHandler } from "../ebpf/kernel/ring-buffer.ts";
import type { RingReader } from "../ebpf/kernel/ring-reader.ts";
import type { MapSpec } from "../ebpf/map-spec.ts";
import type { CountedRing } from "./programs/assembly.ts";
import { type CallPlan, type CallPrograms, planOf } from "./programs/call-programs.ts";
import type { CallRing, CallRow } from "./programs/call-table.ts";

export interface CallWatchOptions {
  readonly ownPid: number;
  /** Reads the rings of files and the network, too, as long as calls are watched. */
  readonly reader: RingReader;
  readonly onRecord: RecordHandler;
}

const NONE: CallPlan = { ring: 0, isKept: 0, first: 0, firstDirectory: 0, second: 0, secondDirectory: 0, descriptor: 0, address: 0 };

export class CallWatch implements Disposable {
  readonly collection: Collection;
  readonly #programs: CallPrograms;
  readonly #owned: DisposableStack;
  readonly #ownPid: number;
  #entering: Disposable | undefined;
  #selected: ReadonlyMap<number, CallRow> = new Map();

  /** Loads the programs and attaches the one on the end of calls. `given` is the ring of processes, which others own. */
  constructor(
    programs: CallPrograms,
    given: ReadonlyMap<MapSpec, LoadedMap>,
    rings: Readonly<Record<CallRing, CountedRing>>,
    { ownPid, reader, onRecord }: CallWatchOptions,
  ) {
    this.#programs = programs;
    this.#ownPid = ownPid;
    using starting = new DisposableStack();
    const { enter, exit, scope } = programs;
    const maps = [rings.file, rings.network].flatMap(({ ring, losses }) => [ring, losses] as readonly MapSpec[]);
    this.collection = starting.use(loadCollection({ programs: [enter, exit], maps }, { given }));
    this.collection.keyed(scope).set(0, { ownPid, isLimited: 0 });
    const names = ["file", "network"] as const;
    const sources = names.map((name) => ({
      map: this.collection.map(rings[name].ring),
      losses: this.collection.perCpu(rings[name].losses),
      onRecord,
    }));
    starting.use(reader.add(sources));
    starting.use(attachRawTracepoint(this.collection.program(exit)));
    this.#owned = starting.move();
  }

  /** Exactly these calls are told of from now on. */
  select(rows: ReadonlyMap<number, CallRow>): void {
    const plans = this.collection.keyed(this.#programs.plans);
    for (const number of this.#selected.keys()) if (!rows.has(number)) plans.set(number, NONE);
    this.#selected = rows;
    const needsEntry = [...rows.values()].some(({ isKept }) => isKept);
    if (needsEntry) this.#entering ??= attachRawTracepoint(this.collection.program(this.#programs.enter));
    else {
      this.#entering?.[Symbol.dispose]();
      this.#entering = undefined;
    }
    for (const [number, row] of rows) plans.set(number, planOf(row));
  }

  /** Of these cgroups alone, or of all. */
  limit(cgroups: readonly bigint[] | undefined): void {
    const map = this.collection.keyed(this.#programs.cgroups);
    const wanted = new Set(cgroups);
    for (const [id] of [...map.entries()]) if (!wanted.has(id)) map.delete(id);
    for (const id of wanted) map.set(id, 1);
    this.collection.keyed(this.#programs.scope).set(0, { ownPid: this.#ownPid, isLimited: cgroups === undefined ? 0 : 1 });
  }

  [Symbol.dispose](): void {
    this.#entering?.[Symbol.dispose]();
    this.#owned.dispose();
  }
}
