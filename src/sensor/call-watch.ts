/** The programs on system calls, as long as somebody wants calls told. */
import { attachRawTracepoint } from "../ebpf/kernel/attach.ts";
import { type Collection, loadCollection } from "../ebpf/kernel/collection.ts";
import type { LoadedMap } from "../ebpf/kernel/loaded-map.ts";
import type { RecordHandler } from "../ebpf/kernel/ring-buffer.ts";
import type { RingReader } from "../ebpf/kernel/ring-reader.ts";
import type { MapSpec } from "../ebpf/map-spec.ts";
import type { CountedRing } from "./programs/assembly.ts";
import type { CallPrograms } from "./programs/call-programs.ts";
import { type CallPlan, planOf } from "./programs/call-record.ts";
import type { CallRow } from "./programs/call-table.ts";

export interface CallWatchOptions {
  readonly ownPid: number;
  /** Reads the ring of files, too, as long as calls are watched. */
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

  /** Loads the programs and attaches the one on the end of calls. `given` are the rings of processes and the network, which others own. */
  constructor(
    programs: CallPrograms,
    given: ReadonlyMap<MapSpec, LoadedMap>,
    file: CountedRing,
    { ownPid, reader, onRecord }: CallWatchOptions,
  ) {
    this.#programs = programs;
    this.#ownPid = ownPid;
    using starting = new DisposableStack();
    const { enter, exit, scope } = programs;
    this.collection = starting.use(loadCollection({ programs: [enter, exit], maps: [file.ring, file.losses] }, { given }));
    this.collection.keyed(scope).set(0, { ownPid, isLimited: 0 });
    const source = { map: this.collection.map(file.ring), losses: this.collection.perCpu(file.losses), onRecord };
    starting.use(reader.add([source]));
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
