/**
 * Assignability of types with type variables, as cel-go's checker defines it: gradual (dyn and error fit everything), null fits
 * objects, opaque types, times and wrappers, and a type variable takes the most general of the types that it meets.
 */
import { type CelType, DYN, ERROR, partsOf, sameType, typeParam, typeParametersOf } from "./type.ts";

const unwrap = (type: CelType): CelType => (type.kind === "wrapper" ? type.of : type);

/** Whether two types are the same. A wrapper is its primitive here: they differ only in that null fits the one. */
function isExact(a: CelType, b: CelType): boolean {
  if (a === b) return true;
  const [first, second] = [unwrap(a), unwrap(b)];
  const [parts, others] = [partsOf(first), partsOf(second)];
  if (parts.length === 0 || parts.length !== others.length) return sameType(first, second);
  const isSameShape = first.kind === second.kind && (first.kind !== "opaque" || second.kind !== "opaque" || first.name === second.name);
  return isSameShape && parts.every((part, index) => isExact(part, others[index] ?? ERROR));
}

const isNullable = (type: CelType): boolean =>
  type.kind === "opaque" ||
  type.kind === "object" ||
  type.kind === "timestamp" ||
  type.kind === "duration" ||
  type.kind === "wrapper" ||
  type.kind === "null";

const fitsAnything = (type: CelType): boolean => type.kind === "dyn" || type.kind === "error";

/** A quick answer that needs no bindings: false when a value of the one type is never assignable to the other. */
export function mayBeAssignable(from: CelType, to: CelType): boolean {
  if (fitsAnything(from) || fitsAnything(to) || from.kind === "param" || to.kind === "param") return true;
  if (from.kind === "null") return isNullable(to);
  if (to.kind === "null") return isNullable(from);
  return unwrap(from).kind === unwrap(to).kind;
}

/** `first` and `second` unify; whether the first is at most as specific as the second. */
function isEqualOrLessSpecific(first: CelType, second: CelType): boolean {
  if (first.kind === "dyn" || first.kind === "param") return true;
  if (second.kind === "dyn" || second.kind === "param") return false;
  switch (first.kind) {
    case "list":
      return second.kind === "list" && isEqualOrLessSpecific(first.element, second.element);
    case "map":
      return second.kind === "map" && isEqualOrLessSpecific(first.key, second.key) && isEqualOrLessSpecific(first.value, second.value);
    case "opaque":
      return (
        second.kind === "opaque" &&
        first.name === second.name &&
        first.parameters.length === second.parameters.length &&
        first.parameters.every((parameter, index) => isEqualOrLessSpecific(parameter, second.parameters[index] ?? DYN))
      );
    case "type":
      return second.kind === "type";
    default:
      return isExact(first, second);
  }
}

/** The more general of two types that unify. */
export const mostGeneral = (first: CelType, second: CelType): CelType => (isEqualOrLessSpecific(first, second) ? first : second);

/** Whether two result types are the same for the purpose of overloads. */
export const isSameResult: (a: CelType, b: CelType) => boolean = isExact;

const VARIABLE_PREFIX = "_var";

/** No expression that somebody wrote comes near these. */
const MAX_STEPS = 1_000_000;
export const MAX_TYPE_SIZE = 300;

type TypeVariable = CelType & { readonly kind: "param" };

type Fit = "fits" | "unbound" | "refused";

/**
 * The types that type variables stand for, found while one expression is checked. UNTRUSTED: variables can make types that are
 * exponential in the length of the expression, so that all work is counted; when it is too much, `isExhausted` is set and
 * every answer after that is quick and wrong.
 */
export class Unification {
  readonly #bindings = new Map<string, CelType>();
  /** What the bindings were before, so that a failed attempt can be undone. */
  readonly #trail: { readonly name: string; readonly previous: CelType | undefined }[] = [];
  #variableCount = 0;
  #steps = MAX_STEPS;
  /** How many more parts the type that is being resolved may have. */
  #room = 0;

  /** Whether the types are too complex; the expression must be refused then. */
  get isExhausted(): boolean {
    return this.#steps <= 0;
  }

  /** Whether any type may still mention a type variable. */
  get hasVariables(): boolean {
    return this.#variableCount > 0 || this.#bindings.size > 0;
  }

  /** How many variables have been made; a mark for `renew`. */
  get variableCount(): number {
    return this.#variableCount;
  }

  freshVariable(): CelType {
    return typeParam(`${VARIABLE_PREFIX}${this.#variableCount++}`);
  }

  /** The type as another check of the same expression would give it: with fresh variables for those that were made since `mark`. */
  renew(type: CelType, mark: number): CelType {
    const resolved = this.resolve(type);
    const isNew = (name: string): boolean => name.startsWith(VARIABLE_PREFIX) && Number(name.slice(VARIABLE_PREFIX.length)) >= mark;
    return this.instantiator(typeParametersOf([resolved]).filter(isNew))(resolved);
  }

  /** Whether a value of type `from` may be used where `to` is expected. Binds type variables only when it may. */
  isAssignable(from: CelType, to: CelType): boolean {
    if (from === to || this.isExhausted) return true;
    return this.#commit(this.#assign(from, to));
  }

