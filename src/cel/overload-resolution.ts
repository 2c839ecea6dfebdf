import type { Overload } from "./declaration.ts";
import type { FunctionSignatures, Signature } from "./declarations.ts";
import { writtenName } from "./macro.ts";
import { type CelType, DYN, ERROR, formatType } from "./type.ts";
import { isSameResult, mayBeAssignable, type Unification } from "./unification.ts";

export interface Resolution {
  /** At least one. */
  readonly overloads: readonly Overload[];
  /** The result that all of them have, or dyn. */
  readonly type: CelType;
}

/** The overloads that take these arguments (receiver first when `isMember`), or undefined when none does. Binds type variables. */
export function resolveOverloads(
  { signatures }: FunctionSignatures,
  args: readonly CelType[],
  isMember: boolean,
  unification: Unification,
): Resolution | undefined {
  const overloads: Overload[] = [];
  let type: CelType | undefined;
  for (const signature of signatures) {
    if (signature.overload.isMember !== isMember || !mayTake(signature, args)) continue;
    const result = unifyCall(signature, args, unification);
    if (result === undefined) continue;
    overloads.push(signature.overload);
    type = type === undefined || type.kind === "dyn" || isSameResult(result, type) ? (type ?? result) : DYN;
  }
  return type === undefined ? undefined : { overloads, type };
}

function mayTake({ overload }: Signature, args: readonly CelType[]): boolean {
  if (overload.args.length !== args.length) return false;
  for (let i = 0; i < args.length; i++) {
    const [from = DYN, to = DYN] = [args[i], overload.args[i]];
    if (!mayBeAssignable(from, to)) return false;
  }
  return true;
}

/** The result type of the call, or undefined when the arguments do not fit. */
function unifyCall({ overload, typeParameters }: Signature, args: readonly CelType[], unification: Unification): CelType | undefined {
  if (typeParameters.length === 0) return unification.areAssignable(args, overload.args) ? overload.result : undefined;
  const instantiate = unification.instantiator(typeParameters);
  if (!unification.areAssignable(args, overload.args.map(instantiate))) return undefined;
  return unification.resolve(instantiate(overload.result));
}

const MAX_CANDIDATES = 3;

/** How a function may be called, for a hint: `string.startsWith(string)`, `int + int`. What is nearest to the arguments comes first. */
export function describeCandidates({ name, signatures }: FunctionSignatures, args: readonly CelType[], isMember: boolean): string {
  const distance = ({ overload }: Signature): number => {
    const mismatches = overload.args.filter((type, index) => !mayBeAssignable(args[index] ?? ERROR, type));
    return mismatches.length + 2 * Math.abs(overload.args.length - args.length) + (overload.isMember === isMember ? 0 : 1);
  };
  const sorted = [...signatures].sort((a, b) => distance(a) - distance(b));
  const shown = [...new Set(sorted.map((signature) => `\`${formatSignature(name, signature.overload)}\``))];
  const list = shown.slice(0, MAX_CANDIDATES).join(", ");
  return shown.length > MAX_CANDIDATES ? `${list} and ${shown.length - MAX_CANDIDATES} more` : list;
}

function formatSignature(name: string, { args, isMember }: Overload): string {
  const types = args.map(formatType);
  const operator = formatOperation(name, types);
  if (operator !== undefined) return operator;
  return isMember ? `${types[0]}.${name}(${types.slice(1).join(", ")})` : `${writtenName(name)}(${types.join(", ")})`;
}

/** An operator applied to operands as it is written, or undefined when the function is no operator: `_+_` to `int + int`. */
export function formatOperation(name: string, operands: readonly string[]): string | undefined {
  const [first, second, third] = operands;
  if (name === "@in") return `${first} in ${second}`;
  if (name === "_[_]") return `${first}[${second}]`;
  if (name === "_[?_]") return `${first}[?${second}]`;
  if (name === "_?_:_") return `${first} ? ${second} : ${third}`;
  if (name === "!_" || name === "-_") return `${name[0]}${first}`;
  const isBinary = name.length > 2 && name.startsWith("_") && name.endsWith("_");
  return isBinary ? `${first} ${name.slice(1, -1)} ${second}` : undefined;
}
