import type { Library } from "../../declaration.ts";
import { type CelType, DYN, opaqueType } from "../../type.ts";
import type { CelValue } from "../../value.ts";
import { declare, method, opaque, type Parameter, string } from "../define.ts";
import { Handle } from "../handle.ts";

const YAML_TYPE: CelType = opaqueType("yaml.Yaml");
const yaml: Parameter<Handle<null>> = opaque(YAML_TYPE);

/** Kyverno's variable `yaml` and its function; `parseYaml` gives a document as JSON, or a `CelError`. */
export const yamlLibrary = (parseYaml: (text: string) => CelValue): Library => ({
  name: "kyverno.yaml",
  functions: [
    declare(
      "parse",
      "The value of a YAML text.",
      method("parse_string_dyn", [yaml, string], DYN, (_, text) => parseYaml(text)),
    ),
  ],
  constants: new Map([["yaml", { type: YAML_TYPE, value: new Handle(YAML_TYPE, null) }]]),
});
