import { messageOf } from "../../../lib/error.ts";
import type { Library } from "../../declaration.ts";
import { type CelType, DYN, opaqueType, STRING } from "../../type.ts";
import type { CelValue } from "../../value.ts";
import { declare, dyn, fail, method, opaque, type Parameter, string } from "../define.ts";
import { Handle } from "../handle.ts";
import { encodeAsGo } from "./json-text.ts";

const JSON_TYPE: CelType = opaqueType("json.Json");
const json: Parameter<Handle<null>> = opaque(JSON_TYPE);

/** UNTRUSTED: a `__proto__` key is refused, whatever way it is written. */
function unmarshal(text: string): CelValue {
  try {
    const mayHavePrototype = text.includes("__proto__") || text.includes("\\u");
    return mayHavePrototype ? JSON.parse(text, refusePrototype) : JSON.parse(text);
  } catch (thrown) {
    return fail(`invalid JSON: ${messageOf(thrown)}`);
  }
}

function refusePrototype(key: string, value: CelValue): CelValue {
  if (key === "__proto__") throw new SyntaxError("a key `__proto__` is not allowed");
  return value;
}

/** Kyverno's variable `json` and its functions. */
export const jsonLibrary: Library = {
  name: "kyverno.json",
  functions: [
    declare(
      "unmarshal",
      "The value of a JSON text.",
      method("unmarshal_string_dyn", [json, string], DYN, (_, text) => unmarshal(text)),
    ),
    declare(
      "marshal",
      "The JSON text of a value, its keys in order.",
      method("marshal_dyn_string", [json, dyn], STRING, (_, value) => encodeAsGo(value)),
    ),
  ],
  constants: new Map([["json", { type: JSON_TYPE, value: new Handle(JSON_TYPE, null) }]]),
};
