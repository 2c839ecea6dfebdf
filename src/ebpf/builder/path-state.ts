/** What is known on the path that leads to the current statement. */
import { EbpfError } from "../ebpf-error.ts";
import type { SourcePosition } from "../instruction.ts";

/** A ring record that was reserved: it must be submitted or discarded once on each path. */
export interface HeldRecord {
  readonly ring: string;
  readonly reservedAt: SourcePosition;
}

export class PathState {
  readonly #held: Set<HeldRecord>;
  /** Memory, or parts of it, that has been written. */
  readonly #written: Map<object, ReadonlySet<string>>;

  constructor(held: Iterable<HeldRecord> = [], written: Iterable<readonly [object, ReadonlySet<string>]> = []) {
    this.#held = new Set(held);
    this.#written = new Map(written);
  }

  copy(): PathState {
    return new PathState(this.#held, this.#written);
  }

  get held(): readonly HeldRecord[] {
    return [...this.#held];
  }

  hold(record: HeldRecord): void {
    this.#held.add(record);
  }

  isHeld(record: HeldRecord): boolean {
    return this.#held.has(record);
  }

  release(record: HeldRecord): void {
    this.#held.delete(record);
  }

  write(memory: object, part: string): void {
    this.#written.set(memory, new Set<string>([...(this.#written.get(memory) ?? []), part]));
  }

  isWritten(memory: object, part: string): boolean {
    return this.#written.get(memory)?.has(part) === true;
  }

  /** What is known where two paths meet. Throws `EBPF_RECORD` when a record is released on one of them alone. */
  meet(other: PathState): PathState {
    for (const record of [...this.#held, ...other.#held])
      if (this.#held.has(record) !== other.#held.has(record))
        throw new EbpfError("EBPF_RECORD", `a record of \`${record.ring}\` is submitted or discarded on one path, and not on another`, {
          source: record.reservedAt,
          hint: "submit or discard it on both",
        });
    const both: [object, ReadonlySet<string>][] = [];
    for (const [memory, parts] of this.#written) both.push([memory, new Set([...parts].filter((part) => other.isWritten(memory, part)))]);
    return new PathState(this.#held, both);
  }
}
