/** `type` and `dyn`, and the names of the types. */
import type { FunctionDeclaration } from "../declaration.ts";
import { anything, declare, func } from "../library/define.ts";
import { typeOf } from "../runtime/type-of.ts";
import {
  BOOL,
  BYTES,
  type CelType,
  DOUBLE,
  DURATION,
  DYN,
  INT,
  listType,
  mapType,
  NULL,
  STRING,
  TIMESTAMP,
  TYPE,
  typeParam,
  UINT,
} from "../type.ts";
import { CelTypeValue, type CelValue } from "../value.ts";

const value = anything("A");

export const typeFunctions: readonly FunctionDeclaration[] = [
  declare(
    "type",
    "The type of a value.",
    func("type", [value], { kind: "type", of: typeParam("A") }, (of) => new CelTypeValue(typeOf(of))),
  ),
  declare(
    "dyn",
    "The value, of which the type checker then knows nothing.",
    func("to_dyn", [value], DYN, (same) => same),
  ),
];

const constant = (name: string, of: CelType): readonly [string, { readonly type: CelType; readonly value: CelValue }] => [
  name,
  { type: { kind: "type", of }, value: new CelTypeValue(of) },
];

export const typeConstants: ReadonlyMap<string, { readonly type: CelType; readonly value: CelValue }> = new Map([
  constant("bool", BOOL),
  constant("bytes", BYTES),
  constant("double", DOUBLE),
  constant("google.protobuf.Duration", DURATION),
  constant("google.protobuf.Timestamp", TIMESTAMP),
  constant("int", INT),
  constant("list", listType(DYN)),
  constant("map", mapType(DYN, DYN)),
  constant("null_type", NULL),
  constant("string", STRING),
  constant("type", TYPE),
  constant("uint", UINT),
]);
