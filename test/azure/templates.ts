import type { ArmTemplate } from "../../infra/azure/index.ts";
import { type Evaluate, Reader, type Scope, Unknown, objectOf } from "./expressions.ts";

/** What a template creates when it is deployed with certain parameters. */
export interface Created {
  /** Everything about a resource, in no certain order; where it depends on one that is not created, it does not. */
  readonly resources: readonly Readonly<Record<string, unknown>>[];
  readonly outputs: Readonly<Record<string, unknown>>;
}

/** Values of parameters. */
export type Parameters = Readonly<Record<string, unknown>>;

/** A parameter, in neither language's words. */
export interface DeclaredParameter {
  readonly name: string;
  readonly type: string;
  readonly default: unknown;
  readonly decorators: Readonly<Record<string, unknown>>;
}

type Resource = Readonly<Record<string, unknown>> & { readonly id: string };

const subscription = "/subscriptions/SUBSCRIPTION";

/** Functions both languages have. */
function callCommon(name: string, args: readonly (() => unknown)[]): unknown {
  const texts = (): string[] => args.map((arg) => String(arg()));
  switch (name) {
    case "resourceGroup":
      return { location: "LOCATION" };
    case "subscription":
      return { tenantId: "TENANT" };
    case "string":
      return texts()[0];
    case "empty":
      return texts()[0] === "";
    case "join":
      return ((args[0]?.() ?? []) as readonly string[]).join(texts()[1]);
    case "guid":
      return `guid(${texts().join(" ").replaceAll("/", "|")})`;
    case "subscriptionResourceId": {
      const [type = "", ...names] = texts();
      return `${subscription}/${providerPath(type, names)}`;
    }
    default:
      throw new Error(`there is no function ${name}`);
  }
}

function idOf(type: string, names: readonly string[]): string {
  return `${subscription}/resourceGroups/GROUP/${providerPath(type, names)}`;
}

function providerPath(type: string, names: readonly string[]): string {
  const [provider, ...types] = type.split("/");
  if (types.length !== names.length)
    throw new Error(`${type} wants as many names: ${names.join()}`);
  return ["providers", provider, ...types.flatMap((one, n) => [one, names[n] ?? ""])].join("/");
}

/** Deploy an ARM template, but only in thought. */
export function createFromArm(template: ArmTemplate, given: Parameters): Created {
  const parameters: Record<string, unknown> = {};
  const scopeAt = (index: number): Scope => ({
    name: (name) => {
      throw new Error(`an ARM template has no names: ${name}`);
    },
    call: (name, args) => {
      const [first, second, third] = args;
      const texts = (): string[] => args.map((arg) => String(arg()));
      switch (name) {
        case "parameters":
          return parameters[String(first?.())];
        case "copyIndex":
          return index;
        case "length":
          return first === undefined ? 0 : (first() as readonly unknown[]).length;
        case "not":
          return first?.() === false;
        case "and":
          return first?.() === true && second?.() === true;
        case "if":
          return first?.() === true ? second?.() : third?.();
        case "resourceId": {
          const [type = "", ...names] = texts();
          return idOf(type, names);
        }
        case "format": {
          const [pattern = "", ...values] = texts();
          return pattern.replaceAll(/\{(\d+)\}/g, (_, n: string) => values[Number(n)] ?? "");
        }
        case "reference":
          return new Unknown(`properties of ${String(first?.())}`);
        default:
          return callCommon(name, args);
      }
    },
  });
  for (const [name, { defaultValue }] of Object.entries(template.parameters))
    parameters[name] = given[name] ?? plain(defaultValue, scopeAt(0));
  const resources = template.resources.flatMap(({ condition, copy, ...members }): Resource[] => {
    if (plain(condition, scopeAt(0)) === false) return [];
    const count = copy === undefined ? 1 : Number(plain(copy.count, scopeAt(0)));
    return Array.from({ length: count }, (_, index) => {
      const resource = plain(members, scopeAt(index)) as Readonly<Record<string, unknown>>;
      return { ...resource, id: idOf(members.type, String(resource["name"]).split("/")) };
    });
  });
  const outputs = Object.entries(template.outputs).map(
    ([name, { value }]) => [name, plain(value, scopeAt(0))] as const,
  );
  return { resources: settled(resources), outputs: Object.fromEntries(outputs) };
}

