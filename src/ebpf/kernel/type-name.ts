/** Names of what the kernel numbers, for people; a number that is newer than these lists stays a number. */
import { MAP_TYPES } from "../map-spec.ts";
import { ATTACH_TYPES, PROGRAM_TYPES } from "../program-spec.ts";

const inverse = (table: Readonly<Record<string, number>>): ReadonlyMap<number, string> =>
  new Map(Object.entries(table).map(([name, number]) => [number, name]));

const programs = inverse(PROGRAM_TYPES);
const maps = inverse(MAP_TYPES);
const attachments = inverse(ATTACH_TYPES);

/** `enum bpf_link_type` */
const LINK_TYPES: readonly string[] = [
  "unspecified",
  "raw_tracepoint",
  "tracing",
  "cgroup",
  "iter",
  "netns",
  "xdp",
  "perf_event",
  "kprobe_multi",
  "struct_ops",
  "netfilter",
  "tcx",
  "uprobe_multi",
  "netkit",
  "sockmap",
];

export const programTypeName = (type: number): string => programs.get(type) ?? `type ${type}`;
export const mapTypeName = (type: number): string => maps.get(type) ?? `type ${type}`;
export const attachTypeName = (type: number): string => attachments.get(type) ?? `hook ${type}`;
export const linkTypeName = (type: number): string => LINK_TYPES[type] ?? `type ${type}`;
