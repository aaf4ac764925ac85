import { type Value, isMap, tagged, typeName, textOf } from "./value.ts";

/** A parsed expression. */
export type Expression =
  | { readonly kind: "literal"; readonly value: Value }
  | { readonly kind: "name"; readonly name: string }
  | { readonly kind: "list"; readonly items: readonly Expression[] }
  | { readonly kind: "member"; readonly of: Expression; readonly key: Expression }
  | { readonly kind: "call"; readonly callee: string; readonly args: readonly Expression[] }
  | { readonly kind: "unary"; readonly operator: string; readonly of: Expression }
  | {
      readonly kind: "binary";
      readonly operator: string;
      readonly left: Expression;
      readonly right: Expression;
    };

/** What an expression is evaluated in. */
export interface Environment {
  lookUp(name: string): Value;
  call(name: string, args: readonly Value[]): Value;
}

/** Longest expression the service takes, in characters. */
const longest = 400;
const parsed = new Map<string, Expression>();

/** Whether a string of a definition is an expression. */
export function isExpression(text: string): boolean {
  return text.startsWith("${") && text.endsWith("}");
}

/** Parse what stands between `${` and `}`; throws a syntax error as a deployment would. */
export function parseExpression(text: string): Expression {
  const known = parsed.get(text);
  if (known !== undefined) return known;
  if (text.length > longest)
    throw new SyntaxError(`expression of ${text.length} characters, more than ${longest}: ${text}`);
  const parser = new Parser(tokensOf(text.slice(2, -1)), text);
  const expression = parser.whole();
  parsed.set(text, expression);
  return expression;
}

/** Evaluate a parsed expression. */
export function evaluate(expression: Expression, environment: Environment): Value {
  const value = (of: Expression): Value => evaluate(of, environment);
  switch (expression.kind) {
    case "literal":
      return expression.value;
    case "name":
      return environment.lookUp(expression.name);
    case "list":
      return expression.items.map(value);
    case "member":
      return member(value(expression.of), value(expression.key));
    case "call":
      return environment.call(expression.callee, expression.args.map(value));
    case "unary":
      return unary(expression.operator, value(expression.of));
    case "binary": {
      const left = value(expression.left);
      if (expression.operator === "and" || expression.operator === "or") {
        const isTrue = boolean(left);
        if (isTrue === (expression.operator === "or")) return isTrue;
        return boolean(value(expression.right));
      }
      return binary(expression.operator, left, value(expression.right));
    }
  }
}

function member(of: Value, key: Value): Value {
  if (Array.isArray(of)) {
    if (typeof key !== "number" || !Number.isInteger(key))
      throw tagged("TypeError", `index of a list must be an integer, not ${typeName(key)}`);
    const item: Value | undefined = key < 0 ? undefined : of[key];
    if (item === undefined) throw tagged("IndexError", `index ${key} out of range`);
    return item;
  }
  if (!isMap(of)) throw tagged("TypeError", `${typeName(of)} has no members`);
  const found = typeof key === "string" && Object.hasOwn(of, key) ? of[key] : undefined;
  if (found === undefined) throw tagged("KeyError", `key not found: ${textOf(key)}`);
  return found;
}

function unary(operator: string, of: Value): Value {
  return operator === "not" ? !boolean(of) : -number(of);
}

function binary(operator: string, left: Value, right: Value): Value {
  switch (operator) {
    case "==":
      return isEqual(left, right);
    case "!=":
      return !isEqual(left, right);
    case "in":
      return isIn(left, right);
    case "+":
      if (typeof left === "string" && typeof right === "string") return left + right;
      return number(left) + number(right);
    case "<":
    case "<=":
    case ">":
    case ">=":
      return isOrdered(operator, left, right);
    default:
      return arithmetic(operator, number(left), number(right));
  }
}

function isIn(left: Value, right: Value): boolean {
  if (Array.isArray(right)) return right.some((item: Value) => isEqual(item, left));
  if (isMap(right)) return typeof left === "string" && Object.hasOwn(right, left);
  throw tagged("TypeError", `"in" looks into lists and maps, not into ${typeName(right)}`);
}

function isOrdered(operator: string, left: Value, right: Value): boolean {
  if (typeof left !== typeof right || (typeof left !== "number" && typeof left !== "string"))
    throw tagged("TypeError", `${typeName(left)} ${operator} ${typeName(right)}`);
  const [a, b] = [left, right as typeof left];
  if (operator === "<") return a < b;
  if (operator === "<=") return a <= b;
  return operator === ">" ? a > b : a >= b;
}

function arithmetic(operator: string, left: number, right: number): number {
  if (operator === "-") return left - right;
  if (operator === "*") return left * right;
  if (right === 0) throw tagged("ZeroDivisionError", `${left} ${operator} 0`);
  if (operator === "/") return left / right;
  return operator === "//" ? Math.floor(left / right) : left - right * Math.floor(left / right);
}

function isEqual(left: Value, right: Value): boolean {
  return typeof left === "object" && typeof right === "object"
    ? JSON.stringify(left) === JSON.stringify(right)
    : left === right;
}

function boolean(value: Value): boolean {
  if (typeof value === "boolean") return value;
  throw tagged("TypeError", `expected a boolean, not ${typeName(value)}`);
}