/** The parameters of an ARM template. */
export function armParameters(template: ArmTemplate): DeclaredParameter[] {
  return Object.entries(template.parameters).map(([name, { type, defaultValue, ...rest }]) => {
    const { metadata, allowedValues, ...limits } = rest;
    return {
      name,
      type,
      default: plain(defaultValue, { name: () => undefined, call: callCommon }),
      decorators: {
        description: metadata.description,
        ...(allowedValues === undefined ? {} : { allowed: allowedValues }),
        ...limits,
      },
    };
  });
}

/** A value with every expression in it worked out. */
function plain(value: unknown, scope: Scope): unknown {
  if (typeof value === "string")
    return /^\[.*\]$/.test(value) ? new Reader(value.slice(1, -1)).expression()(scope) : value;
  if (Array.isArray(value)) return value.map((item) => plain(item, scope));
  if (typeof value !== "object" || value === null) return value;
  return Object.fromEntries(
    Object.entries(value).map(([key, item]) => [String(plain(key, scope)), plain(item, scope)]),
  );
}

interface BicepParameter extends DeclaredParameter {
  readonly value: Evaluate | undefined;
}

interface BicepResource {
  readonly symbol: string;
  readonly type: string;
  readonly apiVersion: string;
  readonly condition?: Evaluate;
  readonly loop?: { readonly item: string; readonly over: Evaluate };
  readonly members: ReturnType<Reader["members"]>;
}

/** A parsed Bicep file. */
export interface Bicep {
  readonly parameters: readonly BicepParameter[];
  readonly variables: ReadonlyMap<string, Evaluate>;
  readonly resources: readonly BicepResource[];
  readonly outputs: ReadonlyMap<string, Evaluate>;
}

/** Read a Bicep file. Throws for anything that files here do not use. */
export function readBicep(source: string): Bicep {
  const reader = new Reader(source);
  const parameters: BicepParameter[] = [];
  const resources: BicepResource[] = [];
  const [variables, outputs] = [new Map<string, Evaluate>(), new Map<string, Evaluate>()];
  const none: Scope = { name: () => undefined, call: callCommon };
  while (!reader.isDone) {
    const decorators: Record<string, unknown> = {};
    while (reader.accepts("@")) {
      const name = reader.name();
      reader.expect("(");
      decorators[name] = reader.expression()(none);
      reader.expect(")");
    }
    if (reader.accepts("param")) {
      const [name, type] = [reader.name(), reader.name()];
      const value = reader.accepts("=") ? reader.expression() : undefined;
      parameters.push({ name, type, default: value?.(none), decorators, value });
    } else if (reader.accepts("resource")) resources.push(readResource(reader, none));
    else if (reader.accepts("var")) {
      const name = reader.name();
      reader.expect("=");
      variables.set(name, reader.expression());
    } else {
      reader.expect("output");
      const name = reader.name();
      reader.name();
      reader.expect("=");
      outputs.set(name, reader.expression());
    }
  }
  return { parameters, variables, resources, outputs };
}

function readResource(reader: Reader, none: Scope): BicepResource {
  const symbol = reader.name();
  const [type = "", apiVersion = ""] = String(reader.expression()(none)).split("@");
  reader.expect("=");
  if (reader.accepts("if")) {
    reader.expect("(");
    const condition = reader.expression();
    reader.expect(")");
    return { symbol, type, apiVersion, condition, members: reader.members() };
  }
  if (!reader.accepts("[")) return { symbol, type, apiVersion, members: reader.members() };
  reader.expect("for");
  const item = reader.name();
  reader.expect("in");
  const over = reader.expression();
  reader.expect(":");
  const members = reader.members();
  reader.expect("]");
  return { symbol, type, apiVersion, loop: { item, over }, members };
}

