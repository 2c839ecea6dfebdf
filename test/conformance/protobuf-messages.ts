/** The protobuf messages of the conformance data as declared types, so that expressions over them can be checked (not evaluated). */
import { getTestRegistry } from "@bufbuild/cel-spec/testdata/registry.js";
import {
  BOOL,
  BYTES,
  type CelType,
  DOUBLE,
  DURATION,
  DYN,
  type FieldType,
  INT,
  listType,
  mapType,
  NULL,
  objectType,
  STRING,
  TIMESTAMP,
  type TypeProvider,
  UINT,
} from "../../src/cel/type.ts";
import type { CelValue } from "../../src/cel/value.ts";

type Registry = ReturnType<typeof getTestRegistry>;
type Message = NonNullable<ReturnType<Registry["getMessage"]>>;
type Field = Message["fields"][number];

const wrapper = (of: CelType): CelType => ({ kind: "wrapper", of });

/** Messages that CEL maps to types of its own. `Any` is dyn: the checker treats both alike. */
const WELL_KNOWN: ReadonlyMap<string, CelType> = new Map(
  Object.entries({
    Any: DYN,
    Value: DYN,
    Struct: mapType(STRING, DYN),
    ListValue: listType(DYN),
    Timestamp: TIMESTAMP,
    Duration: DURATION,
    BoolValue: wrapper(BOOL),
    BytesValue: wrapper(BYTES),
    StringValue: wrapper(STRING),
    DoubleValue: wrapper(DOUBLE),
    FloatValue: wrapper(DOUBLE),
    Int32Value: wrapper(INT),
    Int64Value: wrapper(INT),
    UInt32Value: wrapper(UINT),
    UInt64Value: wrapper(UINT),
  }).map(([name, type]) => [`google.protobuf.${name}`, type]),
);

/** By the numbers of `FieldDescriptorProto.Type`. */
const SCALARS: ReadonlyMap<number, CelType> = new Map([
  [1, DOUBLE],
  [2, DOUBLE],
  [3, INT],
  [4, UINT],
  [5, INT],
  [6, UINT],
  [7, UINT],
  [8, BOOL],
  [9, STRING],
  [12, BYTES],
  [13, UINT],
  [15, INT],
  [16, INT],
  [17, INT],
  [18, INT],
]);

/** cel-go's own tests use copies of the messages under another package. */
const aliasesOf = (typeName: string): readonly string[] => [
  typeName,
  typeName.replace("cel.expr.conformance", "google.expr").replace(/(proto[23])/, "$1.test"),
];

/** A type of this name or message, seen from the package of `owner`. */
function messageType(typeName: string, owner: string): CelType {
  const wellKnown = WELL_KNOWN.get(typeName);
  if (wellKnown !== undefined) return wellKnown;
  return objectType(owner.startsWith("google.expr.") ? (aliasesOf(typeName)[1] ?? typeName) : typeName);
}

function singleType(field: Pick<Field, "scalar" | "message" | "enum">, owner: string): CelType {
  if (field.message !== undefined) return messageType(field.message.typeName, owner);
  if (field.enum !== undefined) return field.enum.typeName === "google.protobuf.NullValue" && !WELL_KNOWN.has(owner) ? NULL : INT;
  return SCALARS.get(field.scalar ?? 0) ?? DYN;
}

function fieldType(field: Field, owner: string): CelType {
  const value = singleType(field, owner);
  if (field.fieldKind === "list") return listType(value);
  return field.fieldKind === "map" ? mapType(SCALARS.get(field.mapKey) ?? DYN, value) : value;
}

const messages = new Map<string, ReadonlyMap<string, FieldType>>();
/** Values of the enums, by qualified name. */
export const enumConstants: Map<string, { readonly type: CelType; readonly value: CelValue }> = new Map();

for (const description of getTestRegistry()) {
  if (description.kind === "message") {
    for (const name of aliasesOf(description.typeName)) {
      messages.set(name, new Map(description.fields.map((field) => [field.name, { type: fieldType(field, name) }])));
    }
  } else if (description.kind === "enum") {
    for (const name of aliasesOf(description.typeName)) {
      for (const value of description.values) enumConstants.set(`${name}.${value.name}`, { type: INT, value: value.number });
    }
  }
}

// cel-go's copy of this message has other field names.
messages.set("google.expr.proto2.test.TestAllTypes.NestedGroup", new Map([["nested_id", { type: INT }]]));

export const protobufTypes: TypeProvider = {
  fieldsOf: (typeName) => messages.get(typeName),
  findType: (typeName) => WELL_KNOWN.get(typeName) ?? (messages.has(typeName) ? objectType(typeName) : undefined),
};
