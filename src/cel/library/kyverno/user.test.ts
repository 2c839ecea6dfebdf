import { expect, test } from "vitest";
import { evaluatorOf } from "../../../../test/evaluate-expression.ts";
import { userLibrary } from "./user.ts";

const evaluate = evaluatorOf({ libraries: [userLibrary] });

test.each([
  ["parseServiceAccount('system:serviceaccount:default:builder')", { Name: "builder", Namespace: "default" }],
  ["user.parseServiceAccount('system:serviceaccount:default:builder').Name", "builder"],
  ["parseServiceAccount('system:serviceaccount:a:b:c')", { Name: "b:c", Namespace: "a" }],
  ["parseServiceAccount('system:serviceaccount:default')", { Name: "", Namespace: "" }],
  ["parseServiceAccount('alice')", { Name: "", Namespace: "" }],
])("%s is %j", (text, expected) => expect(evaluate(text).result).toEqual(expected));
