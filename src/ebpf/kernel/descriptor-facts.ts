/** What /proc says about a descriptor of a BPF object (`bpf_prog_show_fdinfo` and its relatives in the kernel). */
import { readFileSync } from "node:fs";

/** Which kind of object a descriptor or a pin holds. */
export type ObjectKind = "program" | "map" | "link";

export interface DescriptorFacts {
  /** Absent when the descriptor holds no BPF object. */
  readonly kind: ObjectKind | undefined;
  /** The kernel's id of the object; 0 when it has none. */
  readonly id: number;
  /** Bytes that the kernel accounts for it; 0 where it does not say. */
  readonly memoryBytes: number;
  /** What a link is attached to (a tracepoint, the target of an iterator); empty where the kernel does not say. */
  readonly name: string;
}

/** Of the text of an fdinfo file. */
export function parseDescriptorFacts(text: string): DescriptorFacts {
  const fields = new Map<string, string>();
  for (const [, name = "", value = ""] of text.matchAll(/^(\w+):\s*(.*)$/gm)) fields.set(name, value);
  const number = (name: string): number => Number(fields.get(name) ?? 0);
  const kind = fields.has("link_id") ? "link" : fields.has("map_id") ? "map" : fields.has("prog_id") ? "program" : undefined;
  const id = number(kind === "link" ? "link_id" : kind === "map" ? "map_id" : "prog_id");
  return { kind, id, memoryBytes: number("memlock"), name: fields.get("tp_name") ?? fields.get("target_name") ?? fields.get("name") ?? "" };
}

/** Of a descriptor of this process. */
export function readDescriptorFacts(fd: number): DescriptorFacts {
  return parseDescriptorFacts(readFileSync(`/proc/self/fdinfo/${fd}`, "utf8"));
}
