/** The types of the running kernel, read from where it shows them. */
import { readFileSync } from "node:fs";
import { VigilError } from "../../lib/error.ts";
import { type Btf, parseBtf } from "../btf/btf.ts";

const DIRECTORY = "/sys/kernel/btf";
const known = new Map<string, Btf>();

/**
 * The BTF of the kernel, or of one of its modules; read once per process (5 MB, some milliseconds). Throws `EBPF_NO_BTF` when the kernel shows
 * none.
 */
export function readKernelBtf(module?: string): Btf {
  if (module !== undefined && !/^[\w-]{1,64}$/.test(module)) throw new RangeError(`expected the name of a module, got \`${module}\``);
  const name = module ?? "vmlinux";
  let btf = known.get(name);
  if (btf === undefined) {
    btf = parseBtf(readTypes(name), module === undefined ? undefined : readKernelBtf());
    known.set(name, btf);
  }
  return btf;
}

function readTypes(name: string): Uint8Array {
  try {
    return readFileSync(`${DIRECTORY}/${name}`);
  } catch (cause) {
    throw new VigilError("EBPF_NO_BTF", `this kernel does not show its types (${DIRECTORY}/${name})`, {
      hint: "use a kernel that is built with CONFIG_DEBUG_INFO_BTF=y, as those of the distributions are since 2021",
      cause,
    });
  }
}
