import type { FunctionDeclaration, Library, Overload } from "./declaration.ts";
import { type CelType, type TypeProvider, typeParametersOf } from "./type.ts";
import { CelTypeValue, type CelValue } from "./value.ts";

/** A variable, or a constant when it has a value. */
export interface Identifier {
  /** Qualified, without a leading dot. */
  readonly name: string;
  readonly type: CelType;
  readonly value?: CelValue;
}

/** An overload with what the checker wants to know of it beforehand. */
export interface Signature {
  readonly overload: Overload;
  /** Names of the type parameters in `args` and `result`. */
  readonly typeParameters: readonly string[];
}

/** All overloads of one function, from all libraries. */
export interface FunctionSignatures {
  readonly name: string;
  readonly description?: string;
  readonly signatures: readonly Signature[];
}

export interface DeclarationOptions {
  /** A library replaces an earlier or inherited one of the same name. */
  readonly libraries?: readonly Library[];
  readonly variables?: Readonly<Record<string, CelType>>;
  readonly types?: TypeProvider;
  /** Namespace in which names are looked up first, such as `google.protobuf`. */
  readonly container?: string;
  /** Whether `<`, `<=`, `>` and `>=` compare an int with a uint or a double; true by default, as in Kubernetes. */
  readonly crossTypeComparisons?: boolean;
}

const NO_TYPES: TypeProvider = { fieldsOf: () => undefined, findType: () => undefined };
const CROSS_TYPE_COMPARISON = /^(less|less_equals|greater|greater_equals)_(int64|uint64|double)_(int64|uint64|double)$/;

/** What is declared in an environment. Immutable; `extend` makes a new one that shares what does not change. */
export class Declarations {
  readonly container: string;
  readonly types: TypeProvider;
  readonly libraries: readonly Library[];
  /** Names of the enabled macros, see macro.ts. */
  readonly macros: ReadonlySet<string>;
  readonly #functions: ReadonlyMap<string, FunctionSignatures>;
  readonly #identifiers: ReadonlyMap<string, Identifier>;
  /** First words of dotted identifiers and last words of dotted functions: most expressions need no look-up beyond these. */
  readonly #qualifiers: ReadonlySet<string>;
  readonly #memberNames: ReadonlySet<string>;
  readonly #crossTypeComparisons: boolean;

  constructor(options: DeclarationOptions, parent?: Declarations) {
    this.container = options.container ?? parent?.container ?? "";
    this.types = options.types ?? parent?.types ?? NO_TYPES;
    this.#crossTypeComparisons = options.crossTypeComparisons ?? (parent === undefined || parent.#crossTypeComparisons);
    const added = options.libraries ?? [];
    if (parent !== undefined && added.length === 0 && parent.#crossTypeComparisons === this.#crossTypeComparisons) {
      this.libraries = parent.libraries;
      this.macros = parent.macros;
      this.#functions = parent.#functions;
      this.#memberNames = parent.#memberNames;
    } else {
      const byName = [...(parent?.libraries ?? []), ...added].map((library) => [library.name, library] as const);
      this.libraries = [...new Map(byName).values()];
      this.macros = new Set(this.libraries.flatMap((library) => library.macros ?? []));
      this.#functions = signaturesOf(this.libraries, this.#crossTypeComparisons);
      this.#memberNames = new Set([...this.#functions.keys()].filter((name) => name.includes(".")).map(lastWord));
    }
    this.#identifiers = identifiersOf(options.variables ?? {}, added, parent === undefined ? new Map() : parent.#identifiers);
    this.#qualifiers = new Set([...this.#identifiers.keys()].filter((name) => name.includes(".")).map(firstWord));
  }

  extend(options: DeclarationOptions): Declarations {
    return new Declarations(options, this);
  }

  /** Declared functions, for completion and suggestions. */
  get functions(): Iterable<FunctionSignatures> {
    return this.#functions.values();
  }

  /** Declared variables and constants, for completion and suggestions. */
  get identifiers(): Iterable<Identifier> {
    return this.#identifiers.values();
  }

