import type { Code } from "../../ebpf/builder/code.ts";
import type { KernelPointer } from "../../ebpf/builder/kernel-pointer.ts";

/**
 * The same pointer, read without trust. At each step from a pointer that it trusts, the kernel looks up among all its types whether what
 * that leads to may be trusted, too, which takes it 40 ms for a program like these; they need no trust, since what is not there reads as zero.
 */
export function plainPointer<Name extends string>(code: Code, pointer: KernelPointer<Name>, structName: Name): KernelPointer<Name> {
  return code.cast(pointer.value(), structName);
}
