/** Macros as loops. Every element charges its branch; the loop ends the evaluation when the limit is exceeded. */
import type { Branch, ComprehensionOp } from "../plan/op.ts";
import type { Emitter } from "./emitter.ts";

export function emitComprehension(emitter: Emitter, op: ComprehensionOp): string {
  const { start, end, slot1, slot2, macro } = op;
  const range = emitter.emit(op.range);
  const keys = emitter.assign(`Array.isArray(${range})?${range}:K.elements(${range},${emitter.span(start, end)})`);
  const values = slot2 === null ? keys : emitter.temporary();
  const result = emitter.temporary();
  const index = emitter.temporary();
  emitter.line(`if(Array.isArray(${keys})){${result}=${initialValue(op)};`);
  if (slot2 !== null) emitter.line(`${values}=K.values(${range},${keys});`);
  emitter.conditionally(() => {
    emitter.line(`for(${index}=0;${index}<${keys}.length;${index}++){`);
    chargeElement(emitter, op.filter ?? op.body);
    emitter.line(`v${slot1}=${slot2 === null ? `${keys}[${index}]` : `Array.isArray(${range})?${index}:${keys}[${index}]`};`);
    if (slot2 !== null) emitter.line(`v${slot2}=${values}[${index}];`);
    emitStep(emitter, op, { result, onExit: `{if(${index}+1<${keys}.length)f.cost+=${op.exitCost};break;}` });
    emitter.line("}");
  });
  if (macro === "existsOne") emitter.line(`if(typeof ${result}==="number")${result}=${result}===1;`);
  if (macro === "transformMap" || macro === "transformMapEntry") {
    emitter.line(`if(${result} instanceof K.MapBuilder)${result}=${result}.build();`);
  }
  emitter.line(`}else ${result}=${keys};`);
  return result;
}

function initialValue({ macro }: ComprehensionOp): string {
  switch (macro) {
    case "all":
      return "true";
    case "exists":
      return "false";
    case "existsOne":
      return "0";
    case "filter":
    case "map":
    case "transformList":
      return "[]";
    case "transformMap":
    case "transformMapEntry":
      return "new K.MapBuilder()";
    default:
      return macro satisfies never;
  }
}

const chargeElement = (emitter: Emitter, { cost }: Branch): void => emitter.line(`if((f.cost+=${cost})>f.costLimit)return K.overLimit(f);`);

interface LoopNames {
  readonly result: string;
  /** Ends the loop before its last element. */
  readonly onExit: string;
}

function emitStep(emitter: Emitter, op: ComprehensionOp, { result, onExit }: LoopNames): void {
  switch (op.macro) {
    case "all":
    case "exists":
      emitQuantifier(emitter, op, result, onExit);
      return;
    case "existsOne":
      emitAccept(emitter, op, result, `${result}++`);
      return;
    case "filter":
      emitAccept(emitter, op, result, `${result}.push(v${op.slot1})`);
      return;
    default:
      emitTransform(emitter, op, result);
  }
}

/** `all` ends at the first false, `exists` at the first true; an error stays the result only if nothing decides. */
function emitQuantifier(emitter: Emitter, { macro, body: { op } }: ComprehensionOp, result: string, onExit: string): void {
  const neutral = macro === "all";
  const value = emitter.emit(op);
  const decided = `if(${value}===${!neutral}){${result}=${!neutral};${onExit}}`;
  const failed = `if(${result}===${neutral})${result}=K.boolError(${value},${emitter.span(op.start, op.end)});`;
  emitter.line(`if(${value}!==${neutral}){${decided}${failed}}`);
}

/** `filter` and `existsOne`: something happens when the predicate holds, and an error ends the loop. */
function emitAccept(emitter: Emitter, { acceptCost, body: { op } }: ComprehensionOp, result: string, accept: string): void {
  const value = emitter.emit(op);
  const failed = `{${result}=K.boolError(${value},${emitter.span(op.start, op.end)});break;}`;
  emitter.line(`if(${value}===true){f.cost+=${acceptCost};${accept};}else if(${value}!==false)${failed}`);
}

function emitTransform(emitter: Emitter, op: ComprehensionOp, result: string): void {
  if (op.filter !== null) {
    const { start, end } = op.filter.op;
    const value = emitter.emit(op.filter.op);
    emitter.line(`if(${value}!==true){if(${value}===false)continue;${result}=K.boolError(${value},${emitter.span(start, end)});break;}`);
    emitter.charge(op.body.cost);
  }
  const value = emitter.emit(op.body.op);
  if (op.macro === "map" || op.macro === "transformList") {
    emitter.line(`if(${value} instanceof K.CelError){${result}=${value};break;}${result}.push(${value});`);
    return;
  }
  const add = op.macro === "transformMap" ? `K.addTransformed(${result},v${op.slot1},${value})` : `K.addEntry(${result},${value})`;
  const failure = emitter.assign(add);
  emitter.line(`if(${failure}!==undefined){${result}=K.at(${failure},${emitter.span(op.start, op.end)});break;}`);
}
