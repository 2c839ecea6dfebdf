import { expect, test } from "vitest";
import { evaluatorOf } from "../../../../test/evaluate-expression.ts";
import { hashLibrary } from "./hash.ts";

const evaluate = evaluatorOf({ libraries: [hashLibrary] });

test.each([
  ["md5('hello')", "5d41402abc4b2a76b9719d911017c592"],
  ["sha1('hello')", "aaf4c61ddcc5e8a2dabede0f3b482cd9aea9434d"],
  ["sha256('hello')", "2cf24dba5fb0a30e26e83b2ac5b9e29e1b161e5c1fa7425e73043362938b9824"],
  ["hash.md5('') == md5('') && hash.sha1('é') == sha1('é') && hash.sha256('a') == sha256('a')", true],
  ["sha256(1)", "CEL_NO_MATCHING_OVERLOAD"],
])("%s is %j", (text, expected) => expect(evaluate(text).result).toBe(expected));
