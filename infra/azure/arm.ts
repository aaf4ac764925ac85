/** A resource of a template of the Azure Resource Manager; texts in brackets are expressions. */
export interface ArmResource {
  readonly type: string;
  readonly apiVersion: string;
  readonly name: string;
  readonly location?: string;
  readonly scope?: string;
  readonly condition?: string;
  readonly copy?: { readonly name: string; readonly count: string };
  readonly dependsOn?: readonly string[];
  readonly [member: string]: unknown;
}

/** A parameter of a template. */
export interface ArmParameter {
  readonly type: "string" | "int" | "bool" | "array";
  readonly defaultValue?: unknown;
  readonly allowedValues?: readonly (string | number)[];
  readonly minLength?: number;
  readonly maxLength?: number;
  readonly minValue?: number;
  readonly maxValue?: number;
  readonly metadata: { readonly description: string };
}

/** A template of the Azure Resource Manager. */
export interface ArmTemplate {
  readonly $schema: string;
  readonly contentVersion: string;
  readonly parameters: Readonly<Record<string, ArmParameter>>;
  readonly resources: readonly ArmResource[];
  readonly outputs: Readonly<Record<string, { readonly type: string; readonly value: string }>>;
}

/** An expression, without the brackets that make a text one. */
export type Expression = string & { readonly expression: true };

/** Write an expression. */
export function ex(text: string): Expression {
  return text as Expression;
}

/** The value of an expression as a member of a resource. */
export function valueOf(expression: Expression): string {
  return `[${expression}]`;
}

/** A parameter's value. */
export function parameter(name: string): Expression {
  return ex(`parameters('${name}')`);
}

/** Text with expressions in it. */
export function format(
  texts: TemplateStringsArray,
  ...expressions: readonly Expression[]
): Expression {
  const pattern = texts.map((text, n) => (n === 0 ? text : `{${n - 1}}${text}`)).join("");
  return ex(`format('${pattern}', ${expressions.join(", ")})`);
}

/** The id of a resource of this resource group. */
export function resourceId(type: string, ...names: readonly (string | Expression)[]): Expression {
  const parts = names.map((name) => (/[()]/.test(name) ? name : `'${name}'`));
  return ex(`resourceId('${type}', ${parts.join(", ")})`);
}
