/** Writes BTF: what maps and programs tell the kernel about their own types. */
import { BTF_KINDS, type BtfKind } from "./type.ts";

const MAGIC = 0xeb9f;
const HEADER_SIZE = 24;

/** How an integer of BTF is shown: bits of its encoding. */
const SIGNED = 0x0100_0000;
const BOOLEAN = 0x0400_0000;

/** A member of a struct, or a parameter of a function. */
interface Named {
  readonly name: string;
  readonly type: number;
}

/** Collects types; each method gives the id of what it adds. */
export class BtfWriter {
  readonly #types: number[] = [];
  #count = 0;
  readonly #strings: Buffer[] = [Buffer.of(0)];
  #stringBytes = 1;
  readonly #offsets = new Map<string, number>([["", 0]]);

  /** The offset of a text among the strings. */
  text(value: string): number {
    const known = this.#offsets.get(value);
    if (known !== undefined) return known;
    if (value.includes("\0")) throw new RangeError("expected a text without NUL");
    const offset = this.#stringBytes;
    const bytes = Buffer.from(`${value}\0`);
    this.#strings.push(bytes);
    this.#stringBytes += bytes.length;
    this.#offsets.set(value, offset);
    return offset;
  }

  integer(name: string, size: 1 | 2 | 4 | 8, encoding: "unsigned" | "signed" | "boolean"): number {
    const shown = encoding === "signed" ? SIGNED : encoding === "boolean" ? BOOLEAN : 0;
    return this.#add("int", name, 0, size, [shown | (size * 8)]);
  }

  pointer(type: number): number {
    return this.#add("pointer", "", 0, type, []);
  }

  /** `index` is the id of an integer. */
  array(element: number, index: number, length: number): number {
    return this.#add("array", "", 0, 0, [element, index, length]);
  }

  struct(name: string, size: number, members: readonly (Named & { readonly offset: number })[]): number {
    const words = members.flatMap((member) => [this.text(member.name), member.type, member.offset * 8]);
    return this.#add("struct", name, members.length, size, words);
  }

  /** A function that only its own program calls. */
  staticFunction(name: string, returns: number, parameters: readonly Named[]): number {
    const words = parameters.flatMap((parameter) => [this.text(parameter.name), parameter.type]);
    const prototype = this.#add("prototype", "", parameters.length, returns, words);
    return this.#add("function", name, 0, prototype, []);
  }

  #add(kind: BtfKind, name: string, elements: number, sizeOrType: number, words: readonly number[]): number {
    this.#types.push(this.text(name), (BTF_KINDS.indexOf(kind) << 24) | elements, sizeOrType, ...words);
    this.#count++;
    return this.#count;
  }

  /** The data, as the kernel takes it. */
  encode(): Uint8Array {
    const typeBytes = this.#types.length * 4;
    const data = new Uint8Array(HEADER_SIZE + typeBytes + this.#stringBytes);
    const view = new DataView(data.buffer);
    view.setUint16(0, MAGIC, true);
    view.setUint8(2, 1);
    for (const [index, word] of [HEADER_SIZE, 0, typeBytes, typeBytes, this.#stringBytes].entries())
      view.setUint32(4 + 4 * index, word, true);
    for (const [index, word] of this.#types.entries()) view.setUint32(HEADER_SIZE + 4 * index, word >>> 0, true);
    data.set(Buffer.concat(this.#strings), HEADER_SIZE + typeBytes);
    return data;
  }
}
