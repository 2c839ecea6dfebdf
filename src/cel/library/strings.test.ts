import { expect, test } from "vitest";
import { evaluatorOf } from "../../../test/evaluate-expression.ts";
import { kubernetesStringsLibrary, stringsLibrary } from "./strings.ts";

const evaluate = evaluatorOf({ libraries: [stringsLibrary] });
const evaluateInKubernetes = evaluatorOf({ libraries: [kubernetesStringsLibrary] });

test.each([
  // charAt
  ["'tacocat'.charAt(3)", "o"],
  ["'tacocat'.charAt(7)", ""],
  ["'😀é'.charAt(1)", "é"],
  ["'😀é'.charAt(0)", "😀"],
  ["'😀é'.charAt(2)", ""],
  ["'😀é'.charAt(3)", "CEL_INDEX_OUT_OF_BOUNDS"],
  ["'a'.charAt(-1)", "CEL_INDEX_OUT_OF_BOUNDS"],
  // indexOf and lastIndexOf
  ["'tacocat'.indexOf('')", 0],
  ["'tacocat'.indexOf('ac')", 1],
  ["'tacocat'.indexOf('none')", -1],
  ["'tacocat'.indexOf('a', 3)", 5],
  ["'tacocat'.indexOf('', 30)", 7],
  ["'tacocat'.indexOf('t', 30)", -1],
  ["'tacocat'.indexOf('t', -1)", "CEL_INDEX_OUT_OF_BOUNDS"],
  ["'😀a😀a'.indexOf('a')", 1],
  ["'😀a😀a'.indexOf('a', 2)", 3],
  ["'tacocat'.lastIndexOf('')", 7],
  ["'tacocat'.lastIndexOf('at')", 5],
  ["'tacocat'.lastIndexOf('a', 3)", 1],
  ["'tacocat'.lastIndexOf('a', 7)", -1],
  ["'bananananana'.lastIndexOf('nana', 7)", 6],
  ["'tacocat'.lastIndexOf('t', -1)", "CEL_INDEX_OUT_OF_BOUNDS"],
  ["'😀a😀a'.lastIndexOf('😀')", 2],
  ["'😀a😀a'.lastIndexOf('a', 2)", 1],
  // letters
  ["'TacoCÆt Xii'.lowerAscii()", "tacocÆt xii"],
  ["'tacoCαt Xii'.upperAscii()", "TACOCαT XII"],
  // replace
  ["'12 days 12 hours'.replace('{0}', '2')", "12 days 12 hours"],
  ["'{0} days {0} hours'.replace('{0}', '2', 1)", "2 days {0} hours"],
  ["'{0} days {0} hours'.replace('{0}', '2', 0)", "{0} days {0} hours"],
  ["'aaa'.replace('a', 'b', 2)", "bba"],
  ["'aaa'.replace('a', 'b', -1)", "bbb"],
  ["'😀a'.replace('', '-')", "-😀-a-"],
  ["'😀a'.replace('', '-', 2)", "-😀-a"],
  ["'a$&'.replace('a', '$&')", "$&$&"],
  // split
  ["'hello world'.split(' ')", ["hello", "world"]],
  ["'hello hello hello'.split(' ', 0)", []],
  ["'hello hello hello'.split(' ', 1)", ["hello hello hello"]],
  ["'hello hello hello'.split(' ', 2)", ["hello", "hello hello"]],
  ["'hello hello hello'.split(' ', -1)", ["hello", "hello", "hello"]],
  ["'😀a'.split('')", ["😀", "a"]],
  ["'abc'.split('', 2)", ["a", "bc"]],
  ["''.split(',')", [""]],
  ["''.split('')", []],
  // substring
  ["'tacocat'.substring(4)", "cat"],
  ["'tacocat'.substring(7)", ""],
  ["'ta😀o'.substring(2)", "😀o"],
  ["'ta😀o'.substring(3, 4)", "o"],
  ["'tacocat'.substring(0, 4)", "taco"],
  ["'tacocat'.substring(8)", "CEL_INDEX_OUT_OF_BOUNDS"],
  ["'tacocat'.substring(-1)", "CEL_INDEX_OUT_OF_BOUNDS"],
  ["'tacocat'.substring(4, 3)", "CEL_INDEX_OUT_OF_BOUNDS"],
  ["'tacocat'.substring(1, 50)", "CEL_INDEX_OUT_OF_BOUNDS"],
  ["'tacocat'.substring(49, 50)", "CEL_INDEX_OUT_OF_BOUNDS"],
  // trim
  ["' \\f\\n\\r\\t\\vtext  '.trim()", "text"],
  ["'\\u0085\\u00a0\\u1680text\\u2028\\u3000'.trim()", "text"],
  ["'\\u180etext\\ufeff'.trim()", "\u180etext\ufeff"],
  ["'   '.trim()", ""],
  // reverse, join, quote
  ["'ab😀'.reverse()", "😀ba"],
  ["['x', 'y'].join()", "xy"],
  ["['x', 'y'].join('-')", "x-y"],
  ["[].join('-')", ""],
  ["[dyn('x'), dyn(1)].join('-')", "CEL_INVALID_ARGUMENT"],
  ["strings.quote('a\"b\\n\\a')", '"a\\"b\\n\\a"'],
  ["strings.quote('tab\\t \\\\')", '"tab\\t \\\\"'],
])("%s is %j", (text, expected) => expect(evaluate(text).result).toEqual(expected));

test("a replacement that would grow a string beyond all measure is refused", () => {
  const grown = `'${"a".repeat(8000)}'.replace('a', '${"b".repeat(4000)}')`;
  expect(evaluate(grown).result).toBe("CEL_COST_LIMIT");
  expect(evaluate(`${"'a'"}.replace('a', '${"b".repeat(4000)}')`).result).toBe("b".repeat(4000));
});

test("Kubernetes has no reverse of strings", () => {
  expect(evaluateInKubernetes("'abc'.reverse()").result).toBe("CEL_UNKNOWN_FUNCTION");
});

// As apiserver's cost estimator gives them; each row adds the cost of making its list, 10.
test.each([
  ["'ABCDEFGHIJ abcdefghij'.lowerAscii()", 3],
  ["'ABCDEFGHIJ abcdefghij'.upperAscii()", 3],
  ["'ABCDEFGHIJ abcdefghij'.substring(5, 6)", 3],
  ["'  abcdefghijklmnop '.trim()", 2],
  ["'abc 123 def 123'.replace('123', '456')", 3],
  ["'abc 123 def 123'.split(' ')", 3],
  ["'abc def'.indexOf('def')", 0],
  ["'abc def ghi'.lastIndexOf('def')", 1],
  ["['aaaaaaaaaaaaaaa', 'bbbbbbbbbbbbbb'].join('-')", 16],
  ["'abc'.charAt(1)", 1],
  ["strings.quote('abcdefghijk')", 2],
  ["'%d and %d'.format([1, 2])", 11],
])("%s costs %i", (text, cost) => expect(evaluateInKubernetes(text).cost).toBe(cost));
