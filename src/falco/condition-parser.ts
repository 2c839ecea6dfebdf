/**
 * Reads conditions as Falco does (falcosecurity/libs, `userspace/libsinsp/filter/parser.h`, the grammar there): words are not separated
 * by a tokenizer, since what a bare value may hold depends on where it stands.
 */
import { err, ok, type Result } from "../lib/result.ts";
import {
  type Check,
  type Condition,
  type FieldName,
  type Literal,
  type LiteralList,
  MODIFIERS,
  type Modifier,
  type Operand,
  type Operator,
  TRANSFORMERS,
  type Transformation,
} from "./condition.ts";

export interface ConditionProblem {
  readonly message: string;
  readonly start: number;
  readonly end: number;
  readonly hint?: string;
}

const MAX_DEPTH = 100;
const MAX_LENGTH = 65_536;

const BLANK = /[ \t\b\r\n]+/y;
const NOT = /not(?=[ \t\b\r\n])/y;
const IDENTIFIER = /[a-zA-Z][a-zA-Z0-9_]*/y;
const FIELD = /[a-zA-Z][a-zA-Z0-9_]*(?:\.[a-zA-Z][a-zA-Z0-9_]*)+/y;
const FIELD_ARGUMENT = /[^[\]"'\s]+/y;
const NUMBER = /0[xX][0-9a-fA-F]+|[+-]?[0-9]+\.?[0-9]*(?:[eE][+-][0-9]+)?/y;
const BARE = /[^()"'\s=,]+/y;
const QUOTED = /"(?:\\[\s\S]|[^"\\])*"|'(?:\\[\s\S]|[^'\\])*'/y;
const NUMERIC_OPERATOR = /<=|<|>=|>/y;
const TEXT_OPERATOR = /==|=|!=|(?:glob|iglob|contains|icontains|bcontains|startswith|bstartswith|endswith|regex)(?=[ \t\b\r\n])/y;
const LIST_OPERATOR = /intersects|in|pmatch/y;
const MODIFIER = new RegExp(`(?:${MODIFIERS.join("|")})(?=[ \\t\\b\\r\\n])`, "y");
const TRANSFORMER = new RegExp(`(?:${TRANSFORMERS.join("|")})(?=\\()`, "y");

/** The condition, or the first thing in it that cannot be read. UNTRUSTED. */
export function parseCondition(text: string): Result<Condition, ConditionProblem> {
  if (text.length > MAX_LENGTH) return err({ message: `expected at most ${MAX_LENGTH} characters`, start: 0, end: 1 });
  try {
    return ok(new ConditionParser(text).parse());
  } catch (error) {
    if (error instanceof Unreadable) return err(error.problem);
    throw error;
  }
}

/** The value that an item of a list is written as: quoted, or bare. Undefined when it is neither. */
export function parseListItem(text: string): Literal | undefined {
  try {
    return new ConditionParser(text).parseItem();
  } catch (error) {
    if (error instanceof Unreadable) return undefined;
    throw error;
  }
}

class Unreadable extends Error {
  readonly problem: ConditionProblem;
  constructor(problem: ConditionProblem) {
    super(problem.message);
    this.problem = problem;
  }
}

class ConditionParser {
  readonly #text: string;
  #at = 0;
  #depth = 0;

  constructor(text: string) {
    this.#text = text;
  }

