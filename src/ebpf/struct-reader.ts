/** Readers of structs as JavaScript source: constant offsets, no calls, no garbage but for texts and wide integers. */
import type { IntegerLayout, Layout, StructField, StructLayout } from "./layout.ts";

type Reader = (view: DataView, offset: number) => unknown;
type StructReader = (view: DataView, offset: number, into: unknown) => unknown;

/**
 * A function that overwrites an object with the struct at an offset. `readerOf` gives readers for what has no source of its own,
 * and for all fields where code may not be generated (`--disallow-code-generation-from-strings`).
 */
export function compileStructReader(layout: StructLayout, readerOf: (layout: Layout) => Reader): StructReader {
  const constants: Reader[] = [];
  const lines = linesFor(layout, "into", 0, (field) => constants.push(readerOf(field)) - 1);
  try {
    // No text of a user gets here: `struct` lets only identifiers be names of fields.
    return new Function("readers", `"use strict"; return (view, at, into) => {\n${lines.join("\n")}\nreturn into;\n};`)(
      constants,
    ) as StructReader;
  } catch (error) {
    if (error instanceof EvalError) return plainReader(layout, readerOf);
    throw error;
  }
}

function linesFor(layout: StructLayout, target: string, from: number, constant: (layout: Layout) => number): readonly string[] {
  return fieldsOf(layout).flatMap((field): readonly string[] => {
    const place = `${target}.${field.name}`;
    const offset = from + field.offset;
    const inner = field.layout;
    if (inner.kind === "struct") return linesFor(inner, place, offset, constant);
    if (inner.kind === "integer") return [`${place} = ${integerSource(inner, offset)};`];
    if (inner.kind === "bytes") return [`for (let i = 0; i < ${inner.size}; i++) ${place}[i] = view.getUint8(at + ${offset} + i);`];
    if (inner.kind === "array" && inner.element.kind === "integer")
      return [
        `for (let i = 0; i < ${inner.length}; i++) ${place}[i] = ${integerSource(inner.element, offset, ` + i * ${inner.element.size}`)};`,
      ];
    return [`${place} = readers[${constant(inner)}](view, at + ${offset});`];
  });
}

const fieldsOf = (layout: StructLayout): readonly StructField[] => Object.values<StructField>(layout.fields);

function integerSource({ size, isSigned, isBigEndian, as }: IntegerLayout<unknown>, offset: number, more = ""): string {
  const sign = isSigned ? "Int" : "Uint";
  const at = (plus: number): string => `at + ${offset + plus}${more}`;
  const order = !isBigEndian;
  if (as === "boolean") return `view.getUint8(${at(0)}) !== 0`;
  if (as === "bigint") return `view.getBig${sign}64(${at(0)}, ${order})`;
  if (size === 1) return `view.get${sign}8(${at(0)})`;
  if (size < 8) return `view.get${sign}${size * 8}(${at(0)}, ${order})`;
  return `view.get${sign}32(${at(order ? 4 : 0)}, ${order}) * 4294967296 + view.getUint32(${at(order ? 0 : 4)}, ${order})`;
}

function plainReader(layout: StructLayout, readerOf: (layout: Layout) => Reader): StructReader {
  const fields = fieldsOf(layout).map((field) => ({ ...field, read: readerOf(field.layout) }));
  return (view, offset, into) => {
    const value = into as Record<string, unknown>;
    for (const field of fields) value[field.name] = field.read(view, offset + field.offset);
    return value;
  };
}