  /** `isAssignable` for each pair at once, all or nothing. */
  areAssignable(from: readonly CelType[], to: readonly CelType[]): boolean {
    return this.isExhausted || this.#commit(this.#assignAll(from, to));
  }

  /** The type with its variables replaced by what they stand for. */
  resolve(type: CelType): CelType {
    if (this.isExhausted) return DYN;
    this.#room = MAX_TYPE_SIZE;
    return this.#resolve(type, undefined);
  }

  /** `resolve`, with dyn for the variables that stand for nothing. */
  resolveFully(type: CelType): CelType {
    if (this.isExhausted) return DYN;
    this.#room = MAX_TYPE_SIZE;
    return this.#resolve(type, DYN);
  }

  #resolve(type: CelType, unbound: CelType | undefined): CelType {
    return this.#substitute(type, (variable) => {
      const bound = this.#bindings.get(variable.name);
      if (bound === undefined) return unbound ?? variable;
      if (--this.#room > 0) return this.#resolve(bound, unbound);
      this.#steps = 0;
      return DYN;
    });
  }

  /** Types of a declaration with its type parameters replaced by fresh variables, the same name by the same variable. */
  instantiator(parameters: readonly string[]): (type: CelType) => CelType {
    const fresh = parameters.map(() => this.freshVariable());
    const replace = (parameter: TypeVariable): CelType => fresh[parameters.indexOf(parameter.name)] ?? parameter;
    return (type) => this.#substitute(type, replace);
  }

  #substitute(type: CelType, replace: (variable: TypeVariable) => CelType): CelType {
    switch (type.kind) {
      case "param":
        return replace(type);
      case "list": {
        const element = this.#substitute(type.element, replace);
        return element === type.element ? type : { kind: "list", element };
      }
      case "map": {
        const key = this.#substitute(type.key, replace);
        const value = this.#substitute(type.value, replace);
        return key === type.key && value === type.value ? type : { kind: "map", key, value };
      }
      case "opaque": {
        const parameters = type.parameters.map((parameter) => this.#substitute(parameter, replace));
        return parameters.every((parameter, index) => parameter === type.parameters[index]) ? type : { ...type, parameters };
      }
      case "type": {
        if (type.of === null) return type;
        const of = this.#substitute(type.of, replace);
        return of === type.of ? type : { kind: "type", of };
      }
      default:
        return type;
    }
  }

  #assign(from: CelType, to: CelType): boolean {
    if (from === to || --this.#steps < 0) return true;
    if (to.kind === "param") {
      const fit = this.#bind(to, from);
      if (fit !== "unbound" || from.kind !== "param") return fit === "fits";
    }
    if (from.kind === "param") return this.#bind(from, to) === "fits";
    if (!mayBeAssignable(from, to)) return false;
    if (from.kind === "list" && to.kind === "list") return this.#assign(from.element, to.element);
    if (from.kind === "map" && to.kind === "map") return this.#assign(from.key, to.key) && this.#assign(from.value, to.value);
    if (from.kind === "opaque" && to.kind === "opaque") return from.name === to.name && this.#assignAll(from.parameters, to.parameters);
    return from.kind !== "object" || to.kind !== "object" || from.name === to.name;
  }

  #assignAll(from: readonly CelType[], to: readonly CelType[]): boolean {
    if (from.length !== to.length) return false;
    for (const [index, type] of from.entries()) {
      const expected = to[index];
      if (expected === undefined || !this.#assign(type, expected)) return false;
    }
    return true;
  }

  /** Tries `type` for a variable: "refused" when what the variable stands for excludes it, "unbound" when it would contain itself. */
  #bind(variable: TypeVariable, type: CelType): Fit {
    if (isExact(variable, type)) return "fits";
    const bound = this.#bindings.get(variable.name);
    if (bound === undefined) {
      if (this.#occurs(variable, type)) return "unbound";
      this.#set(variable.name, type);
      return "fits";
    }
    if (isExact(type, bound)) return "fits";
    if (!this.#assign(type, bound)) return "refused";
    const general = mostGeneral(type, bound);
    if (!this.#occurs(variable, general)) this.#set(variable.name, general);
    return "fits";
  }

  #occurs(variable: TypeVariable, within: CelType): boolean {
    if (--this.#steps < 0) return false;
    switch (within.kind) {
      case "param": {
        if (within.name === variable.name) return true;
        const bound = this.#bindings.get(within.name);
        return bound !== undefined && this.#occurs(variable, bound);
      }
      case "list":
        return this.#occurs(variable, within.element);
      case "map":
        return this.#occurs(variable, within.key) || this.#occurs(variable, within.value);
      case "opaque":
        return within.parameters.some((parameter) => this.#occurs(variable, parameter));
      case "type":
        return within.of !== null && this.#occurs(variable, within.of);
      default:
        return false;
    }
  }

  #set(name: string, type: CelType): void {
    this.#trail.push({ name, previous: this.#bindings.get(name) });
    this.#bindings.set(name, type);
  }

  /** Ends an attempt: a failed one leaves the bindings as they were. */
  #commit(fits: boolean): boolean {
    for (let change = this.#trail.pop(); change !== undefined; change = this.#trail.pop()) {
      if (fits) continue;
      if (change.previous === undefined) this.#bindings.delete(change.name);
      else this.#bindings.set(change.name, change.previous);
    }
    return fits;
  }
}
