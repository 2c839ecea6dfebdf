import type { Diagnostic } from "../lib/diagnostic.ts";
import { err, ok, type Result } from "../lib/result.ts";
import type { Expr, ListExpr, MapExpr, StructExpr } from "./ast.ts";
import { celDiagnostic, quoteInput } from "./diagnostic.ts";
import { tokenize } from "./lexer.ts";
import { parseLiteral } from "./literal.ts";
import { expandMacro, type MacroContext } from "./macro.ts";
import { qualifiedName } from "./qualified-name.ts";
import type { SourceText } from "./source-text.ts";
import { operatorFunction, operatorPrecedence, RESERVED_WORDS, TOKEN, type TokenKind, type Tokens } from "./token.ts";
import { TokenCursor } from "./token-cursor.ts";

/** A tree with what belongs to it. Every node's id is below `nodeCount`. */
export interface ParsedExpression {
  readonly root: Expr;
  readonly nodeCount: number;
  readonly source: SourceText;
}

export interface ParseOptions {
  /** Enabled macros, see the sets in macro.ts. */
  readonly macros: ReadonlySet<string>;
  /** Height of the tree, and nesting of brackets; 250 by default. */
  readonly maxDepth?: number;
}

const MAX_TEXT_LENGTH = 64 * 1024;
const MAX_DEPTH = 250;

/**
 * Parses one expression: at most 64 KiB (UTF-16 units), 100,000 nodes and a depth of 250. Reports the first syntax error, or every
 * literal and macro argument that is wrong. UNTRUSTED: any text gives a result, in linear time.
 */
export function parseExpression(source: SourceText, options: ParseOptions): Result<ParsedExpression, readonly Diagnostic[]> {
  if (source.text.length > MAX_TEXT_LENGTH) {
    const message = `expression of ${source.text.length} characters is too long, expected at most ${MAX_TEXT_LENGTH}`;
    return err([celDiagnostic(source, "CEL_TOO_LARGE", message, { start: 0, end: 1 })]);
  }
  const tokens = tokenize(source.text);
  if (!tokens.ok) return err([celDiagnostic(source, "CEL_SYNTAX", tokens.error.message, tokens.error, tokens.error.hint)]);
  return new Parser(source, tokens.value, options).parse();
}

/**
 * Recursive descent, with precedence climbing for arithmetic and relations. What is built after a syntax error, while the
 * recursion unwinds, is thrown away.
 */
class Parser extends TokenCursor {
  readonly macros: ReadonlySet<string>;
  readonly macroContext: MacroContext;
  nesting = 0;
  /** Height of the tree that was returned last: left-deep chains grow the tree without nesting the parser. */
  height = 0;

  constructor(source: SourceText, tokens: Tokens, options: ParseOptions) {
    super(source, tokens, options.maxDepth ?? MAX_DEPTH);
    this.macros = options.macros;
    this.macroContext = {
      nextId: () => this.nextId(),
      report: (message, span, hint) => this.report("CEL_MACRO_ARGUMENT", message, span, hint),
    };
  }

  parse(): Result<ParsedExpression, readonly Diagnostic[]> {
    const root = this.parseExpr();
    if (this.kind !== TOKEN.end) this.failUnexpected("the end of the expression");
    if (this.diagnostics.length > 0) return err(this.diagnostics);
    return ok({ root, nodeCount: this.nodeCount, source: this.source });
  }

  parseExpr(): Expr {
    const start = this.start();
    if (this.nesting >= this.maxDepth) this.failTooDeep(start);
    this.nesting++;
    const condition = this.parseLogical(TOKEN.or);
    let result = condition;
    if (this.kind === TOKEN.question) {
      const at = this.start();
      let height = this.height;
      this.advance();
      const whenTrue = this.parseLogical(TOKEN.or);
      height = Math.max(height, this.height);
      this.expect(TOKEN.colon, "`:`");
      const whenFalse = this.parseExpr();
      this.grow(Math.max(height, this.height), start);
      const args = [condition, whenTrue, whenFalse];
      result = { kind: "call", id: this.nextId(), start, end: this.lastEnd(), at, fn: "_?_:_", target: null, args };
    }
    this.nesting--;
    return result;
  }

