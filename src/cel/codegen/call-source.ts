/** Calls of library functions as source. */
import type { Overload } from "../declaration.ts";
import type { CallOp, Op } from "../plan/op.ts";
import type { CallSite } from "../runtime/dispatch.ts";
import { fitsType } from "../runtime/type-of.ts";
import { type CelType, sameType } from "../type.ts";
import type { Emitter } from "./emitter.ts";

export function emitCall(emitter: Emitter, op: CallOp): string {
  const { fn, overloads, isCostly, start, end } = op;
  const args = op.args.map((arg) => emitter.emit(arg));
  const site: CallSite = { fn, overloads, isCostly, start, end };
  const slow = `K.call(f,${emitter.constant(site)},[${args.join(",")}])`;
  const [overload, ...others] = overloads;
  const guards = overload === undefined || others.length > 0 ? undefined : guardsOf(overload, op.args, args);
  if (overload === undefined || guards === undefined) return emitter.assign(slow);
  const result = emitter.temporary();
  const statements = [`${result}=${emitter.constant(overload.call)}(${args.join(",")});`];
  if (isCostly) {
    const cost = overload.cost === undefined ? "1" : `${emitter.constant(overload.cost.actual)}([${args.join(",")}],${result})`;
    statements.push(`f.cost+=${cost};`);
  }
  statements.push(`${errorTest(overload.result, result)}${result}=K.at(${result},${emitter.span(start, end)});`);
  emitter.line(guards === "" ? statements.join("") : `if(${guards}){${statements.join("")}}else ${result}=${slow};`);
  return result;
}

/** The condition that the arguments fit the overload; undefined when it takes more than a few tests. */
function guardsOf(overload: Overload, ops: readonly Op[], args: readonly string[]): string | undefined {
  if (overload.args.length !== args.length) return undefined;
  const guards: string[] = [];
  for (const [index, type] of overload.args.entries()) {
    const guard = guardOf(type, ops[index], args[index] ?? "");
    if (guard === undefined) return undefined;
    if (guard !== "") guards.push(guard);
  }
  return guards.join("&&");
}

function guardOf(type: CelType, op: Op | undefined, code: string): string | undefined {
  if (op?.kind === "constant") return fitsType(op.value, type) ? "" : undefined;
  switch (type.kind) {
    case "string":
      return `typeof ${code}==="string"`;
    case "bool":
      return `typeof ${code}==="boolean"`;
    case "int":
      return `(Number.isSafeInteger(${code})||typeof ${code}==="bigint")`;
    case "dyn":
    case "param":
      return `!(${code} instanceof K.CelError)`;
    case "opaque":
      // What a function declares as its result needs no test, but it may be an error instead.
      return op?.kind === "call" && op.overloads.every((made) => sameType(made.result, type))
        ? `!(${code} instanceof K.CelError)`
        : undefined;
    default:
      return undefined;
  }
}

/** A test that a result may be an error, as cheap as its declared type allows. */
function errorTest(type: CelType, code: string): string {
  switch (type.kind) {
    case "bool":
      return `if(typeof ${code}!=="boolean")`;
    case "string":
      return `if(typeof ${code}!=="string")`;
    case "int":
      return `if(typeof ${code}!=="number")`;
    default:
      return `if(${code} instanceof K.CelError)`;
  }
}
