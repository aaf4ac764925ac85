import type { Node } from "oxc-parser";
import type { Binding } from "./scope.ts";
import type { SourceFile } from "./source.ts";
import { literalText } from "./syntax.ts";

/** Where what a file exports under a name comes from. */
export type Export =
  | { readonly kind: "expression"; readonly node: Node }
  | { readonly kind: "binding"; readonly binding: Binding }
  /** Another module: one of its names, or all of it. */
  | {
      readonly kind: "module";
      readonly from: Node;
      readonly specifier: string;
      readonly name?: string;
    };

/** What a file may export under a name, likeliest first: `export *` comes last, and of it packages. */
export function exportsOf(file: SourceFile, name: string): Export[] {
  const { body } = file.program;
  const named = body.flatMap((node) => exportedBy(node, file, name));
  if (named.length > 0 || name === "default") return named;
  const all = body.flatMap((node) => everythingOf(node, name));
  return [...all.filter(isRelative), ...all.filter((one) => !isRelative(one))];
}

/** Name of an import or export: `a`, or `"a b"`. */
export function nameOf(node: Node): string {
  return node.type === "Identifier" ? node.name : (literalText(node) ?? "");
}

function exportedBy(node: Node, file: SourceFile, name: string): Export[] {
  switch (node.type) {
    case "ExportDefaultDeclaration":
      return name === "default" ? [{ kind: "expression", node: node.declaration }] : [];
    case "ExportAllDeclaration":
      return node.exported !== null && nameOf(node.exported) === name
        ? [{ kind: "module", from: node, specifier: node.source.value }]
        : [];
    case "ExportNamedDeclaration": {
      const { source, specifiers, declaration } = node;
      const local = specifiers.find((one) => nameOf(one.exported) === name)?.local;
      if (local !== undefined && source !== null)
        return [{ kind: "module", from: node, specifier: source.value, name: nameOf(local) }];
      if (local !== undefined) return [{ kind: "expression", node: local }];
      const binding = file.top.bindings.get(name);
      return declaration !== null && binding !== undefined && declares(declaration, binding)
        ? [{ kind: "binding", binding }]
        : [];
    }
    default:
      return [];
  }
}

function declares(declaration: Node, { node }: Binding): boolean {
  return node === declaration || node.parent === declaration;
}

function everythingOf(node: Node, name: string): Export[] {
  if (node.type !== "ExportAllDeclaration" || node.exported !== null) return [];
  return [{ kind: "module", from: node, specifier: node.source.value, name }];
}

function isRelative(one: Export): boolean {
  return one.kind === "module" && one.specifier.startsWith(".");
}