  /** A chain of `||` or of `&&`, as a balanced tree: long chains are usual, and both operators are associative. */
  parseLogical(operator: typeof TOKEN.or | typeof TOKEN.and): Expr {
    const start = this.start();
    const first = operator === TOKEN.or ? this.parseLogical(TOKEN.and) : this.parseBinary(1);
    if (this.kind !== operator) return first;
    const terms = [first];
    const starts = [start];
    const ends = [this.lastEnd()];
    const operators: number[] = [];
    let height = this.height;
    while (this.kind === operator) {
      operators.push(this.start());
      this.advance();
      starts.push(this.start());
      terms.push(operator === TOKEN.or ? this.parseLogical(TOKEN.and) : this.parseBinary(1));
      ends.push(this.lastEnd());
      height = Math.max(height, this.height);
    }
    this.grow(height + Math.ceil(Math.log2(terms.length)) - 1, start);
    const fn = operator === TOKEN.or ? "_||_" : "_&&_";
    const balance = (low: number, high: number): Expr => {
      const middle = (low + high + 1) >> 1;
      const left = middle === low ? terms[middle] : balance(low, middle - 1);
      const right = middle === high ? terms[middle + 1] : balance(middle + 1, high);
      const [from = 0, to = 0, at = 0] = [starts[low], ends[high + 1], operators[middle]];
      // INVARIANT: 0 <= low <= middle <= high < operators.length = terms.length - 1.
      const args = left === undefined || right === undefined ? [] : [left, right];
      return { kind: "call", id: this.nextId(), start: from, end: to, at, fn, target: null, args };
    };
    return balance(0, operators.length - 1);
  }

  parseBinary(minimum: number): Expr {
    const start = this.start();
    let left = this.parseUnary();
    for (;;) {
      const precedence = operatorPrecedence(this.kind);
      if (precedence < minimum || precedence === 0) return left;
      const fn = operatorFunction(this.kind);
      const at = this.start();
      const height = this.height;
      this.advance();
      const right = this.parseBinary(precedence + 1);
      this.grow(Math.max(height, this.height), start);
      left = { kind: "call", id: this.nextId(), start, end: this.lastEnd(), at, fn, target: null, args: [left, right] };
    }
  }

  /** Repeated operators cancel out in pairs, as in the grammar of CEL; a minus before a number belongs to the number. */
  parseUnary(): Expr {
    const operator = this.kind;
    if (operator !== TOKEN.not && operator !== TOKEN.minus) return this.parseMember(false);
    const start = this.start();
    let count = 0;
    while (this.kind === operator) {
      this.advance();
      count++;
    }
    if (operator === TOKEN.minus && count === 1 && isNumber(this.kind)) return this.parseMember(true);
    const operand = this.parseMember(this.isAt(TOKEN.minus) && isNumber(this.kinds[this.index + 1]) && this.accept(TOKEN.minus));
    if (count % 2 === 0) return operand;
    this.grow(this.height, start);
    const fn = operator === TOKEN.not ? "!_" : "-_";
    return { kind: "call", id: this.nextId(), start, end: this.lastEnd(), at: start, fn, target: null, args: [operand] };
  }

  parseMember(isNegative: boolean): Expr {
    const start = isNegative ? (this.starts[this.index - 1] ?? 0) : this.start();
    // Only a plain dotted name can be the name of a type before `{`.
    let isName = this.kind === TOKEN.identifier || this.kind === TOKEN.dot;
    let expr = this.parsePrimary(start, isNegative);
    isName &&= expr.kind === "ident";
    for (;;) {
      if (this.kind === TOKEN.dot) {
        this.advance();
        isName &&= this.isAt(TOKEN.identifier);
        expr = this.parseSelection(expr, start);
        isName &&= expr.kind === "select";
      } else if (this.kind === TOKEN.leftBracket) {
        isName = false;
        expr = this.parseIndex(expr, start);
      } else if (this.kind === TOKEN.leftBrace && isName) {
        isName = false;
        expr = this.parseStruct(qualifiedName(expr) ?? "", start);
      } else {
        return expr;
      }
    }
  }

