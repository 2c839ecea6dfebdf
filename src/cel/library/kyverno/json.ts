import { parseStrictJson } from "../../../lib/strict-json.ts";
import type { Library } from "../../declaration.ts";
import { encodeUtf8 } from "../../runtime/bytes.ts";
import { type CelType, DYN, opaqueType, STRING } from "../../type.ts";
import type { CelValue } from "../../value.ts";
import { declare, dyn, fail, method, opaque, type Parameter, string } from "../define.ts";
import { Handle } from "../handle.ts";
import { encodeAsGo } from "./json-text.ts";

const JSON_TYPE: CelType = opaqueType("json.Json");
const json: Parameter<Handle<null>> = opaque(JSON_TYPE);

/** UNTRUSTED: what the strict reader refuses is an error, duplicate and `__proto__` names and deep nesting among it. */
function unmarshal(text: string): CelValue {
  const parsed = parseStrictJson(encodeUtf8(text));
  return parsed.ok ? parsed.value : fail(parsed.error.message);
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
