/** BTF of what is generated here: keys and values of maps, functions and lines of programs. */
import { type SourcePosition, slotStarts } from "../instruction.ts";
import { type Layout, type StructField, u32 } from "../layout.ts";
import type { MapSpec } from "../map-spec.ts";
import type { ProgramSpec } from "../program-spec.ts";
import { BtfWriter } from "./writer.ts";

function addLayout(btf: BtfWriter, layout: Layout): number {
  switch (layout.kind) {
    case "integer": {
      const sign = layout.as === "boolean" ? "boolean" : layout.isSigned ? "signed" : "unsigned";
      const size = layout.size as 1 | 2 | 4 | 8;
      return btf.integer(
        `${layout.as === "boolean" ? "bool" : layout.isSigned ? "i" : "u"}${layout.as === "boolean" ? "" : size * 8}`,
        size,
        sign,
      );
    }
    case "bytes":
    case "text":
      return addArray(
        btf,
        btf.integer(layout.kind === "text" ? "char" : "u8", 1, layout.kind === "text" ? "signed" : "unsigned"),
        layout.size,
      );
    case "array":
      return addArray(btf, addLayout(btf, layout.element), layout.length);
    case "struct": {
      const fields = Object.values<StructField>(layout.fields as Readonly<Record<string, StructField>>);
      const members = fields.map(({ name, offset, layout: inner }) => ({ name, offset, type: addLayout(btf, inner) }));
      return btf.struct(layout.name, layout.size, members);
    }
    default:
      return layout satisfies never;
  }
}

const addArray = (btf: BtfWriter, element: number, length: number): number => btf.array(element, btf.integer("u32", 4, "unsigned"), length);

/** BTF data with the types of a map's keys and values. Local storage needs it; elsewhere tools show values by it. */
export function mapBtf(map: MapSpec): { readonly data: Uint8Array; readonly keyTypeId: number; readonly valueTypeId: number } {
  const btf = new BtfWriter();
  // Owners of local storage are keys as the kernel's `int` is.
  const isStorage = map.type.endsWith("_storage");
  const keyTypeId = isStorage ? btf.integer("int", 4, "signed") : addLayout(btf, map.key ?? u32);
  const valueTypeId = map.value === undefined ? 0 : addLayout(btf, map.value);
  return { data: btf.encode(), keyTypeId, valueTypeId };
}

/** BTF data of a program with its functions and lines, in the records that `BPF_PROG_LOAD` takes. */
export interface ProgramBtf {
  readonly data: Uint8Array;
  /** `func_info`: eight bytes for each function. */
  readonly functions: Uint8Array;
  /** `line_info`: sixteen bytes for each line. */
  readonly lines: Uint8Array;
}

const MAX_COLUMN = 0x3ff;
const MAX_LINE = 0x3f_ffff;

/**
 * With it the kernel may call functions of the program back, and its log and `bpftool` name our own lines. Without lines it is made
 * much faster: where a statement stands is found out for each.
 */
export function programBtf(program: ProgramSpec, { hasLines = true }: { readonly hasLines?: boolean } = {}): ProgramBtf {
  const btf = new BtfWriter();
  const int = btf.integer("int", 4, "signed");
  const word = btf.integer("u64", 8, "unsigned");
  const functions: number[] = [];
  const lines: number[] = [];
  const starts = slotStarts(program.instructions);
  let last = "";
  for (const [index, { label, source, comment }] of program.instructions.entries()) {
    const isStart = index === 0 || label !== undefined;
    const slot = starts[index] ?? 0;
    if (isStart) functions.push(slot, btf.staticFunction(functionName(label ?? program.name), int, [{ name: "context", type: word }]));
    if (!hasLines) continue;
    const where = source ?? UNKNOWN;
    const key = `${where.file}:${where.line}:${where.column}`;
    if (!isStart && key === last) continue;
    last = key;
    const position = (Math.min(where.line, MAX_LINE) << 10) | Math.min(where.column, MAX_COLUMN);
    lines.push(slot, btf.text(where.file), btf.text(comment ?? ""), position >>> 0);
  }
  return { data: btf.encode(), functions: words(functions), lines: words(lines) };
}

const UNKNOWN: SourcePosition = { file: "unknown", line: 1, column: 1 };

const functionName = (label: string): string => label.replaceAll(/\W/g, "_");

const words = (values: readonly number[]): Uint8Array => new Uint8Array(Uint32Array.from(values).buffer);