  /** What follows a dot: `field`, `?field` or `method(arguments)`. */
  parseSelection(operand: Expr, start: number): Expr {
    const optional = this.accept(TOKEN.question);
    const at = this.start();
    const height = this.height;
    const isPlain = this.kind === TOKEN.identifier;
    const field = this.parseFieldName();
    if (isPlain && !optional && this.isAt(TOKEN.leftParen)) {
      const args = this.parseArguments();
      this.grow(Math.max(height, this.height), start);
      return this.callOrMacro(start, at, field, operand, args);
    }
    this.grow(height, start);
    return { kind: "select", id: this.nextId(), start, end: this.lastEnd(), at, operand, field, testOnly: false, optional };
  }

  parseFieldName(): string {
    if (this.kind === TOKEN.identifier) return this.takeText();
    if (this.kind === TOKEN.escapedIdentifier) return this.takeText().slice(1, -1);
    const isKeyword = this.kind === TOKEN.in || (this.kind >= TOKEN.true && this.kind <= TOKEN.null);
    this.failUnexpected("a field name", isKeyword ? `write \`["${this.currentText()}"]\` for a field whose name is a keyword` : undefined);
    return "";
  }

  parseIndex(operand: Expr, start: number): Expr {
    const at = this.start();
    const height = this.height;
    this.advance();
    const fn = this.accept(TOKEN.question) ? "_[?_]" : "_[_]";
    const index = this.parseExpr();
    this.expectClosing(TOKEN.rightBracket, "`]`", at);
    this.grow(Math.max(height, this.height), start);
    return { kind: "call", id: this.nextId(), start, end: this.lastEnd(), at, fn, target: null, args: [operand, index] };
  }

  parseArguments(): Expr[] {
    const open = this.start();
    this.advance();
    const args: Expr[] = [];
    let height = 0;
    if (this.kind !== TOKEN.rightParen) {
      do {
        args.push(this.parseExpr());
        height = Math.max(height, this.height);
      } while (this.accept(TOKEN.comma));
    }
    this.expectClosing(TOKEN.rightParen, "`)` or `,`", open);
    this.height = height;
    return args;
  }

  callOrMacro(start: number, at: number, fn: string, target: Expr | null, args: readonly Expr[]): Expr {
    const call = { kind: "call" as const, id: this.nodeCount, start, end: this.lastEnd(), at, fn, target, args };
    const expanded = expandMacro(call, this.macros, this.macroContext);
    if (expanded !== undefined) return expanded;
    this.nextId();
    return call;
  }

  parsePrimary(start: number, isNegative: boolean): Expr {
    this.height = 1;
    switch (this.kind) {
      case TOKEN.identifier:
      case TOKEN.dot:
        return this.parseName(start);
      case TOKEN.leftParen: {
        const open = this.start();
        this.advance();
        const inner = this.parseExpr();
        this.expectClosing(TOKEN.rightParen, "`)`", open);
        return inner;
      }
      case TOKEN.leftBracket:
        return this.parseList(start);
      case TOKEN.leftBrace:
        return this.parseMap(start);
      default:
        return this.parseLiteral(start, isNegative);
    }
  }

  parseName(start: number): Expr {
    const isRooted = this.accept(TOKEN.dot);
    const at = this.start();
    if (this.kind !== TOKEN.identifier) {
      this.failUnexpected("a name");
      return this.placeholder(start);
    }
    const word = this.takeText();
    const name = isRooted ? `.${word}` : word;
    if (RESERVED_WORDS.has(word) && !this.isAt(TOKEN.leftBrace)) {
      this.report("CEL_SYNTAX", `reserved word ${quoteInput(word)} used as a name`, { start: at, end: at + word.length });
    }
    if (!this.isAt(TOKEN.leftParen)) return { kind: "ident", id: this.nextId(), start, end: this.lastEnd(), name };
    const args = this.parseArguments();
    this.grow(this.height, start);
    return this.callOrMacro(start, at, name, null, args);
  }