/** A resource as other resources speak of it. */
class Named {
  readonly id: string;
  readonly fullName: string;

  constructor(id: string, fullName: string) {
    this.id = id;
    this.fullName = fullName;
  }
}

/** Deploy a Bicep file, but only in thought. */
export function createFromBicep(bicep: Bicep, given: Parameters): Created {
  const bySymbol = new Map(bicep.resources.map((resource) => [resource.symbol, resource]));

  const scopeOf = (items: Parameters, used: Set<string>): Scope => ({
    name: (name) => {
      if (name in items) return items[name];
      const parameter = bicep.parameters.find((one) => one.name === name);
      if (parameter !== undefined) return given[name] ?? parameter.value?.(scopeOf({}, used));
      const variable = bicep.variables.get(name);
      if (variable !== undefined) return variable(scopeOf({}, used));
      const resource = bySymbol.get(name);
      if (resource === undefined) throw new Error(`nothing is called ${name}`);
      const symbol = symbolOf(resource, {});
      used.add(symbol.id);
      return symbol;
    },
    call: callCommon,
    member: (value, name) =>
      value instanceof Named && name === "properties"
        ? new Unknown(`properties of ${value.id}`)
        : undefined,
  });

  const memberOf = ({ members }: BicepResource, scope: Scope, wanted: string): unknown =>
    members.find(([key]) => key(scope) === wanted)?.[1](scope);

  const symbolOf = (resource: BicepResource, items: Parameters): Named => {
    const scope = scopeOf(items, new Set());
    const parent = memberOf(resource, scope, "parent");
    const name = String(memberOf(resource, scope, "name"));
    const fullName = parent instanceof Named ? `${parent.fullName}/${name}` : name;
    return new Named(idOf(resource.type, fullName.split("/")), fullName);
  };

  const create = (resource: BicepResource, items: Parameters): Resource => {
    const used = new Set<string>();
    const {
      parent: _parent,
      scope,
      dependsOn: _explicit,
      ...members
    } = objectOf(resource.members)(scopeOf(items, used)) as Readonly<Record<string, unknown>>;
    const { id, fullName } = symbolOf(resource, items);
    return {
      type: resource.type,
      apiVersion: resource.apiVersion,
      ...members,
      name: fullName,
      ...(scope instanceof Named ? { scope: scope.id } : {}),
      ...(used.size === 0 ? {} : { dependsOn: [...used] }),
      id,
    };
  };

  const resources = bicep.resources.flatMap((resource): Resource[] => {
    const scope = scopeOf({}, new Set());
    if (resource.condition?.(scope) === false) return [];
    const { loop } = resource;
    if (loop === undefined) return [create(resource, {})];
    return (loop.over(scope) as readonly unknown[]).map((item) =>
      create(resource, { [loop.item]: item }),
    );
  });
  const outputs = [...bicep.outputs].map(
    ([name, value]) => [name, value(scopeOf({}, new Set()))] as const,
  );
  return { resources: settled(resources), outputs: Object.fromEntries(outputs) };
}

/** Without what says the same twice, and in one order, so that two ways of saying it can be compared. */
function settled(resources: readonly Resource[]): Readonly<Record<string, unknown>>[] {
  const created = new Set(resources.map(({ id }) => id));
  return resources
    .map(({ dependsOn, ...members }) => {
      const needed = ((dependsOn ?? []) as readonly string[]).filter((id) => created.has(id));
      const text = JSON.stringify({ ...members, dependsOn: needed.toSorted() });
      return JSON.parse(text) as Resource;
    })
    .toSorted((a, b) => (orderOf(a) < orderOf(b) ? -1 : 1));
}

function orderOf({ scope, id }: Resource): string {
  return `${String(scope)} ${id}`;
}
