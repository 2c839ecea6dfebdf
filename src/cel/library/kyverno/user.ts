import type { Library } from "../../declaration.ts";
import { mapType, STRING } from "../../type.ts";
import type { CelValue } from "../../value.ts";
import { declare, func, string } from "../define.ts";

/** `Name` and `Namespace` of `system:serviceaccount:namespace:name`; both empty for any other user. */
function parseServiceAccount(username: string): CelValue {
  const [, Namespace = "", Name = ""] = /^system:serviceaccount:([^:]*):(.*)$/s.exec(username) ?? [];
  return { Name, Namespace };
}

const description = "The Name and Namespace of a service account from its user name, empty for other users.";
const SERVICE_ACCOUNT = mapType(STRING, STRING);

/** Kyverno's function for user names. */
export const userLibrary: Library = {
  name: "kyverno.user",
  functions: [
    declare(
      "parseServiceAccount",
      description,
      func("parse_service_account_string_non_prefixed", [string], SERVICE_ACCOUNT, parseServiceAccount),
    ),
    declare(
      "user.parseServiceAccount",
      description,
      func("parse_service_account_string_prefixed", [string], SERVICE_ACCOUNT, parseServiceAccount),
    ),
  ],
};