  parseList(start: number): Expr {
    const open = this.start();
    this.advance();
    const elements: ListExpr["elements"][number][] = [];
    let height = 0;
    while (this.startsItem(TOKEN.rightBracket, elements.length)) {
      const optional = this.accept(TOKEN.question);
      elements.push({ value: this.parseExpr(), optional });
      height = Math.max(height, this.height);
      if (!this.accept(TOKEN.comma)) break;
    }
    this.expectClosing(TOKEN.rightBracket, "`]` or `,`", open);
    this.grow(height, start);
    return { kind: "list", id: this.nextId(), start, end: this.lastEnd(), elements };
  }

  parseMap(start: number): Expr {
    const open = this.start();
    this.advance();
    const entries: MapExpr["entries"][number][] = [];
    let height = 0;
    while (this.startsItem(TOKEN.rightBrace, entries.length)) {
      const optional = this.accept(TOKEN.question);
      const key = this.parseExpr();
      height = Math.max(height, this.height);
      const isTemplate = this.text.charAt(open - 1) === "{";
      this.expect(TOKEN.colon, "`:`", isTemplate ? "CEL has no `{{…}}`: write the expression itself" : undefined);
      entries.push({ key, value: this.parseExpr(), optional });
      height = Math.max(height, this.height);
      if (!this.accept(TOKEN.comma)) break;
    }
    this.expectClosing(TOKEN.rightBrace, "`}` or `,`", open);
    this.grow(height, start);
    return { kind: "map", id: this.nextId(), start, end: this.lastEnd(), entries };
  }

  parseStruct(typeName: string, start: number): Expr {
    const open = this.start();
    this.advance();
    const fields: StructExpr["fields"][number][] = [];
    let height = 0;
    while (this.startsItem(TOKEN.rightBrace, fields.length)) {
      const fieldStart = this.start();
      const optional = this.accept(TOKEN.question);
      const name = this.parseFieldName();
      const end = this.lastEnd();
      this.expect(TOKEN.colon, "`:`");
      fields.push({ name, value: this.parseExpr(), optional, start: fieldStart, end });
      height = Math.max(height, this.height);
      if (!this.accept(TOKEN.comma)) break;
    }
    this.expectClosing(TOKEN.rightBrace, "`}` or `,`", open);
    this.grow(height, start);
    return { kind: "struct", id: this.nextId(), start, end: this.lastEnd(), typeName, fields };
  }

  /** Whether an element follows inside of brackets. The grammar also allows a comma alone, `[,]`. */
  startsItem(closing: TokenKind, count: number): boolean {
    if (count === 0 && this.kind === TOKEN.comma && this.kinds[this.index + 1] === closing) this.advance();
    return this.kind !== closing && this.kind !== TOKEN.end;
  }

  parseLiteral(start: number, isNegative: boolean): Expr {
    const literal = parseLiteral(this.kind, this.text, this.start(), this.end(), isNegative);
    if (literal === undefined) {
      this.failUnexpected("an expression");
      return this.placeholder(start);
    }
    if (!literal.ok) this.report("CEL_LITERAL", literal.error.message, literal.error, literal.error.hint);
    this.advance();
    const value = literal.ok ? literal.value : { type: "null" as const };
    return { kind: "literal", id: this.nextId(), start, end: this.lastEnd(), value };
  }

  /** Stands for what could not be read; never part of a tree that is returned. */
  placeholder(start: number): Expr {
    return { kind: "ident", id: 0, start, end: start, name: "" };
  }

  /** Sets the height of a node over children of the given height. */
  grow(childHeight: number, start: number): void {
    this.height = childHeight + 1;
    if (this.height > this.maxDepth) this.failTooDeep(start);
  }
}

const isNumber = (kind: TokenKind | undefined): boolean => kind === TOKEN.int || kind === TOKEN.double;
