/** The engines that run in this process: ours, hand-written JavaScript as the limit, both CEL libraries of npm, and Cedar's WebAssembly. */

import { CelScalar, celEnv, celFunc, parse, plan } from "@bufbuild/cel";
import { preparsePolicySet, statefulIsAuthorized } from "@cedar-policy/cedar-wasm/nodejs";
import { Environment as MarcEnvironment } from "@marcbachmann/cel-js";
import { createEnvironment } from "../../src/cel/environment.ts";
import { createFrame } from "../../src/cel/frame.ts";
import { extensionLibraries, kubernetesLibraries } from "../../src/cel/library/catalogue.ts";
import { DYN } from "../../src/cel/type.ts";
import { type Contestant, inProcess } from "../measure.ts";
import { type Case, type Deployment, INPUT_COUNT } from "../workload.ts";

const KUBERNETES_LIMIT = 1_000_000;

/** The environment of an admission policy, as the product compiles in. */
export const environment: ReturnType<typeof createEnvironment> = createEnvironment({
  libraries: [...extensionLibraries, ...kubernetesLibraries],
  variables: { object: DYN },
});

export function vigil(test: Case, inputs: readonly Deployment[], backend: "source" | "closure"): Contestant {
  const compiled = environment.compile(test.cel, { backend });
  if (!compiled.ok) throw new Error(compiled.error[0]?.message);
  const program = compiled.value;
  const bindings = inputs.map((object) => ({ object: JSON.parse(JSON.stringify(object)) }));
  const name = backend === "source" ? "Vigil" : "Vigil, closures";
  return inProcess(name, INPUT_COUNT, (i) => program.run(createFrame(bindings[i] ?? {}, KUBERNETES_LIMIT)) === true);
}

export function plainJavaScript(test: Case, inputs: readonly Deployment[]): Contestant {
  return inProcess("plain JavaScript", INPUT_COUNT, (i) => {
    const input = inputs[i];
    return input !== undefined && test.plain(input);
  });
}

/** A quantity as a number of bytes: what one would write to give the other libraries Kubernetes' function. */
function quantityBytes(text: string): number {
  const match = /^([0-9.]+)(Ki|Mi|Gi|Ti)?$/.exec(text);
  return Number(match?.[1]) * 1024 ** ["", "Ki", "Mi", "Gi", "Ti"].indexOf(match?.[2] ?? "");
}

/** Neither library has Kubernetes' quantities: their version of e5 compares numbers from a function. */
const withoutQuantities = (cel: string): string =>
  cel.replace(/quantity\(([^)]*)\)\.compareTo\(quantity\('1Gi'\)\) <= 0/, "quantityBytes($1) <= 1073741824.0");

export function marcbachmann(test: Case, inputs: readonly Deployment[]): Contestant {
  const evaluate = new MarcEnvironment()
    .registerVariable("object", "dyn")
    .registerFunction("quantityBytes(dyn): double", quantityBytes)
    .parse(withoutQuantities(test.cel));
  const bindings = inputs.map((object) => ({ object }));
  return inProcess("@marcbachmann/cel-js", INPUT_COUNT, (i) => evaluate(bindings[i]) === true);
}

export function bufbuild(test: Case, inputs: readonly Deployment[]): Contestant {
  const env = celEnv({ funcs: [celFunc("quantityBytes", [CelScalar.STRING], CelScalar.DOUBLE, quantityBytes)] });
  const evaluate = plan(env, parse(withoutQuantities(test.cel)));
  const bindings = inputs.map((object) => ({ object: new Map(Object.entries(object)) as never }));
  return inProcess("@bufbuild/cel", INPUT_COUNT, (i) => evaluate(bindings[i] ?? {}) === true);
}

/** Cedar has neither loops nor regular expressions: of the five only e1 can be said in it. */
export function cedar(test: Case, inputs: readonly Deployment[]): Contestant | null {
  if (test.name !== "e1") return null;
  preparsePolicySet("bench", { staticPolicies: "permit(principal, action, resource) when { context.object.spec.replicas <= 5 };" });
  const uid = (type: string): { type: string; id: string } => ({ type, id: "x" });
  return inProcess("Cedar (WebAssembly)", INPUT_COUNT, (i) => {
    const answer = statefulIsAuthorized({
      principal: uid("User"),
      action: uid("Action"),
      resource: uid("Object"),
      context: { object: { spec: { replicas: inputs[i]?.spec.replicas ?? 0 } } },
      preparsedPolicySetId: "bench",
      entities: [],
    });
    return answer.type === "success" && answer.response.decision === "allow";
  });
}
