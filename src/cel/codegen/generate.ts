/**
 * A plan as JavaScript source. No text of the user reaches it except through `JSON.stringify` or as a constant; all
 * identifiers are generated. Every operation is one statement that assigns a temporary: the usual types inline, the rest
 * by the run-time functions, which also pass errors on.
 */
import type {
  Branch,
  ConditionalOp,
  LetOp,
  ListOp,
  LogicalOp,
  MapOp,
  NotOp,
  Op,
  OptMapOp,
  OrOp,
  OrValueOp,
  Plan,
  StructOp,
} from "../plan/op.ts";
import { emitHas, emitIndex, emitOptionalPath, emitPath, emitVariable } from "./access-source.ts";
import { emitCall } from "./call-source.ts";
import { emitComprehension } from "./comprehension-source.ts";
import { Emitter } from "./emitter.ts";
import { emitArithmetic, emitCompare, emitEqual, emitIn, emitMatch, emitText } from "./operator-source.ts";

export interface GeneratedSource {
  /**
   * A function expression of the positions and the constants that gives a function of the frame. `K` is free in it: the
   * run-time functions.
   */
  readonly source: string;
  readonly positions: readonly number[];
  readonly constants: readonly unknown[];
}

export function generateSource({ root, slotCount, isPresenceStrict }: Plan): GeneratedSource {
  const emitter = new Emitter(isPresenceStrict, emit);
  const result = emitter.emitBranch(root);
  const { constants, positions } = emitter;
  const parameters = ["p", ...constants.map((_, index) => `k${index}`)].join(",");
  const source = `(${parameters})=>(f)=>{${emitter.body(slotCount)}return f.cost>f.costLimit?K.overLimit(f):${result}}`;
  return { source, positions, constants };
}

function emit(emitter: Emitter, op: Op): string {
  const { start, end } = op;
  switch (op.kind) {
    case "constant":
      return emitter.literal(op.value);
    case "local":
      return `v${op.slot}`;
    case "variable":
      return emitVariable(emitter, op);
    case "lazy": {
      const program = emitter.constant(op.program);
      return emitter.once(`lazy ${program}`, () => `K.lazyVariable(f,${program})`);
    }
    case "lazyScope":
      return emitter.assign(`K.lazyScope(f,${emitter.constant(op.scope)})`);
    case "path":
      return op.optionalFrom < op.steps.length ? emitBoxed(emitter, op) : emitPath(emitter, op);
    case "index":
      return emitIndex(emitter, op);
    case "has":
      return emitHas(emitter, op);
    case "logical":
      return emitLogical(emitter, op);
    case "not":
      return emitNot(emitter, op);
    case "conditional":
      return emitConditional(emitter, op);
    case "equal":
      return emitEqual(emitter, op);
    case "compare":
      return emitCompare(emitter, op);
    case "arithmetic":
      return emitArithmetic(emitter, op);
    case "in":
      return emitIn(emitter, op);
    case "size": {
      const value = emitter.emit(op.operand);
      return emitter.assign(`Array.isArray(${value})?${value}.length:K.size(${value},${emitter.span(start, end)})`);
    }
    case "text":
      return emitText(emitter, op);
    case "match":
      return emitMatch(emitter, op);
    case "call":
      return emitCall(emitter, op);
    case "list":
      return emitList(emitter, op);
    case "map":
    case "struct":
      return emitMap(emitter, op);
    case "comprehension":
      return emitComprehension(emitter, op);
    case "let":
      return emitLet(emitter, op);
    case "optMap":
    case "or":
      return emitBoxed(emitter, op);
    case "hasValue": {
      const value = emitPresence(emitter, op.target, "hasValue");
      return emitter.assign(`${value} instanceof K.CelError?${value}:${value}!==undefined`);
    }
    case "orValue":
      return emitOrValue(emitter, op);
    case "toDouble": {
      const value = emitter.emit(op.operand);
      return emitter.assign(`typeof ${value}==="number"?K.toDouble(${value}):${value}`);
    }
    default:
      return op satisfies never;
  }
}

/** An operation whose result is an optional value, made from its presence. */
const emitBoxed = (emitter: Emitter, op: Op): string => emitter.assign(`K.optional(${emitPresence(emitter, op, "")})`);

/** An optional value without its box: undefined when there is none. `fn` is the function that needs it. */
function emitPresence(emitter: Emitter, op: Op, fn: string): string {
  if (op.kind === "path" && op.optionalFrom < op.steps.length) return emitOptionalPath(emitter, op);
  if (op.kind === "optMap") return emitOptMap(emitter, op);
  if (op.kind === "or") return emitOr(emitter, op);
  return emitter.assign(`K.presence(${emitter.emit(op)},"${fn}",${emitter.isPresenceStrict},${emitter.span(op.start, op.end)})`);
}

