/**
 * BTF: the types of a kernel, or of a module on top of those of its kernel.
 *
 * Reading costs one pass over the headers of types; the first name that is asked for costs another one over the names. Nothing is
 * decoded or copied but what is asked for: the kernel's 5 MB are ready in milliseconds, and no cache of offsets is needed.
 */
import { EbpfError } from "../ebpf-error.ts";
import { BTF_KINDS, type BtfKind, type BtfMember, type BtfParameter, type BtfType } from "./type.ts";

const MAGIC = 0xeb9f;
const HEADER_SIZE = 24;
const TYPE_SIZE = 12;
export const MAX_BTF_BYTES = 0x800_0000;
const MAX_TYPES = 1 << 22;
/** Typedefs and qualifiers in a row; the kernel itself allows 32 nested types. */
const MAX_CHAIN = 64;
const NUL = 0;

/** By the number of its kind: bytes that follow the header of a type besides those of its elements, and those of each element. */
const FIXED_BYTES = Uint8Array.of(0, 4, 0, 12, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 4, 0, 0, 4, 0, 0);
const ELEMENT_BYTES = Uint8Array.of(0, 0, 0, 0, 12, 12, 8, 0, 0, 0, 0, 0, 0, 8, 0, 12, 0, 0, 0, 12);

/** Types, by id and by name. */
export class Btf {
  /** Types with ids below it are those of `base`. */
  readonly firstId: number;
  readonly typeCount: number;
  readonly #base: Btf | undefined;
  readonly #view: DataView;
  /** The place of each type of its own. */
  readonly #places: Uint32Array;
  readonly #names: Uint32Array;
  readonly #strings: Buffer;
  readonly #stringsStart: number;
  /** What was asked for: programs ask for the same few structs again and again. */
  readonly #types = new Map<number, BtfType>();
  readonly #found = new Map<string, readonly number[]>();
  #index: NameIndex | undefined;

  /** `parseBtf` makes them. */
  constructor(view: DataView, strings: Buffer, places: Uint32Array, base: Btf | undefined) {
    this.#view = view;
    this.#strings = strings;
    this.#places = places;
    this.#base = base;
    this.firstId = base?.typeCount ?? 1;
    this.typeCount = this.firstId + places.length;
    this.#stringsStart = base?.stringsEnd ?? 0;
    this.#names = new Uint32Array(places.length);
    for (let index = 0; index < places.length; index++) this.#names[index] = view.getUint32(places[index] ?? 0, true);
  }

  /** Where the strings of a module begin. */
  get stringsEnd(): number {
    return this.#stringsStart + this.#strings.length;
  }