  parse(): Condition {
    const condition = this.#or();
    if (this.#at < this.#text.length) this.#fail("expected `and`, `or` or the end");
    return condition;
  }

  parseItem(): Literal {
    const literal = this.#literal();
    if (this.#at < this.#text.length) this.#fail("expected the end");
    return literal;
  }

  #fail(message: string, hint?: string, start: number = this.#at): never {
    const end = Math.max(start + 1, this.#endOfWord(start));
    throw new Unreadable({ message, start: Math.min(start, Math.max(0, this.#text.length - 1)), end, ...(hint && { hint }) });
  }

  #endOfWord(start: number): number {
    IDENTIFIER.lastIndex = start;
    return IDENTIFIER.test(this.#text) ? IDENTIFIER.lastIndex : start + 1;
  }

  #blank(): boolean {
    return this.#match(BLANK) !== undefined;
  }

  #match(pattern: RegExp): string | undefined {
    pattern.lastIndex = this.#at;
    const found = pattern.exec(this.#text)?.[0];
    if (found !== undefined) this.#at += found.length;
    return found;
  }

  #take(text: string): boolean {
    if (!this.#text.startsWith(text, this.#at)) return false;
    this.#at += text.length;
    return true;
  }

  #close(): void {
    this.#blank();
    if (!this.#take(")")) this.#fail("expected `)`");
  }

  #nested<T>(read: () => T): T {
    if (this.#depth >= MAX_DEPTH) this.#fail(`expected at most ${MAX_DEPTH} levels of nesting`);
    this.#depth += 1;
    const result = read();
    this.#depth -= 1;
    return result;
  }

  #or(): Condition {
    return this.#junction("or", () => this.#junction("and", () => this.#not()));
  }

  #junction(kind: "and" | "or", operand: () => Condition): Condition {
    this.#blank();
    const start = this.#at;
    const operands = [operand()];
    this.#blank();
    while (this.#take(kind)) {
      if (this.#blank()) operands.push(operand());
      else if (this.#take("(")) operands.push(this.#group());
      else this.#fail(`expected a blank or \`(\` after \`${kind}\``);
      this.#blank();
    }
    const [only] = operands;
    return operands.length === 1 && only !== undefined ? only : { kind, operands, start, end: this.#at };
  }

  #group(): Condition {
    return this.#nested(() => {
      const condition = this.#or();
      this.#close();
      return condition;
    });
  }

  #not(): Condition {
    this.#blank();
    const start = this.#at;
    let isNegated = false;
    while (this.#match(NOT) !== undefined) {
      isNegated = !isNegated;
      this.#blank();
    }
    let operand: Condition;
    if (this.#take("not(")) {
      isNegated = !isNegated;
      operand = this.#group();
    } else operand = this.#check();
    return isNegated ? { kind: "not", operand, start, end: this.#at } : operand;
  }

  #check(): Condition {
    this.#blank();
    const start = this.#at;
    if (this.#take("(")) return this.#group();
    const left = this.#field() ?? this.#transformation();
    if (left !== undefined) return this.#comparison(left, start);
    const name = this.#match(IDENTIFIER);
    if (name === undefined) this.#fail("expected a field, a macro or `(`");
    return { kind: "macro", name, start, end: this.#at };
  }

  #field(): FieldName | undefined {
    const start = this.#at;
    const name = this.#match(FIELD);
    return name === undefined ? undefined : { kind: "field", name, argument: this.#argument(), start, end: this.#at };
  }

  #argument(): string | undefined {
    if (!this.#take("[")) return undefined;
    const argument = this.#quoted()?.text ?? this.#match(FIELD_ARGUMENT);
    if (argument === undefined) this.#fail("expected an argument in quotes, or a word");
    if (!this.#take("]")) this.#fail("expected `]`");
    return argument;
  }

  #transformation(): Transformation | undefined {
    const start = this.#at;
    const transformer = this.#match(TRANSFORMER) as Transformation["transformer"] | undefined; // the pattern is made of their names
    if (transformer === undefined) return undefined;
    this.#take("(");
    return this.#nested(() => {
      const operands: Transformation["operands"][number][] = [];
      do {
        this.#blank();
        operands.push(this.#take("(") ? this.#operandList() : this.#operand());
        this.#blank();
      } while (this.#take(","));
      this.#close();
      return { kind: "transformation", transformer, operands, argument: this.#argument(), start, end: this.#at };
    });
  }

  #operandList(): readonly (Operand | Literal)[] {
    const operands: (Operand | Literal)[] = [];
    this.#blank();
    if (this.#take(")")) return operands;
    do {
      this.#blank();
      operands.push(this.#operand());
      this.#blank();
    } while (this.#take(","));
    this.#close();
    return operands;
  }

  #operand(): Operand | Literal {
    const operand = this.#transformation() ?? this.#field() ?? this.#quoted() ?? this.#number();
    return operand ?? this.#fail("expected a field, a transformer, a text in quotes or a number");
  }

  #comparison(left: Operand, start: number): Check {
    this.#blank();
    const check = (operator: string, right: Check["right"], modifier?: string): Check =>
      // The patterns are made of the operators' and modifiers' names.
      ({ kind: "check", left, operator: operator as Operator, modifier: modifier as Modifier | undefined, right, start, end: this.#at });
    if (this.#take("exists")) return check("exists", undefined);
    const numeric = this.#match(NUMERIC_OPERATOR);
    if (numeric !== undefined) {
      this.#blank();
      return check(numeric, this.#value() ?? this.#number() ?? this.#fail("expected a number, or a field in `val()` or a transformer"));
    }
    const textual = this.#match(TEXT_OPERATOR);
    if (textual !== undefined) {
      this.#blank();
      const modifier = this.#match(MODIFIER);
      this.#blank();
      if (modifier !== undefined) return check(textual, this.#list(), modifier);
      return check(textual, this.#value() ?? this.#literal());
    }
    const listing = this.#match(LIST_OPERATOR);
    if (listing === undefined) this.#fail("expected an operator", "such as `=`, `in`, `contains`, `startswith` or `exists`");
    this.#blank();
    return check(listing, this.#value() ?? this.#list());
  }

  /** What stands for a value that is not written out. */
  #value(): Operand | undefined {
    const start = this.#at;
    if (!this.#take("val(")) return this.#transformation();
    this.#blank();
    const field = this.#field() ?? this.#fail("expected a field");
    this.#close();
    return { kind: "transformation", transformer: "val", operands: [field], argument: undefined, start, end: this.#at };
  }

  #list(): LiteralList {
    const start = this.#at;
    const values: Literal[] = [];
    if (!this.#take("(")) {
      const name = this.#match(IDENTIFIER);
      if (name === undefined) this.#fail("expected `(` or the name of a list");
      const literal: Literal = { kind: "literal", text: name, isQuoted: false, start, end: this.#at };
      return { kind: "list", values: [literal], start, end: this.#at };
    }
    this.#blank();
    if (!this.#take(")")) {
      do {
        this.#blank();
        values.push(this.#literal());
        this.#blank();
      } while (this.#take(","));
      this.#close();
    }
    return { kind: "list", values, start, end: this.#at };
  }

  #number(): Literal | undefined {
    const start = this.#at;
    const text = this.#match(NUMBER);
    return text === undefined ? undefined : { kind: "literal", text, isQuoted: false, start, end: this.#at };
  }

  #literal(): Literal {
    const quoted = this.#quoted();
    if (quoted !== undefined) return quoted;
    const start = this.#at;
    const text = this.#match(BARE);
    if (text === undefined) this.#fail("expected a value", "texts with blanks, commas, brackets or `=` go in quotes");
    return { kind: "literal", text, isQuoted: false, start, end: this.#at };
  }

  #quoted(): Literal | undefined {
    const start = this.#at;
    const first = this.#text[start];
    if (first !== '"' && first !== "'") return undefined;
    const written = this.#match(QUOTED);
    if (written === undefined) this.#fail(`expected a closing ${first === '"' ? "double" : "single"} quote`);
    return { kind: "literal", text: this.#unescape(written, start), isQuoted: true, start, end: this.#at };
  }

  #unescape(written: string, start: number): string {
    const quote = written[0] ?? "";
    return written.slice(1, -1).replaceAll(/\\(x[0-9a-fA-F]{2}|[\s\S])/g, (_, escaped: string, offset: number) => {
      const plain = ESCAPES[escaped];
      if (plain !== undefined) return plain;
      if (escaped.length === 3) return String.fromCharCode(Number.parseInt(escaped.slice(1), 16));
      if (escaped === quote) return quote;
      return this.#fail(`unknown escape \`\\${escaped}\``, "a backslash is written `\\\\`", start + 1 + offset);
    });
  }
}

/** A backslash before a blank counts as a backslash, as in Falco. */
const ESCAPES: Readonly<Record<string, string>> = { b: "\b", f: "\f", n: "\n", r: "\r", t: "\t", " ": "\\", "\\": "\\", "/": "/" };
