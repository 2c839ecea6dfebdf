/** Kinds of tokens. Numbers, so that the parser compares them without touching the text. */
export const TOKEN = {
  end: 0,
  identifier: 1,
  escapedIdentifier: 2,
  int: 3,
  uint: 4,
  double: 5,
  string: 6,
  bytes: 7,
  true: 8,
  false: 9,
  null: 10,
  leftParen: 11,
  rightParen: 12,
  leftBracket: 13,
  rightBracket: 14,
  leftBrace: 15,
  rightBrace: 16,
  dot: 17,
  comma: 18,
  question: 19,
  colon: 20,
  not: 21,
  minus: 22,
  plus: 23,
  times: 24,
  divide: 25,
  modulo: 26,
  less: 27,
  lessEqual: 28,
  greater: 29,
  greaterEqual: 30,
  equal: 31,
  notEqual: 32,
  in: 33,
  and: 34,
  or: 35,
} as const;
export type TokenKind = (typeof TOKEN)[keyof typeof TOKEN];

/** Tokens as parallel columns; the last one is `TOKEN.end` at the end of the text. */
export interface Tokens {
  readonly kinds: readonly TokenKind[];
  readonly starts: readonly number[];
  readonly ends: readonly number[];
}

const BINARY_OPERATORS: ReadonlyMap<TokenKind, string> = new Map<TokenKind, string>([
  [TOKEN.times, "_*_"],
  [TOKEN.divide, "_/_"],
  [TOKEN.modulo, "_%_"],
  [TOKEN.plus, "_+_"],
  [TOKEN.minus, "_-_"],
  [TOKEN.less, "_<_"],
  [TOKEN.lessEqual, "_<=_"],
  [TOKEN.greater, "_>_"],
  [TOKEN.greaterEqual, "_>=_"],
  [TOKEN.equal, "_==_"],
  [TOKEN.notEqual, "_!=_"],
  [TOKEN.in, "@in"],
]);

/** The function that an arithmetic or relational operator calls; the empty string for any other token. */
export const operatorFunction = (kind: TokenKind): string => BINARY_OPERATORS.get(kind) ?? "";

/** How tightly arithmetic and relational operators bind (higher is tighter, all associate to the left); 0 for any other token. */
export function operatorPrecedence(kind: TokenKind): number {
  if (kind >= TOKEN.less && kind <= TOKEN.in) return 1;
  if (kind === TOKEN.plus || kind === TOKEN.minus) return 2;
  return kind >= TOKEN.times && kind <= TOKEN.modulo ? 3 : 0;
}

/** Words that are kept for other languages that embed CEL: not variables, but allowed as field and method names. */
export const RESERVED_WORDS: ReadonlySet<string> = new Set(
  "as break const continue else for function if import let loop package namespace return var void while".split(" "),
);
