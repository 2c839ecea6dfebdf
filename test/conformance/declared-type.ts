/** Types and declarations as the conformance data writes them (the JSON of `cel.expr.Type` and `cel.expr.Decl`). */
import type { FunctionDeclaration } from "../../src/cel/declaration.ts";
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
  objectType,
  opaqueType,
  STRING,
  TIMESTAMP,
  typeParam,
  UINT,
} from "../../src/cel/type.ts";
import type { Case, DeclaredType } from "./cases.ts";
import { protobufTypes } from "./protobuf-messages.ts";

const PRIMITIVES: Readonly<Record<string, CelType>> = { BOOL, INT64: INT, UINT64: UINT, DOUBLE, STRING, BYTES };
const WELL_KNOWN: Readonly<Record<string, CelType>> = { ANY: DYN, TIMESTAMP, DURATION };

/** The declared type; a message by its type in CEL. */
export function parseDeclaredType(declared: DeclaredType | undefined): CelType {
  if (declared === undefined) return DYN;
  if (declared.primitive !== undefined) return PRIMITIVES[declared.primitive] ?? DYN;
  if (declared.wellKnown !== undefined) return WELL_KNOWN[declared.wellKnown] ?? DYN;
  if (declared.wrapper !== undefined) return { kind: "wrapper", of: PRIMITIVES[declared.wrapper] ?? DYN };
  if (declared.null !== undefined) return NULL;
  if (declared.listType !== undefined) return listType(parseDeclaredType(declared.listType.elemType));
  if (declared.mapType !== undefined)
    return mapType(parseDeclaredType(declared.mapType.keyType), parseDeclaredType(declared.mapType.valueType));
  if (declared.messageType !== undefined) return protobufTypes.findType(declared.messageType) ?? objectType(declared.messageType);
  if (declared.typeParam !== undefined) return typeParam(declared.typeParam);
  if (declared.abstractType !== undefined) {
    const { name = "", parameterTypes = [] } = declared.abstractType;
    return opaqueType(name, ...parameterTypes.map(parseDeclaredType));
  }
  return declared.type === undefined ? DYN : { kind: "type", of: parseDeclaredType(declared.type) };
}

/** The variables that a case declares. */
export function declaredVariables({ original }: Case): Readonly<Record<string, CelType>> {
  const variables: Record<string, CelType> = {};
  for (const { name, ident } of original.typeEnv ?? []) {
    if (ident !== undefined) variables[name] = parseDeclaredType(ident.type);
  }
  return variables;
}

/** The functions that a case declares. They are checked, never called. */
export function declaredFunctions({ original }: Case): readonly FunctionDeclaration[] {
  const functions: FunctionDeclaration[] = [];
  for (const declaration of original.typeEnv ?? []) {
    const overloads = declaration.function?.overloads ?? [];
    if (overloads.length === 0) continue;
    functions.push({
      name: declaration.name,
      overloads: overloads.map(({ overloadId, params, resultType, isInstanceFunction }) => ({
        id: overloadId,
        args: (params ?? []).map(parseDeclaredType),
        result: parseDeclaredType(resultType),
        isMember: isInstanceFunction === true,
        call: () => null,
      })),
    });
  }
  return functions;
}
