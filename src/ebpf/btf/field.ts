/** Fields of the kernel's structs by path, as in `real_parent.tgid` or `nsproxy.mnt_ns.ns.inum`. */
import { EbpfError } from "../ebpf-error.ts";
import type { Btf } from "./btf.ts";
import type { BtfMember } from "./type.ts";

/** Where the end of a path lies once all pointers on the way have been followed. */
export interface BtfField {
  /** Offsets at which pointers are read, one after the other, before `offset` is meant. */
  readonly pointers: readonly number[];
  /** Bytes from where the last pointer leads. */
  readonly offset: number;
  /** Bytes. */
  readonly size: number;
  /** The type, behind typedefs and qualifiers. */
  readonly type: number;
  readonly isSigned: boolean;
  /** Only bit fields have bits: their place, counted from the lowest bit at `offset`, which is aligned to `size`. */
  readonly bits?: { readonly shift: number; readonly width: number };
}

interface Step {
  readonly name: string;
  readonly indexes: readonly number[];
}

const MAX_PATH = 16;
const MAX_ANONYMOUS_DEPTH = 16;

function parsePath(path: string): readonly Step[] {
  const steps = path.split(".").map((part) => {
    const match = /^(?<name>[A-Za-z_]\w*)(?<indexes>(?:\[\d{1,9}\])*)$/.exec(part);
    if (match?.groups === undefined) throw new RangeError(`expected a path like \`a.b[0].c\`, got \`${path.slice(0, 200)}\``);
    const indexes = [...(match.groups["indexes"] ?? "").matchAll(/\d+/g)].map(([digits]) => Number(digits));
    return { name: match.groups["name"] ?? "", indexes };
  });
  if (steps.length > MAX_PATH) throw new RangeError(`expected a path of at most ${MAX_PATH} steps, got ${steps.length}`);
  return steps;
}

interface Member extends BtfMember {
  readonly bitOffset: number;
}

/** The member of a struct or union, also of its anonymous members, with its offset from the start of the whole. */
function memberOf(btf: Btf, id: number, name: string, depth = 0): Member | undefined {
  const type = btf.type(id);
  if ((type.kind !== "struct" && type.kind !== "union") || depth > MAX_ANONYMOUS_DEPTH) return undefined;
  for (const member of type.members) {
    if (member.name === name) return member;
    if (member.name !== "") continue;
    const inner = memberOf(btf, btf.resolve(member.type), name, depth + 1);
    if (inner !== undefined) return { ...inner, bitOffset: inner.bitOffset + member.bitOffset };
  }
  return undefined;
}

function nameOf(btf: Btf, id: number): string {
  const type = btf.type(id);
  return "name" in type && type.name !== "" ? type.name : `an unnamed ${type.kind}`;
}

/**
 * The field at the end of a path from a struct. Pointers on the way are followed, one that ends the path is the field.
 *
 * Throws `EBPF_BTF_NAME` when this kernel has no such field.
 */
export function fieldOf(btf: Btf, structId: number, path: string): BtfField {
  const pointers: number[] = [];
  let id = btf.resolve(structId);
  let offset = 0;
  let bits: BtfField["bits"];
  let width = 0;
  for (const { name, indexes } of parsePath(path)) {
    if (bits !== undefined) throw noField(btf, id, name, path);
    if (btf.kindOf(id) === "pointer") {
      pointers.push(offset);
      offset = 0;
      id = pointee(btf, id);
    }
    const member = memberOf(btf, id, name);
    if (member === undefined) throw noField(btf, id, name, path);
    id = btf.resolve(member.type);
    if (member.bitSize > 0) ({ offset, width, bits } = bitField(offset * 8 + member.bitOffset, member.bitSize, btf.sizeOf(id)));
    else offset += member.bitOffset >>> 3;
    for (const index of indexes) ({ id, offset } = element(btf, id, offset, index, path));
  }
  const size = bits === undefined ? btf.sizeOf(id) : width;
  const type = btf.type(id);
  return { pointers, offset, size, type: id, isSigned: "isSigned" in type && type.isSigned, ...(bits === undefined ? {} : { bits }) };
}

/** The type that a pointer leads to. */
function pointee(btf: Btf, id: number): number {
  const type = btf.type(id);
  return type.kind === "pointer" ? btf.resolve(type.type) : 0;
}

function element(btf: Btf, id: number, offset: number, index: number, path: string): { readonly id: number; readonly offset: number } {
  const type = btf.type(id);
  // A last member of length 0 or 1 may be one of any length.
  if (type.kind !== "array" || (type.length > 1 && index >= type.length))
    throw new EbpfError("EBPF_BTF_NAME", `\`${path}\` has no element ${index}: it is ${type.kind === "array" ? type.length : "no array"}`);
  return { id: btf.resolve(type.element), offset: offset + index * btf.sizeOf(type.element) };
}

/** A load of the declared type, aligned to it, that has all of the bits; a wider one where they cross its border. */
function bitField(
  at: number,
  bitSize: number,
  declaredSize: number,
): { offset: number; width: number; bits: { shift: number; width: number } } {
  for (let width = Math.min(Math.max(declaredSize, 1), 8); width <= 8; width *= 2) {
    const offset = Math.floor(at / (8 * width)) * width;
    const shift = at - offset * 8;
    if (shift + bitSize <= width * 8) return { offset, width, bits: { shift, width: bitSize } };
  }
  throw new EbpfError("EBPF_BTF", `a bit field of ${bitSize} bits at ${at} crosses 64 bits`);
}

function noField(btf: Btf, id: number, name: string, path: string): EbpfError {
  return new EbpfError(
    "EBPF_BTF_NAME",
    `this kernel has no field \`${name}\` in \`${nameOf(btf, id)}\`, asked for by \`${path.slice(0, 200)}\``,
    {
      hint: "fields move between versions; ask with `hasField` and take what there is",
    },
  );
}

/** Whether this kernel has a field. */
export function hasField(btf: Btf, structName: string, path: string): boolean {
  const id = btf.find(structName).find((candidate) => ["struct", "union"].includes(btf.kindOf(candidate)));
  if (id === undefined) return false;
  try {
    fieldOf(btf, id, path);
    return true;
  } catch (error) {
    if (error instanceof EbpfError && error.code === "EBPF_BTF_NAME") return false;
    throw error;
  }
}
