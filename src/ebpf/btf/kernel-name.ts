/** What generators ask the kernel's BTF for, by name. */
import type { AttachTarget } from "../program-spec.ts";
import type { Btf } from "./btf.ts";
import type { BtfParameter } from "./type.ts";

/** What a typed tracepoint gives its program, and the type to attach to. Throws `EBPF_BTF_NAME` when this kernel has none of the name. */
export function tracepointOf(btf: Btf, name: string): { readonly target: AttachTarget; readonly parameters: readonly BtfParameter[] } {
  const target = { name, btfId: btf.idOf(`btf_trace_${name}`, "typedef") };
  // The type of the tracepoint has no names of parameters; the function behind it has.
  const [named] = btf.find(`__bpf_trace_${name}`).filter((id) => btf.kindOf(id) === "function");
  const prototype = named === undefined ? prototypeBehind(btf, target.btfId) : prototypeBehind(btf, named);
  return { target, parameters: prototype.slice(1) };
}

/** What an iterator gives its program for each thing. */
export function iteratorOf(btf: Btf, name: string): { readonly target: AttachTarget; readonly parameters: readonly BtfParameter[] } {
  const btfId = btf.idOf(`bpf_iter_${name}`, "function");
  return { target: { name, btfId }, parameters: prototypeBehind(btf, btfId) };
}

function prototypeBehind(btf: Btf, id: number): readonly BtfParameter[] {
  let at = id;
  for (let step = 0; step < 8; step++) {
    const type = btf.type(btf.resolve(at));
    if (type.kind === "prototype") return type.parameters;
    if (type.kind !== "pointer" && type.kind !== "function") break;
    at = type.type;
  }
  return [];
}

/** The values of an enumeration by name. Throws `EBPF_BTF_NAME` when this kernel has none of the name. */
export function enumOf(btf: Btf, name: string): ReadonlyMap<string, bigint> {
  const type = btf.type(btf.idOf(name, "enum", "enum64"));
  return new Map(type.kind === "enum" || type.kind === "enum64" ? type.values.map((value) => [value.name, value.value]) : []);
}

/** The id of a function that programs may call. Throws `EBPF_BTF_NAME` when this kernel has none of the name. */
export const kernelFunctionOf = (btf: Btf, name: string): number => btf.idOf(name, "function");
