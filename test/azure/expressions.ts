/** A value that only Azure knows, such as the id of an identity: written down as what it stands for. */
export class Unknown {
  readonly text: string;

  constructor(text: string) {
    this.text = text;
  }

  toString(): string {
    return this.text;
  }

  toJSON(): string {
    return this.text;
  }
}

/** What an expression may ask for. */
export interface Scope {
  /** Value of a name. */
  readonly name: (name: string) => unknown;
  /** Value of a call; arguments are worked out only when they are asked for. */
  readonly call: (name: string, args: readonly (() => unknown)[]) => unknown;
  /** Member of a value that is no plain one; undefined: as of any object. */
  readonly member?: (value: unknown, name: string) => unknown;
}

/** A parsed expression. */
export type Evaluate = (scope: Scope) => unknown;

interface Token {
  readonly kind: "name" | "number" | "text" | "mark" | "end";
  readonly text: string;
  /** Of a text: its pieces, what stands in `${…}` parsed. */
  readonly parts?: readonly (string | Evaluate)[];
}

/** Reads the expressions and statements of Bicep as far as templates here use them; those of ARM templates are among them. */
export class Reader {
  readonly #tokens: readonly Token[];
  #at = 0;

  constructor(source: string) {
    this.#tokens = tokensOf(source);
  }

  get isDone(): boolean {
    return this.#token.kind === "end";
  }

  /** Take a mark or word if it is next. */
  accepts(text: string): boolean {
    const { kind } = this.#token;
    if (kind === "text" || this.#token.text !== text) return false;
    this.#at += 1;
    return true;
  }

  expect(text: string): void {
    if (!this.accepts(text)) throw new Error(`"${text}" expected before ${this.#rest()}`);
  }

  /** Take a name. */
  name(): string {
    const { kind, text } = this.#token;
    if (kind !== "name") throw new Error(`a name expected before ${this.#rest()}`);
    this.#at += 1;
    return text;
  }

  expression(): Evaluate {
    const condition = this.#conjunction();
    if (!this.accepts("?")) return condition;
    const then = this.expression();
    this.expect(":");
    const otherwise = this.expression();
    return (scope) => (condition(scope) === true ? then(scope) : otherwise(scope));
  }

  /** The members of an object, between braces. */
  members(): readonly (readonly [key: Evaluate, value: Evaluate])[] {
    const members: [Evaluate, Evaluate][] = [];
    this.expect("{");
    while (!this.accepts("}")) {
      const key = this.#token.kind === "name" ? constant(this.name()) : this.#operand();
      this.expect(":");
      members.push([key, this.expression()]);
      this.accepts(",");
    }
    return members;
  }

  #conjunction(): Evaluate {
    const first = this.#operand();
    if (!this.accepts("&&")) return first;
    const second = this.#conjunction();
    return (scope) => first(scope) === true && second(scope) === true;
  }

  #operand(): Evaluate {
    if (this.accepts("!")) {
      const negated = this.#operand();
      return (scope) => negated(scope) !== true;
    }
    let value = this.#primary();
    for (;;) {
      const target = value;
      if (this.accepts(".")) {
        const name = this.name();
        value = (scope) => memberOf(scope, target(scope), name);
      } else if (this.accepts("[")) {
        const index = this.expression();
        this.expect("]");
        value = (scope) => memberOf(scope, target(scope), String(index(scope)));
      } else return value;
    }
  }

  #primary(): Evaluate {
    const { kind, text, parts = [] } = this.#token;
    if (this.accepts("[")) return this.#array();
    if (text === "{" && kind === "mark") return objectOf(this.members());
    this.#at += 1;
    if (kind === "number") return constant(Number(text));
    if (kind === "text") return textOf(parts);
    if (kind !== "name") throw new Error(`an expression expected before ${text}${this.#rest()}`);
    if (text === "true" || text === "false") return constant(text === "true");
    return this.accepts("(") ? this.#call(text) : (scope) => scope.name(text);
  }

  #array(): Evaluate {
    const items: Evaluate[] = [];
    while (!this.accepts("]")) {
      items.push(this.expression());
      this.accepts(",");
    }
    return (scope) => items.map((item) => item(scope));
  }

  #call(name: string): Evaluate {
    const args: Evaluate[] = [];
    while (!this.accepts(")")) {
      args.push(this.expression());
      this.accepts(",");
    }
    return (scope) =>
      scope.call(
        name,
        args.map((arg) => () => arg(scope)),
      );
  }

  get #token(): Token {
    return this.#tokens[this.#at] ?? { kind: "end", text: "" };
  }

  #rest(): string {
    const next = this.#tokens.slice(this.#at, this.#at + 8);
    return next.map(({ text }) => text).join(" ");
  }
}

/** The value of an object's members. */
export function objectOf(members: ReturnType<Reader["members"]>): Evaluate {
  return (scope) =>
    Object.fromEntries(members.map(([key, value]) => [String(key(scope)), value(scope)]));
}

function constant(value: unknown): Evaluate {
  return () => value;
}

function textOf(parts: readonly (string | Evaluate)[]): Evaluate {
  return (scope) =>
    parts.map((part) => (typeof part === "string" ? part : String(part(scope)))).join("");
}

function memberOf(scope: Scope, value: unknown, name: string): unknown {
  if (value instanceof Unknown) return new Unknown(`${value.text}.${name}`);
  const special = scope.member?.(value, name);
  if (special !== undefined) return special;
  if (typeof value !== "object" || value === null || !(name in value))
    throw new Error(`there is no "${name}" in ${JSON.stringify(value)}`);
  return (value as Readonly<Record<string, unknown>>)[name];
}

const pieces = /\s+|\/\/[^\n]*|([A-Za-z_]\w*)|(\d+)|(')|(&&|[@(){}[\]:,.?=!])/y;

function tokensOf(source: string): Token[] {
  const tokens: Token[] = [];
  for (let at = 0; at < source.length;) {
    pieces.lastIndex = at;
    const found = pieces.exec(source);
    if (found === null) throw new Error(`what is ${JSON.stringify(source.slice(at, at + 40))}?`);
    const [all, name, number, quote, mark] = found;
    at += all.length;
    if (quote !== undefined) {
      const { token, end } = textToken(source, at);
      tokens.push(token);
      at = end;
    } else if (name !== undefined) tokens.push({ kind: "name", text: name });
    else if (number !== undefined) tokens.push({ kind: "number", text: number });
    else if (mark !== undefined) tokens.push({ kind: "mark", text: mark });
  }
  return tokens;
}

function textToken(source: string, start: number): { readonly token: Token; readonly end: number } {
  const parts: (string | Evaluate)[] = [];
  let text = "";
  let at = start;
  for (; source[at] !== "'"; at++) {
    if (at >= source.length) throw new Error("a text has no end");
    if (source.startsWith("${", at)) {
      const end = source.indexOf("}", at);
      parts.push(text, new Reader(source.slice(at + 2, end)).expression());
      text = "";
      at = end;
    } else text += source[at];
  }
  parts.push(text);
  return { token: { kind: "text", text: source.slice(start, at), parts }, end: at + 1 };
}
