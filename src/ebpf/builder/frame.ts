/** The stack frame and the registers of one function, given out by blocks. */
import { EbpfError } from "../ebpf-error.ts";
import type { SourcePosition } from "../instruction.ts";
import type { Home } from "./expression.ts";

/** What the kernel allows all frames of a chain of calls together. */
export const MAX_STACK_BYTES = 512;
const SLOT = 8;

type SavedRegister = 6 | 7 | 8 | 9;

interface Block {
  isOpen: boolean;
  readonly registers: SavedRegister[];
  readonly areas: { readonly at: number; readonly slots: number }[];
}

export class Frame {
  readonly #free: SavedRegister[];
  /** By slot, from the top of the frame: whether it is in use. */
  readonly #used: boolean[] = [];
  readonly #blocks: Block[] = [];
  #depth = 0;

  constructor(free: readonly SavedRegister[]) {
    this.#free = [...free];
    this.enter();
  }

  /** Bytes that were in use at once, at most. */
  get depth(): number {
    return this.#depth * SLOT;
  }

  get block(): { isOpen: boolean } {
    return this.#current();
  }

  enter(): void {
    this.#blocks.push({ isOpen: true, registers: [], areas: [] });
  }

  /** Ends a block: what it held can be used again. */
  leave(): void {
    const block = this.#current();
    this.#blocks.pop();
    block.isOpen = false;
    this.#free.push(...block.registers);
    this.#free.sort();
    for (const { at, slots } of block.areas) this.#used.fill(false, at, at + slots);
  }

  /** A home for a value, in a register while there are any. */
  home(name: string, source: SourcePosition): Home {
    const block = this.#current();
    const register = this.#free.shift();
    if (register === undefined) return { kind: "slot", offset: this.area(SLOT, name, source), block, name };
    block.registers.push(register);
    return { kind: "register", register, block, name };
  }

  /** The offset from r10 of so many bytes, aligned to eight. Throws `EBPF_STACK` when the frame is full. */
  area(sizeBytes: number, name: string, source: SourcePosition): number {
    const slots = Math.ceil(sizeBytes / SLOT);
    // The lowest address of an area is its last slot: the frame grows down.
    let at = 0;
    while (this.#used.slice(at, at + slots).some(Boolean)) at++;
    const depth = (at + slots) * SLOT;
    if (depth > MAX_STACK_BYTES)
      throw new EbpfError("EBPF_STACK", `\`${name}\` needs ${slots * SLOT} bytes of stack, and of ${MAX_STACK_BYTES} too few are left`, {
        source,
        hint: "keep large values in a per-CPU array, or make them in a block of their own",
      });
    this.#used.length = Math.max(this.#used.length, at + slots);
    this.#used.fill(true, at, at + slots);
    this.#current().areas.push({ at, slots });
    this.#depth = Math.max(this.#depth, at + slots);
    return -depth;
  }

  #current(): Block {
    const block = this.#blocks.at(-1);
    if (block === undefined) throw new TypeError("the function has ended");
    return block;
  }
}
