/** Pointers to the kernel's own structs, read through their BTF. */
import type { Btf } from "../btf/btf.ts";
import { fieldOf } from "../btf/field.ts";
import { type Expression, Scalar, shifted } from "./expression.ts";

/** A pointer to a struct of the kernel; what it points to is read without asking whether it is there: what is not reads as zero. */
export class KernelPointer<Name extends string = string> {
  readonly btf: Btf;
  readonly typeId: number;
  readonly base: Expression;
  /** Only in types: pointers to different structs are told apart. */
  declare readonly structName: Name;

  /** Functions of `Code` make them. */
  constructor(btf: Btf, typeId: number, base: Expression) {
    this.btf = btf;
    this.typeId = typeId;
    this.base = base;
  }

  /** The number at the end of a path, as `real_parent.tgid`; a pointer there is its address. Throws `EBPF_BTF_NAME` when this kernel has none. */
  field(path: string): Scalar {
    const { base, offset, size, isSigned, bits } = this.#follow(path);
    if (size !== 1 && size !== 2 && size !== 4 && size !== 8) throw new TypeError(`\`${path}\` has ${size} bytes: take its address`);
    const load = new Scalar({
      kind: "load",
      base,
      offset,
      width: size,
      isSigned: isSigned && bits === undefined,
      isBigEndian: false,
      comment: path,
    });
    if (bits === undefined) return load;
    const field = load.shl(size * 8 === 64 ? 64 - bits.shift - bits.width : 64 - bits.shift - bits.width);
    return isSigned ? field.sar(64 - bits.width) : field.shr(64 - bits.width);
  }

  /** The pointer at the end of a path, to read on from. */
  pointer<To extends string = string>(path: string): KernelPointer<To> {
    const { base, offset, type } = this.#follow(path);
    const pointer = this.btf.type(type);
    if (pointer.kind !== "pointer") throw new TypeError(`\`${path}\` is no pointer`);
    const load: Expression = { kind: "load", base, offset, width: 8, isSigned: false, isBigEndian: false, comment: path };
    return new KernelPointer<To>(this.btf, this.btf.resolve(pointer.type), load);
  }

  /** The address of what is at the end of a path, to copy it from with `probe_read_kernel`. */
  address(path: string): KernelPointer {
    const { base, offset, type } = this.#follow(path);
    return new KernelPointer(this.btf, type, shifted(base, offset));
  }

  /** The address itself, as a number. */
  value(): Scalar {
    return new Scalar(this.base);
  }

  #follow(path: string): { base: Expression } & Omit<ReturnType<typeof fieldOf>, "pointers"> {
    const { pointers, ...rest } = fieldOf(this.btf, this.typeId, path);
    const steps = path.split(".");
    let base = this.base;
    for (const [index, offset] of pointers.entries())
      base = { kind: "load", base, offset, width: 8, isSigned: false, isBigEndian: false, comment: steps.slice(0, index + 1).join(".") };
    return { base, ...rest };
  }
}