function number(value: Value): number {
  if (typeof value === "number") return value;
  throw tagged("TypeError", `expected a number, not ${typeName(value)}`);
}

type Token = { readonly kind: "name" | "sign" | "number" | "string"; readonly text: string };

function tokensOf(text: string): Token[] {
  const pattern =
    /\s+|(?<number>\d+(?:\.\d+)?)|(?<name>[A-Za-z_]\w*)|(?<string>"(?:[^"\\]|\\.)*"|'(?:[^'\\]|\\.)*')|(?<sign>\/\/|[=!<>]=|[-+*/%<>().,[\]])/gy;
  const tokens: Token[] = [];
  while (pattern.lastIndex < text.length) {
    const at = pattern.lastIndex;
    const groups = pattern.exec(text)?.groups;
    if (groups === undefined) throw new SyntaxError(`unexpected ${text.slice(at)} in ${text}`);
    const found = Object.entries(groups).find(([, part]) => part !== undefined);
    if (found !== undefined) tokens.push({ kind: found[0] as Token["kind"], text: found[1] ?? "" });
  }
  return tokens;
}

/** Operators by how tightly they bind, loosest first; `not` stands between `and` and the comparisons. */
const levels: readonly (readonly string[])[] = [
  ["or"],
  ["and"],
  ["==", "!=", "<", "<=", ">", ">=", "in"],
  ["+", "-"],
  ["*", "/", "//", "%"],
];
const words: Readonly<Record<string, Value>> = {
  true: true,
  True: true,
  TRUE: true,
  false: false,
  False: false,
  FALSE: false,
  null: null,
};

class Parser {
  readonly #tokens: readonly Token[];
  readonly #text: string;
  #at = 0;

  constructor(tokens: readonly Token[], text: string) {
    this.#tokens = tokens;
    this.#text = text;
  }

  whole(): Expression {
    const expression = this.#level(0);
    if (this.#at < this.#tokens.length) throw this.#unexpected();
    return expression;
  }

  #level(level: number): Expression {
    const operators = levels[level];
    if (operators === undefined) return this.#unary();
    if (level === 2 && this.#takes("not"))
      return { kind: "unary", operator: "not", of: this.#level(2) };
    let left = this.#level(level + 1);
    for (;;) {
      const operator = operators.find((one) => this.#takes(one));
      if (operator === undefined) return left;
      left = { kind: "binary", operator, left, right: this.#level(level + 1) };
    }
  }

  #unary(): Expression {
    if (this.#takes("-")) return { kind: "unary", operator: "-", of: this.#unary() };
    return this.#suffixes(this.#primary());
  }

  #primary(): Expression {
    const token = this.#next();
    switch (token.kind) {
      case "number":
        return { kind: "literal", value: Number(token.text) };
      case "string":
        return { kind: "literal", value: unquoted(token.text) };
      case "name":
        return token.text in words
          ? { kind: "literal", value: words[token.text] ?? null }
          : { kind: "name", name: token.text };
      case "sign":
        if (token.text === "[") return { kind: "list", items: this.#items("]") };
        if (token.text !== "(") throw this.#unexpected(-1);
        return this.#closed(this.#level(0), ")");
    }
  }

  #suffixes(start: Expression): Expression {
    let of = start;
    for (;;) {
      if (this.#takes(".")) {
        of = { kind: "member", of, key: { kind: "literal", value: this.#next().text } };
      } else if (this.#takes("[")) {
        of = { kind: "member", of, key: this.#closed(this.#level(0), "]") };
      } else if (this.#takes("(")) {
        of = { kind: "call", callee: pathOf(of, this.#text), args: this.#items(")") };
      } else {
        return of;
      }
    }
  }

  #items(end: string): Expression[] {
    const items: Expression[] = [];
    if (this.#takes(end)) return items;
    for (;;) {
      items.push(this.#level(0));
      if (this.#takes(end)) return items;
      this.#expect(",");
    }
  }

  #closed(expression: Expression, end: string): Expression {
    this.#expect(end);
    return expression;
  }

  #takes(text: string): boolean {
    const token = this.#tokens[this.#at];
    if (token?.text !== text || token.kind === "string") return false;
    this.#at++;
    return true;
  }

  #expect(text: string): void {
    if (!this.#takes(text)) throw this.#unexpected();
  }

  #next(): Token {
    const token = this.#tokens[this.#at++];
    if (token === undefined) throw this.#unexpected();
    return token;
  }

  #unexpected(by = 0): SyntaxError {
    const token = this.#tokens[this.#at + by]?.text ?? "the end";
    return new SyntaxError(`unexpected ${token} in ${this.#text}`);
  }
}

/** A function's name with its dots. */
function pathOf(expression: Expression, text: string): string {
  if (expression.kind === "name") return expression.name;
  if (expression.kind === "member" && expression.key.kind === "literal")
    return `${pathOf(expression.of, text)}.${textOf(expression.key.value)}`;
  throw new SyntaxError(`only functions can be called in ${text}`);
}

function unquoted(text: string): string {
  return text.slice(1, -1).replaceAll(/\\(.)/g, (_, char: string) => {
    if (char === "n") return "\n";
    return char === "t" ? "\t" : char;
  });
}
