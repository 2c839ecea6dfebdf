/**
 * ELF files for x86-64 (System V ABI, chapters 4 and 5; LSB for .eh_frame_hdr), as far as the search for system calls needs them.
 * UNTRUSTED: every offset is checked against the file; what is damaged reads as absent.
 */
import { err, ok, type Result } from "../../lib/result.ts";

export interface Segment {
  readonly address: number;
  readonly offset: number;
  readonly size: number;
  readonly isExecutable: boolean;
}

export interface Relocation {
  /** Where the address is put. */
  readonly address: number;
  /** Of the symbol that it is the address of; empty where it is one of the file's own, `addend`. */
  readonly symbol: string;
  readonly addend: number;
}

export interface ElfFile {
  readonly bytes: Uint8Array;
  readonly entry: number;
  readonly segments: readonly Segment[];
  /** Functions that others may use: name to address. */
  readonly exported: ReadonlyMap<string, number>;
  readonly imported: readonly string[];
  readonly needed: readonly string[];
  readonly runPaths: readonly string[];
  readonly relocations: readonly Relocation[];
  /** Where functions begin, ascending, each once. */
  readonly functions: readonly number[];
  readonly initializers: { readonly address: number; readonly size: number } | undefined;
}

const MAX_ENTRIES = 2_000_000;
const PT = { load: 1, dynamic: 2, unwindTable: 0x6474_e550 } as const;
const DT = {
  needed: 1,
  strings: 5,
  symbols: 6,
  relocations: 7,
  relocationsSize: 8,
  runPathOld: 15,
  jumpRelocations: 23,
  jumpSize: 2,
  initArray: 25,
  initArraySize: 27,
  runPath: 29,
} as const;
const SHT_SYMTAB = 2;
const SHT_DYNSYM = 11;
const SYMBOL_BYTES = 24;
const RELOCATION_BYTES = 24;

/** The file, or why it cannot be read, as a clause. */
export function parseElf(bytes: Uint8Array): Result<ElfFile, string> {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  if (bytes.length < 64 || view.getUint32(0) !== 0x7f45_4c46) return err("it is no ELF file");
  if (view.getUint8(4) !== 2 || view.getUint8(5) !== 1 || view.getUint16(18, true) !== 62) return err("it is not for x86-64");
  const reader = new Reader(view);
  const headers = reader.programHeaders();
  const segments = headers
    .filter(({ type }) => type === PT.load)
    .map(({ address, offset, fileSize, flags }) => ({ address, offset, size: fileSize, isExecutable: (flags & 1) !== 0 }));
  const image = new Image(view, segments);
  const dynamic = readDynamic(
    image,
    headers.find(({ type }) => type === PT.dynamic),
  );
  const symbols = reader.symbols();
  const dynamicSymbols = reader.dynamicSymbols();
  const text = (tag: number): readonly string[] =>
    (dynamic.get(tag) ?? []).map((offset) => image.text((dynamic.get(DT.strings)?.[0] ?? 0) + offset));
  const first = (tag: number): number => dynamic.get(tag)?.[0] ?? 0;
  const functionsOf = [...symbols, ...dynamicSymbols]
    .filter(({ isFunction, address }) => isFunction && address !== 0)
    .map(({ address }) => address);
  const unwound = unwindStarts(image, headers.find(({ type }) => type === PT.unwindTable)?.address);
  const initSize = first(DT.initArraySize);
  return ok({
    bytes,
    entry: Number(view.getBigUint64(24, true)),
    segments,
    exported: new Map(
      dynamicSymbols.filter(({ isFunction, address }) => isFunction && address !== 0).map(({ name, address }) => [name, address]),
    ),
    imported: dynamicSymbols.filter(({ address, name }) => address === 0 && name !== "").map(({ name }) => name),
    needed: text(DT.needed),
    runPaths: [...text(DT.runPath), ...text(DT.runPathOld)].flatMap((paths) => paths.split(":")),
    relocations: [
      ...readRelocations(image, first(DT.relocations), first(DT.relocationsSize), dynamicSymbols),
      ...readRelocations(image, first(DT.jumpRelocations), first(DT.jumpSize), dynamicSymbols),
    ],
    functions: [...new Set([...functionsOf, ...unwound])].sort((a, b) => a - b),
    initializers: initSize === 0 ? undefined : { address: first(DT.initArray), size: initSize },
  });
}

interface ProgramHeader {
  readonly type: number;
  readonly flags: number;
  readonly offset: number;
  readonly address: number;
  readonly fileSize: number;
}

interface ElfSymbol {
  readonly name: string;
  readonly address: number;
  readonly isFunction: boolean;
}

/** Tables that lie at offsets of the file. */
class Reader {
  readonly #view: DataView;

  constructor(view: DataView) {
    this.#view = view;
  }