  /** The ids of all types of a name, those of the kernel before those of a module. */
  find(name: string): readonly number[] {
    const known = this.#found.get(name);
    if (known !== undefined) return known;
    const found: number[] = this.#base === undefined ? [] : [...this.#base.find(name)];
    if (name !== "" && !name.includes("\0")) {
      const wanted = Buffer.from(name);
      this.#index ??= this.#indexNames();
      const { heads, next } = this.#index;
      for (let at = heads[hashOf(wanted, 0) & (heads.length - 1)] ?? 0; at !== 0; at = next[at - 1] ?? 0)
        if (this.#isAt(wanted, this.#names[at - 1] ?? 0)) found.push(this.firstId + at - 1);
    }
    this.#found.set(name, found);
    return found;
  }

  /** The id of the one type of a name and a kind. Throws `EBPF_BTF_NAME` when the kernel has none. */
  idOf(name: string, ...kinds: readonly BtfKind[]): number {
    const id = this.find(name).find((candidate) => kinds.includes(this.kindOf(candidate)));
    if (id === undefined)
      throw new EbpfError("EBPF_BTF_NAME", `this kernel has no ${kinds.join(" or ")} \`${name.slice(0, 100)}\``, {
        hint: "it may have another name in this version, or its part of the kernel is not built in",
      });
    return id;
  }

  /** All types by their names, in their order. */
  #indexNames(): NameIndex {
    const names = this.#names;
    const heads = new Int32Array(1 << Math.max(4, Math.ceil(Math.log2(names.length + 1))));
    const next = new Int32Array(names.length);
    for (let index = names.length - 1; index >= 0; index--) {
      const offset = names[index] ?? 0;
      const isOwn = offset >= this.#stringsStart;
      const strings = isOwn ? this.#strings : this.#base?.stringsAt(offset);
      if (strings === undefined) continue;
      const bucket = hashOf(strings, isOwn ? offset - this.#stringsStart : 0) & (heads.length - 1);
      next[index] = heads[bucket] ?? 0;
      heads[bucket] = index + 1;
    }
    return { heads, next };
  }

  /** The bytes from a place in the strings on. */
  stringsAt(offset: number): Buffer {
    if (offset < this.#stringsStart && this.#base !== undefined) return this.#base.stringsAt(offset);
    return this.#strings.subarray(offset - this.#stringsStart);
  }

  #isAt(wanted: Buffer, offset: number): boolean {
    const strings = this.stringsAt(offset);
    return strings[wanted.length] === NUL && strings.subarray(0, wanted.length).equals(wanted);
  }

  kindOf(id: number): BtfKind {
    if (id === 0) return "void";
    if (id < this.firstId && this.#base !== undefined) return this.#base.kindOf(id);
    return kindAt(this.#view, this.#placeOf(id));
  }

  /** A type. Throws `EBPF_BTF` when there is none of this id. */
  type(id: number): BtfType {
    if (id === 0) return { kind: "void" };
    if (id < this.firstId && this.#base !== undefined) return this.#base.type(id);
    let type = this.#types.get(id);
    if (type === undefined) {
      type = this.#decode(this.#placeOf(id));
      this.#types.set(id, type);
    }
    return type;
  }

  /** The id behind typedefs and qualifiers. */
  resolve(id: number): number {
    let resolved = id;
    for (let step = 0; step < MAX_CHAIN; step++) {
      const type = this.type(resolved);
      if (type.kind !== "typedef" && !isQualifier(type.kind)) return resolved;
      resolved = "type" in type ? type.type : 0;
    }
    throw new EbpfError("EBPF_BTF", `more than ${MAX_CHAIN} typedefs and qualifiers in a row`);
  }

  /** How many bytes a value of a type takes; 0 for what has no size. */
  sizeOf(id: number, depth = 0): number {
    if (depth > MAX_CHAIN) throw new EbpfError("EBPF_BTF", `types are nested more than ${MAX_CHAIN} deep`);
    const type = this.type(this.resolve(id));
    if (type.kind === "pointer") return 8;
    if (type.kind === "array") return type.length * this.sizeOf(type.element, depth + 1);
    return "size" in type ? type.size : 0;
  }

  #placeOf(id: number): number {
    const place = this.#places[id - this.firstId];
    if (place === undefined) throw new EbpfError("EBPF_BTF", `there is no type ${id} among ${this.typeCount}`);
    return place;
  }

  /** The text at an offset. */
  #text(offset: number): string {
    if (offset < this.#stringsStart && this.#base !== undefined) return this.#base.#text(offset);
    const at = offset - this.#stringsStart;
    const end = this.#strings.indexOf(0, at);
    if (at < 0 || end < 0) throw new EbpfError("EBPF_BTF", `a name stands beyond the strings, at ${offset}`);
    return this.#strings.toString("utf8", at, end);
  }

  #decode(place: number): BtfType {
    const view = this.#view;
    const kind = kindAt(view, place);
    const name = this.#text(view.getUint32(place, true));
    const info = view.getUint32(place + 4, true);
    const count = info & 0xffff;
    const flag = info >>> 31 === 1;
    const sizeOrType = view.getUint32(place + 8, true);
    const body = place + TYPE_SIZE;
    switch (kind) {
      case "void":
        return { kind };
      case "int": {
        const encoding = view.getUint32(body, true);
        return { kind, name, size: sizeOrType, bits: encoding & 0xff, isSigned: ((encoding >>> 24) & 1) === 1 };
      }
      case "pointer":
        return { kind, type: sizeOrType };
      case "array":
        return { kind, element: view.getUint32(body, true), length: view.getUint32(body + 8, true) };
      case "struct":
      case "union":
        return { kind, name, size: sizeOrType, members: this.#members(body, count, flag) };
      case "enum":
      case "enum64":
        return { kind, name, size: sizeOrType, isSigned: flag, values: this.#values(body, count, kind === "enum64", flag) };
      case "forward":
        return { kind, name };
      case "typedef":
      case "volatile":
      case "const":
      case "restrict":
      case "type_tag":
      case "function":
      case "variable":
      case "decl_tag":
        return { kind, name, type: sizeOrType };
      case "prototype":
        return { kind, returns: sizeOrType, parameters: this.#parameters(body, count) };
      case "section":
      case "float":
        return { kind, name, size: sizeOrType };
      default:
        return kind satisfies never;
    }
  }

  #members(body: number, count: number, hasBitFields: boolean): readonly BtfMember[] {
    return Array.from({ length: count }, (_, index) => {
      const at = body + 12 * index;
      const offset = this.#view.getUint32(at + 8, true);
      return {
        name: this.#text(this.#view.getUint32(at, true)),
        type: this.#view.getUint32(at + 4, true),
        bitOffset: hasBitFields ? offset & 0xff_ffff : offset,
        bitSize: hasBitFields ? offset >>> 24 : 0,
      };
    });
  }

  #values(body: number, count: number, isWide: boolean, isSigned: boolean): readonly { readonly name: string; readonly value: bigint }[] {
    return Array.from({ length: count }, (_, index) => {
      const at = body + (isWide ? 12 : 8) * index;
      const low = this.#view.getUint32(at + 4, true);
      const high = isWide ? this.#view.getUint32(at + 8, true) : 0;
      const bits = (BigInt(high) << 32n) | BigInt(low);
      return { name: this.#text(this.#view.getUint32(at, true)), value: isSigned ? BigInt.asIntN(isWide ? 64 : 32, bits) : bits };
    });
  }

  #parameters(body: number, count: number): readonly BtfParameter[] {
    return Array.from({ length: count }, (_, index) => ({
      name: this.#text(this.#view.getUint32(body + 8 * index, true)),
      type: this.#view.getUint32(body + 8 * index + 4, true),
    }));
  }
}

/** Types by the hash of their names, counted from one: the first of each, and who follows whom. */
interface NameIndex {
  readonly heads: Int32Array;
  readonly next: Int32Array;
}

/** Of the bytes up to the next NUL or the end (FNV-1a). */
function hashOf(bytes: Buffer, start: number): number {
  let hash = 0x811c_9dc5;
  for (let at = start; at < bytes.length; at++) {
    const byte = bytes[at] ?? NUL;
    if (byte === NUL) break;
    hash = Math.imul(hash ^ byte, 0x0100_0193);
  }
  return hash ^ (hash >>> 15);
}

/** Qualifiers change nothing about how a value lies in memory. */
const isQualifier = (kind: BtfKind): boolean => kind === "const" || kind === "volatile" || kind === "restrict" || kind === "type_tag";

function kindAt(view: DataView, place: number): BtfKind {
  const kind = (view.getUint32(place + 4, true) >>> 24) & 0x1f;
  // Kinds were checked when the data was read.
  return BTF_KINDS[kind] ?? "void";
}

const damaged = (message: string): EbpfError => new EbpfError("EBPF_BTF", message);

/**
 * The types in BTF data: of the kernel (`/sys/kernel/btf/vmlinux`), or with `base` of a module.
 * `data` is kept and must not change.
 *
 * Throws `EBPF_BTF` when it is damaged and `EBPF_BTF_LIMIT` when it is larger than any kernel's.
 */
export function parseBtf(data: Uint8Array, base?: Btf): Btf {
  // UNTRUSTED: maps and programs of others bring their own BTF.
  if (data.length > MAX_BTF_BYTES) throw new EbpfError("EBPF_BTF_LIMIT", `expected at most ${MAX_BTF_BYTES} bytes, got ${data.length}`);
  if (data.length < HEADER_SIZE) throw damaged(`expected a header of ${HEADER_SIZE} bytes, got ${data.length}`);
  const view = new DataView(data.buffer, data.byteOffset, data.byteLength);
  if (view.getUint16(0, true) !== MAGIC) throw damaged("the data does not begin as little-endian BTF does");
  if (view.getUint8(2) !== 1) throw damaged(`expected version 1, got ${view.getUint8(2)}`);
  const headerSize = view.getUint32(4, true);
  const types = section(headerSize, view.getUint32(8, true), view.getUint32(12, true), data.length);
  const strings = section(headerSize, view.getUint32(16, true), view.getUint32(20, true), data.length);
  const stringBytes = Buffer.from(data.buffer, data.byteOffset + strings.start, strings.end - strings.start);
  if (stringBytes.length === 0 ? base === undefined : stringBytes.at(-1) !== 0 || (base === undefined && stringBytes[0] !== 0))
    throw damaged("the strings do not begin and end with NUL");
  return new Btf(view, stringBytes, placesOf(view, types), base);
}

interface Section {
  readonly start: number;
  readonly end: number;
}

function section(headerSize: number, offset: number, length: number, total: number): Section {
  const start = headerSize + offset;
  if (headerSize < HEADER_SIZE || start + length > total) throw damaged(`a section reaches to ${start + length} of ${total} bytes`);
  return { start, end: start + length };
}

function placesOf(view: DataView, { start, end }: Section): Uint32Array {
  const places = new Uint32Array(Math.floor((end - start) / TYPE_SIZE));
  let count = 0;
  let at = start;
  while (at < end) {
    if (at + TYPE_SIZE > end) throw damaged("the last type is cut off");
    if (count >= MAX_TYPES) throw new EbpfError("EBPF_BTF_LIMIT", `expected at most ${MAX_TYPES} types`);
    const info = view.getUint32(at + 4, true);
    const kind = (info >>> 24) & 0x1f;
    if (kind === 0 || kind >= BTF_KINDS.length) throw damaged(`type ${count + 1} is of an unknown kind ${kind}`);
    places[count++] = at;
    at += TYPE_SIZE + (FIXED_BYTES[kind] ?? 0) + (ELEMENT_BYTES[kind] ?? 0) * (info & 0xffff);
  }
  if (at !== end) throw damaged("the last type is cut off");
  return places.slice(0, count);
}
