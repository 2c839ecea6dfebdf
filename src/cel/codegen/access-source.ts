/** Variables, selection, indexing and presence as source. */
import type { HasOp, IndexOp, InOp, Op, PathOp, VariableOp } from "../plan/op.ts";
import { accessTo } from "../runtime/field-access.ts";
import type { Emitter } from "./emitter.ts";

/**
 * The raw code of an operation: its value, or undefined when the fast way did not find one; `slow` is an expression for
 * the value then, or for the error that says why there is none.
 */
interface Raw {
  readonly code: string;
  readonly slow: string;
}

const resolved = ({ code, slow }: Raw): string => (code === slow ? code : `(${code}===undefined?${slow}:${code})`);

/** The raw code of any operation. Only variables and paths can be undefined; names in them are shared with what is computed before. */
function raw(emitter: Emitter, op: Op): Raw {
  if (op.kind === "variable") return rawVariable(emitter, op);
  if (op.kind === "path" && op.optionalFrom === op.steps.length) return rawPath(emitter, op);
  const code = emitter.emit(op);
  return { code, slow: code };
}

function rawVariable(emitter: Emitter, { name, start, end }: VariableOp): Raw {
  const slow = `K.variable(f,${JSON.stringify(name)},${emitter.span(start, end)})`;
  const code = emitter.once(`variable ${name}`, () => (accessTo(name) === "own" ? slow : property("f.bindings", name, false)));
  return { code, slow };
}

export const emitVariable = (emitter: Emitter, op: VariableOp): string => emitter.assign(resolved(rawVariable(emitter, op)));

function rawPath(emitter: Emitter, op: PathOp): Raw {
  const root = raw(emitter, op.root);
  let code = root.code;
  for (const { key } of op.steps) code = rawStep(emitter, code, key);
  return { code, slow: `K.path(${root.slow},${keysOf(op)},${emitter.isPresenceStrict},${emitter.positionsOf(op)})` };
}

/** Property access as source; `?.` when the object may be null or undefined. */
function property(object: string, name: string, isOptional: boolean): string {
  if (/^[A-Za-z_$][\w$]*$/.test(name)) return `${object}${isOptional ? "?." : "."}${name}`;
  return `${object}${isOptional ? "?." : ""}[${JSON.stringify(name)}]`;
}

/** One step from a raw value to the next, undefined when the fast way does not find it. */
function rawStep(emitter: Emitter, from: string, key: string | number): string {
  return emitter.once(`${from} ${JSON.stringify(key)}`, () => {
    if (typeof key === "number") return `Array.isArray(${from})?${from}[${key}]:undefined`;
    const access = accessTo(key);
    if (access === "direct") return property(from, key, true);
    const own = `K.own(${from},${JSON.stringify(key)})`;
    return access === "own" ? own : `${isPlain(from)}?${property(from, key, false)}:${own}`;
  });
}

/** Whether a value surely is a map with string keys: the usual ones are, a slower way knows the others. */
const isPlain = (code: string): string => `${code}?.constructor===Object`;

const keysOf = ({ steps }: PathOp): string => JSON.stringify(steps.map((step) => step.key));

export const emitPath = (emitter: Emitter, op: PathOp): string => emitter.assign(resolved(rawPath(emitter, op)));

/** The presence of a path with an optional step: undefined when it is absent. */
export function emitOptionalPath(emitter: Emitter, op: PathOp): string {
  const root = raw(emitter, op.root);
  const codes = [root.code];
  for (const { key } of op.steps) codes.push(rawStep(emitter, codes.at(-1) ?? root.code, key));
  const last = codes.at(-1) ?? root.code;
  // Absent for sure: the last value that is there, at an optional step or behind it, is a map without the next key.
  const deepest = codes.slice(op.optionalFrom, -1).reduce((outer, inner) => `(${inner}!==undefined?${inner}:${outer})`);
  // The steps that are not taken cost nothing.
  const steps = op.steps.length;
  const saved = codes
    .slice(op.optionalFrom + 1, -1)
    .map((code, index) => `${code}===undefined?${steps - op.optionalFrom - index}:`)
    .join("");
  const slow = `K.optionalPath(f,${root.slow},${keysOf(op)},${op.optionalFrom},${emitter.isPresenceStrict},${emitter.positionsOf(op)})`;
  return emitter.assign(`${last}!==undefined?${last}:${isPlain(deepest)}?(f.cost-=${saved}1,undefined):${slow}`);
}

export function emitHas(emitter: Emitter, { operand, key, start, end }: HasOp): string {
  const from = raw(emitter, operand);
  const found = rawStep(emitter, from.code, key);
  const slow = `K.has(${resolved(from)},${JSON.stringify(key)},${emitter.isPresenceStrict},${emitter.span(start, end)})`;
  return emitter.assign(`${found}!==undefined?true:${isPlain(from.code)}?false:${slow}`);
}

/** `"key" in map`, which is a presence test unless the container turns out to be a list. */
export function emitKeyIn(emitter: Emitter, key: string, { container, start, end, isCostly }: InOp): string {
  const from = raw(emitter, container);
  if (isCostly) emitter.line(`f.cost+=Array.isArray(${from.code})?${from.code}.length:1;`);
  const found = rawStep(emitter, from.code, key);
  const slow = `K.isIn(${JSON.stringify(key)},${resolved(from)},${emitter.span(start, end)})`;
  return emitter.assign(`${found}!==undefined?true:${isPlain(from.code)}?false:${slow}`);
}

export function emitIndex(emitter: Emitter, { container, key, start, end, isOptional }: IndexOp): string {
  const from = emitter.emit(container);
  const at = emitter.emit(key);
  const slow = `K.${isOptional ? "optionalIndex(f," : "index("}${from},${at},${emitter.isPresenceStrict},${emitter.span(start, end)})`;
  return emitter.assign(slow);
}
