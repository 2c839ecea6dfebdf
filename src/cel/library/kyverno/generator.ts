/** Kyverno's `generator` variable: objects that a policy makes. */
import type { Library } from "../../declaration.ts";
import { BOOL, type CelType, opaqueType } from "../../type.ts";
import type { CelValue } from "../../value.ts";
import { dyn, list, map, method, opaque, type Parameter, string } from "../define.ts";
import { Handle } from "../handle.ts";
import { inBothCases } from "./lookup.ts";

/** Takes note of the objects that an evaluation asks for; making them is the caller's work, after the evaluation. */
export interface Generator {
  /** True, or a `CelError`. */
  apply(namespace: string, objects: readonly CelValue[]): CelValue;
}

export const GENERATOR_CONTEXT: CelType = opaqueType("generator.Context");

/** The value of the variable `generator`. */
export const generatorContext = (generator: Generator): Handle<Generator> => new Handle(GENERATOR_CONTEXT, generator);

const context: Parameter<Handle<Generator>> = opaque(GENERATOR_CONTEXT);

const objects: Parameter<readonly CelValue[]> = list(map(string, dyn));

/** Kyverno's function of the variable `generator`; inside one namespace when one is given. */
export const generatorLibrary = (namespace?: string): Library => ({
  name: "kyverno.generator",
  functions: inBothCases("apply", "Apply", "Asks for objects in a namespace; true when they are taken.", (suffix) => [
    namespace === undefined
      ? method(`generator_apply_string_list_${suffix}`, [context, string, objects], BOOL, ({ content }, into, made) =>
          content.apply(into, made),
        )
      : method(`generator_apply_list_${suffix}`, [context, objects], BOOL, ({ content }, made) => content.apply(namespace, made)),
  ]),
});
