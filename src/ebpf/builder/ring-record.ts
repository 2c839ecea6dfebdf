import { EbpfError } from "../ebpf-error.ts";
import type { Layout } from "../layout.ts";
import type { Expression } from "./expression.ts";
import { Memory, type Region, type Statements } from "./memory.ts";

/** `BPF_RB_NO_WAKEUP` and `BPF_RB_FORCE_WAKEUP`. */
const WAKE_UP = { default: 0, never: 1, always: 2 } as const;

/** A record of a ring buffer that only this program has, until it is submitted or discarded. */
export class RingRecord<T> extends Memory<T> {
  readonly #statements: Statements;
  readonly #release: (how: "submit" | "discard", flags: number) => void;

  /** `Code.reserve` makes them. */
  constructor(
    code: Statements,
    layout: Layout<T>,
    base: Expression,
    region: Region,
    release: (how: "submit" | "discard", flags: number) => void,
  ) {
    super(code, layout, base, region);
    this.#statements = code;
    this.#release = release;
  }

  /** Gives the record to the reader, and wakes it up when it waits. Throws `EBPF_UNINITIALISED` when a field was not set. */
  submit(wakeUp: keyof typeof WAKE_UP = "default"): void {
    this.#statements.begin();
    this.#checkFields();
    this.#end("submit", WAKE_UP[wakeUp]);
  }

  /** Gives the record back; the reader does not see it. */
  discard(): void {
    this.#statements.begin();
    this.#end("discard", WAKE_UP.never);
  }

  #end(how: "submit" | "discard", flags: number): void {
    if (!this.#statements.emitter.isReachable) return;
    // Throws when it was given away before.
    this.markWritten();
    this.#release(how, flags);
  }

  /** The kernel does not clear records: what is not set would show what an earlier record said. */
  #checkFields(): void {
    const { layout, region } = this;
    const { state, emitter } = this.#statements;
    if (region.written === undefined || !emitter.isReachable || state.isWritten(region.written, "")) return;
    const names = layout.kind === "struct" ? Object.keys(layout.fields) : [""];
    const { written } = region;
    const missing = names.filter((name) => !state.isWritten(written, name));
    if (missing.length > 0)
      throw new EbpfError("EBPF_UNINITIALISED", `the record is submitted without ${missing.map((name) => `\`${name}\``).join(", ")}`, {
        source: emitter.source,
        hint: "set each field, or `clear` the record first",
      });
  }
}