/** The first term that decides; otherwise the first error; otherwise what all terms are. */
function emitLogical(emitter: Emitter, { terms, isAnd }: LogicalOp): string {
  const result = emitter.temporary();
  const label = emitter.label();
  emitter.line(`${result}=${isAnd};${label}:{`);
  const emitTerm = (term: Branch, isFirst: boolean): void => {
    const value = emitter.emitBranch(term);
    const { start, end } = term.op;
    const keep = isFirst ? "" : `if(${result}===${isAnd})`;
    emitter.line(`if(${value}!==${isAnd}){if(${value}===${!isAnd}){${result}=${!isAnd};break ${label};}`);
    emitter.line(`${keep}${result}=K.boolError(${value},${emitter.span(start, end)});}`);
  };
  const [first, ...others] = terms;
  if (first !== undefined) emitTerm(first, true);
  // A term runs when all those before it have run: what they compute is known to it, but not behind the operation.
  emitter.conditionally(() => {
    for (const term of others) emitTerm(term, false);
  });
  emitter.line("}");
  return result;
}

function emitNot(emitter: Emitter, { operand, start, end }: NotOp): string {
  const value = emitter.emit(operand);
  return emitter.assign(`typeof ${value}==="boolean"?!${value}:K.not(${value},${emitter.span(start, end)})`);
}

function emitConditional(emitter: Emitter, { condition, whenTrue, whenFalse }: ConditionalOp): string {
  const decision = emitter.emit(condition);
  const result = emitter.temporary();
  emitter.line(`if(${decision}===true){`);
  emitter.conditionally(() => emitter.line(`${result}=${emitter.emitBranch(whenTrue)};`));
  emitter.line(`}else if(${decision}===false){`);
  emitter.conditionally(() => emitter.line(`${result}=${emitter.emitBranch(whenFalse)};`));
  emitter.line(`}else ${result}=K.boolError(${decision},${emitter.span(condition.start, condition.end)});`);
  return result;
}

function emitList(emitter: Emitter, { elements }: ListOp): string {
  const values = elements.map(({ value, isOptional }) => (isOptional ? emitPresence(emitter, value, "?") : emitter.emit(value)));
  return emitter.assign(`K.list([${values.join(",")}])`);
}

function emitMap(emitter: Emitter, op: MapOp | StructOp): string {
  const entries = op.kind === "map" ? op.entries : op.fields;
  const values = entries.flatMap((entry) => {
    const key = typeof entry.key === "string" ? JSON.stringify(entry.key) : emitter.emit(entry.key);
    return [key, entry.isOptional ? emitPresence(emitter, entry.value, "?") : emitter.emit(entry.value)];
  });
  const made = emitter.assign(`K.map([${values.join(",")}],${emitter.span(op.start, op.end)})`);
  if (op.kind === "map" || op.construct === null) return made;
  return emitter.assign(
    `${made} instanceof K.CelError?${made}:K.at(${emitter.constant(op.construct)}(${made}),${emitter.span(op.start, op.end)})`,
  );
}

function emitLet(emitter: Emitter, { bindings, body }: LetOp): string {
  for (const { slot, value } of bindings) emitter.line(`v${slot}=${emitter.emit(value)};`);
  return emitter.emit(body);
}

function emitOptMap(emitter: Emitter, { target, slot, body, isFlat }: OptMapOp): string {
  const value = emitPresence(emitter, target, "optMap");
  const result = emitter.temporary();
  // The absent result is `optional.none()`, a call.
  emitter.line(`if(${value}===undefined){f.cost+=1;${result}=undefined;}else if(${value} instanceof K.CelError)${result}=${value};else{`);
  emitter.conditionally(() => {
    emitter.charge(body.cost);
    emitter.line(`v${slot}=${value};`);
    const inner = isFlat ? emitPresence(emitter, body.op, "optFlatMap") : emitter.emit(body.op);
    emitter.line(`${result}=${inner};}`);
  });
  return result;
}

function emitOr(emitter: Emitter, { target, other }: OrOp): string {
  const value = emitPresence(emitter, target, "or");
  const result = emitter.assign(value);
  emitter.line(`if(${result}===undefined){`);
  emitter.conditionally(() => {
    emitter.charge(other.cost);
    emitter.line(`${result}=${emitPresence(emitter, other.op, "or")};}`);
  });
  return result;
}

function emitOrValue(emitter: Emitter, { target, other }: OrValueOp): string {
  const value = emitPresence(emitter, target, "orValue");
  const result = emitter.temporary();
  emitter.line(`${result}=${value};if(${result}===undefined){`);
  emitter.conditionally(() => emitter.line(`${result}=${emitter.emitBranch(other)};}`));
  return result;
}