  /** The function of this name, looked up in the container and outwards. */
  findFunction(name: string): FunctionSignatures | undefined {
    return this.#resolve(name, (candidate) => this.#functions.get(candidate));
  }

  /** Whether a call `a.b.name()` may be a call of the function `a.b.name`. */
  isNamespacedFunction(name: string): boolean {
    return this.#memberNames.has(name) || this.container !== "";
  }

  /** The variable, constant or type of this name, looked up in the container and outwards. */
  findIdentifier(name: string): Identifier | undefined {
    return this.#resolve(name, (candidate) => this.#identifiers.get(candidate) ?? this.#typeIdentifier(candidate));
  }

  /**
   * Whether `root.field` may be a qualified name rather than a selection. A variable hides the types of the provider
   * whose name begins with its name.
   */
  isQualifier(root: string): boolean {
    return this.#qualifiers.has(root) || this.container !== "" || !this.#identifiers.has(root);
  }

  /** The type that a struct literal of this name makes, with its qualified name. */
  findStructType(name: string): { readonly name: string; readonly type: CelType } | undefined {
    return this.#resolve(name, (candidate) => {
      const type = this.types.findType(candidate);
      return type === undefined ? undefined : { name: candidate, type };
    });
  }

  #typeIdentifier(name: string): Identifier | undefined {
    const of = this.types.findType(name);
    return of === undefined ? undefined : { name, type: { kind: "type", of }, value: new CelTypeValue(of) };
  }

  /** C++ name resolution: in the container `a.b`, `c` is `a.b.c`, then `a.c`, then `c`; a leading dot means the root alone. */
  #resolve<T>(name: string, find: (qualifiedName: string) => T | undefined): T | undefined {
    if (name.startsWith(".")) return find(name.slice(1));
    for (let container = this.container; container !== ""; container = container.slice(0, Math.max(0, container.lastIndexOf(".")))) {
      const found = find(`${container}.${name}`);
      if (found !== undefined) return found;
    }
    return find(name);
  }
}

const firstWord = (name: string): string => name.slice(0, name.indexOf("."));
const lastWord = (name: string): string => name.slice(name.lastIndexOf(".") + 1);

function identifiersOf(
  variables: Readonly<Record<string, CelType>>,
  libraries: readonly Library[],
  inherited: ReadonlyMap<string, Identifier>,
): ReadonlyMap<string, Identifier> {
  const identifiers = new Map(inherited);
  for (const library of libraries) {
    for (const [name, { type, value }] of library.constants ?? []) identifiers.set(name, { name, type, value });
  }
  for (const [name, type] of Object.entries(variables)) identifiers.set(name, { name, type });
  return identifiers;
}

function signaturesOf(libraries: readonly Library[], crossTypeComparisons: boolean): ReadonlyMap<string, FunctionSignatures> {
  const overloads = new Map<string, Map<string, Signature>>();
  const descriptions = new Map<string, string>();
  for (const declaration of libraries.flatMap((library) => library.functions)) {
    const { name, description } = declaration;
    if (description !== undefined) descriptions.set(name, description);
    const byId = overloads.get(name) ?? new Map<string, Signature>();
    overloads.set(name, byId);
    for (const signature of signaturesOfFunction(declaration, crossTypeComparisons)) byId.set(signature.overload.id, signature);
  }
  const functions = new Map<string, FunctionSignatures>();
  for (const [name, byId] of overloads) {
    const description = descriptions.get(name);
    const signatures = [...byId.values()];
    functions.set(name, description === undefined ? { name, signatures } : { name, signatures, description });
  }
  return functions;
}

function signaturesOfFunction(declaration: FunctionDeclaration, crossTypeComparisons: boolean): readonly Signature[] {
  return declaration.overloads
    .filter((overload) => crossTypeComparisons || !CROSS_TYPE_COMPARISON.test(overload.id))
    .map((overload) => ({ overload, typeParameters: typeParametersOf([...overload.args, overload.result]) }));
}
