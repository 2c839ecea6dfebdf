import { Attributes, mustBpf } from "./bpf-command.ts";
import { Descriptor } from "./descriptor.ts";

/** Gives the kernel types of ours (BPF_BTF_LOAD); maps and programs that were created with them hold them. Throws `LINUX_CALL`. */
export function loadBtf(data: Uint8Array): Descriptor {
  return new Descriptor(mustBpf("load types", "btfLoad", new Attributes().pointer(0, data).u32(16, data.length)), "types");
}