  #word(offset: number): number {
    return offset + 8 <= this.#view.byteLength ? Number(this.#view.getBigUint64(offset, true)) : 0;
  }

  #half(offset: number): number {
    return offset + 4 <= this.#view.byteLength ? this.#view.getUint32(offset, true) : 0;
  }

  programHeaders(): readonly ProgramHeader[] {
    const [start, size, count] = [this.#word(32), this.#view.getUint16(54, true), this.#view.getUint16(56, true)];
    return Array.from({ length: count }, (_, index) => {
      const at = start + index * size;
      return {
        type: this.#half(at),
        flags: this.#half(at + 4),
        offset: this.#word(at + 8),
        address: this.#word(at + 16),
        fileSize: this.#word(at + 32),
      };
    });
  }

  symbols(): readonly ElfSymbol[] {
    return this.#symbolTable(SHT_SYMTAB);
  }

  dynamicSymbols(): readonly ElfSymbol[] {
    return this.#symbolTable(SHT_DYNSYM);
  }

  #symbolTable(type: number): readonly ElfSymbol[] {
    const [start, size, count] = [this.#word(40), this.#view.getUint16(58, true), this.#view.getUint16(60, true)];
    const section = Array.from({ length: count }, (_, index) => start + index * size).find((at) => this.#half(at + 4) === type);
    if (section === undefined) return [];
    const strings = this.#word(start + this.#half(section + 40) * size + 24);
    const [offset, bytes] = [this.#word(section + 24), this.#word(section + 32)];
    const entries = Math.min(MAX_ENTRIES, Math.floor(Math.min(bytes, this.#view.byteLength - offset) / SYMBOL_BYTES));
    return Array.from({ length: Math.max(0, entries) }, (_, index) => {
      const at = offset + index * SYMBOL_BYTES;
      const kind = this.#view.getUint8(at + 4) & 0xf;
      const isDefined = this.#view.getUint16(at + 6, true) !== 0;
      // STT_FUNC, STT_GNU_IFUNC
      return {
        name: textAt(this.#view, strings + this.#half(at)),
        address: isDefined ? this.#word(at + 8) : 0,
        isFunction: kind === 2 || kind === 10,
      };
    });
  }
}

/** The file as it lies in memory. */
export class Image {
  readonly #view: DataView;
  readonly #segments: readonly Segment[];

  constructor(view: DataView, segments: readonly Segment[]) {
    this.#view = view;
    this.#segments = segments;
  }

  #offset(address: number, size: number): number | undefined {
    const segment = this.#segments.find((each) => address >= each.address && address + size <= each.address + each.size);
    const offset = segment === undefined ? undefined : segment.offset + address - segment.address;
    return offset === undefined || offset + size > this.#view.byteLength ? undefined : offset;
  }

  word(address: number): number {
    const offset = this.#offset(address, 8);
    return offset === undefined ? 0 : Number(this.#view.getBigInt64(offset, true));
  }

  half(address: number): number {
    const offset = this.#offset(address, 4);
    return offset === undefined ? 0 : this.#view.getInt32(offset, true);
  }

  text(address: number): string {
    const offset = this.#offset(address, 1);
    return offset === undefined ? "" : textAt(this.#view, offset);
  }
}

const MAX_NAME = 4096;

function textAt(view: DataView, offset: number): string {
  if (offset < 0 || offset >= view.byteLength) return "";
  const bytes = new Uint8Array(view.buffer, view.byteOffset + offset, Math.min(MAX_NAME, view.byteLength - offset));
  const end = bytes.indexOf(0);
  return Buffer.from(bytes.subarray(0, end === -1 ? 0 : end)).toString("latin1");
}

function readDynamic(image: Image, header: ProgramHeader | undefined): ReadonlyMap<number, readonly number[]> {
  const entries = new Map<number, number[]>();
  if (header === undefined) return entries;
  for (let at = header.address; at < header.address + Math.min(header.fileSize, 1 << 20); at += 16) {
    const tag = image.word(at);
    if (tag === 0) break;
    entries.set(tag, [...(entries.get(tag) ?? []), image.word(at + 8)]);
  }
  return entries;
}

/** GLOB_DAT, JUMP_SLOT and 64 name a symbol; RELATIVE and IRELATIVE an address of the file itself. */
const BY_SYMBOL = new Set([1, 6, 7]);
const BY_ADDRESS = new Set([8, 37]);

function readRelocations(image: Image, address: number, size: number, symbols: readonly ElfSymbol[]): readonly Relocation[] {
  const found: Relocation[] = [];
  const count = Math.min(MAX_ENTRIES, Math.floor(size / RELOCATION_BYTES));
  for (let index = 0; index < count; index++) {
    const at = address + index * RELOCATION_BYTES;
    const type = image.half(at + 8);
    const symbol = symbols[image.half(at + 12)];
    if (BY_ADDRESS.has(type)) found.push({ address: image.word(at), symbol: "", addend: image.word(at + 16) });
    else if (BY_SYMBOL.has(type) && symbol !== undefined) found.push({ address: image.word(at), symbol: symbol.name, addend: 0 });
  }
  return found;
}

/** .eh_frame_hdr with the encoding that all linkers write: a sorted table of pairs, relative to its own beginning. */
function unwindStarts(image: Image, address: number | undefined): readonly number[] {
  const TABLE_RELATIVE = 0x3b;
  if (address === undefined || image.half(address) >>> 24 !== TABLE_RELATIVE) return [];
  const count = Math.min(MAX_ENTRIES, image.half(address + 8) >>> 0);
  return Array.from({ length: count }, (_, index) => address + image.half(address + 12 + index * 8));
}
