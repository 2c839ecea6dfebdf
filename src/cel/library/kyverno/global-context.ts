/** Kyverno's `globalContext` variable: values that the cluster's administrator keeps ready for policies. */
import type { Library } from "../../declaration.ts";
import { quote } from "../../runtime/failure.ts";
import { type CelType, DYN, opaqueType } from "../../type.ts";
import type { CelValue } from "../../value.ts";
import { method, opaque, type Parameter, string } from "../define.ts";
import { Handle } from "../handle.ts";
import { inBothCases, type Lookup, lookedUp } from "./lookup.ts";

/** Answers from the entries that were fetched beforehand. */
export interface GlobalContextSource {
  /** The entry, or one of its projections; null when no such entry is kept. */
  get(name: string, projection: string | null): Lookup;
}

export const GLOBAL_CONTEXT: CelType = opaqueType("globalcontext.Context");

/** The value of the variable `globalContext`. */
export const globalContext = (source: GlobalContextSource): Handle<GlobalContextSource> => new Handle(GLOBAL_CONTEXT, source);

const context: Parameter<Handle<GlobalContextSource>> = opaque(GLOBAL_CONTEXT);

const get = ({ content }: Handle<GlobalContextSource>, name: string, projection: string | null): CelValue =>
  lookedUp(content.get(name, projection), `the global context entry ${quote(name)}`);

export const globalContextLibrary: Library = {
  name: "kyverno.globalContext",
  functions: inBothCases("get", "Get", "An entry of the global context, or one of its projections.", (suffix) => [
    method(`globalcontext_get_string_${suffix}`, [context, string], DYN, (of, name) => get(of, name, null)),
    method(`globalcontext_get_string_string_${suffix}`, [context, string, string], DYN, get),
  ]),
};
