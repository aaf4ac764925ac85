import { dirname, join } from "node:path";
import type { Node } from "oxc-parser";
import {
  type SourceFile,
  type SyntaxProblem,
  isParsed,
  isSourcePath,
  parseSource,
} from "./source.ts";
import { literalText } from "./syntax.ts";

/** Text of a file, or undefined when there is none at that path. */
export type ReadFile = (path: string) => string | undefined;

/** Files together with what they import from each other by relative paths. */
export class Sources {
  readonly problems: SyntaxProblem[] = [];
  readonly #read: ReadFile;
  readonly #texts = new Map<string, string | undefined>();
  readonly #files = new Map<string, SourceFile | undefined>();
  readonly #byProgram = new Map<Node, SourceFile>();
  /** Path of what each file imports, by the name it is imported under. */
  readonly #imports = new Map<SourceFile, ReadonlyMap<string, string>>();
  readonly #loaded = new Map<SourceFile, ReadonlySet<SourceFile>>();

  constructor(paths: readonly string[], read: ReadFile) {
    this.#read = read;
    const open = new Set(paths);
    for (const path of open)
      // a set is walked to what is added meanwhile
      for (const imported of this.#load(path)) open.add(imported);
  }

  /** The files that could be parsed, in the order they were found. */
  get files(): SourceFile[] {
    return [...this.#byProgram.values()];
  }

  /** The file a node is of. */
  fileOf(node: Node): SourceFile {
    let top: Node = node;
    while (top.parent) top = top.parent;
    const file = this.#byProgram.get(top);
    if (file === undefined) throw new Error(`a ${node.type} of no file`);
    return file;
  }

  /** The file that `from` imports as `specifier`, if it is one of these. */
  imported(from: SourceFile, specifier: string): SourceFile | undefined {
    const path = this.#imports.get(from)?.get(specifier);
    return path === undefined ? undefined : this.#files.get(path);
  }

  /** Whether some file comes to load both, by itself or by what it imports. */
  areLoadedTogether(one: SourceFile, other: SourceFile): boolean {
    return this.files.some((file) => {
      const loaded = this.#loadedBy(file);
      return loaded.has(one) && loaded.has(other);
    });
  }

  #loadedBy(file: SourceFile): ReadonlySet<SourceFile> {
    const known = this.#loaded.get(file);
    if (known !== undefined) return known;
    const loaded = new Set([file]);
    for (const one of loaded)
      for (const path of this.#imports.get(one)?.values() ?? []) {
        const imported = this.#files.get(path);
        if (imported !== undefined) loaded.add(imported);
      }
    this.#loaded.set(file, loaded);
    return loaded;
  }

  /** Parse a file; the paths it imports. */
  #load(path: string): string[] {
    const file = parseSource(path, this.#text(path) ?? "");
    this.#files.set(path, isParsed(file) ? file : undefined);
    if (!isParsed(file)) {
      this.problems.push(file);
      return [];
    }
    this.#byProgram.set(file.program, file);
    const found = specifiersOf(file).flatMap((specifier) => {
      const target = this.#resolve(path, specifier);
      return target === undefined ? [] : [[specifier, target] as const];
    });
    this.#imports.set(file, new Map(found));
    return found.map(([, target]) => target);
  }

  #resolve(from: string, specifier: string): string | undefined {
    if (!/^\.\.?(?:\/|$)/.test(specifier)) return undefined;
    const path = join(dirname(from), specifier.replace(/[?#].*$/, ""));
    for (const one of candidates(path))
      if (isSourcePath(one) && !inPackage.test(one) && this.#text(one) !== undefined) return one;
    return undefined;
  }

  #text(path: string): string | undefined {
    if (!this.#texts.has(path)) this.#texts.set(path, this.#read(path));
    return this.#texts.get(path);
  }
}

const inPackage = /[\\/]node_modules[\\/]/;
const extensions = [".ts", ".tsx", ".mts", ".js", ".jsx", ".mjs", ".cts", ".cjs"];

/** Where the file of an import may be: under its name, its name before it is compiled, or with an extension. */
function* candidates(path: string): Generator<string> {
  yield path;
  yield path.replace(/\.([cm]?)js(x?)$/, ".$1ts$2");
  for (const extension of extensions) yield path + extension;
  for (const extension of extensions) yield join(path, `index${extension}`);
}

function specifiersOf({ program, calls, imports }: SourceFile): string[] {
  const fromStatements = program.body.flatMap((node) => {
    switch (node.type) {
      case "ImportDeclaration":
        return node.importKind === "type" ? [] : [node.source.value];
      case "ExportAllDeclaration":
      case "ExportNamedDeclaration":
        return node.exportKind === "type" || node.source === null ? [] : [node.source.value];
      default:
        return [];
    }
  });
  const required = calls.flatMap(({ callee, arguments: [name] }) =>
    callee.type === "Identifier" && callee.name === "require" && name !== undefined
      ? (literalText(name) ?? [])
      : [],
  );
  const onDemand = imports.flatMap(({ source }) => literalText(source) ?? []);
  return [...fromStatements, ...required, ...onDemand];
}
