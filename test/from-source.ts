// Preloaded into a process (`node --import`), so that it runs the sources of this repository: the package's own name
// resolves to them, and a program in any folder finds the repository's other packages.
import { registerHooks } from "node:module";

const repository = new URL("../", import.meta.url);

registerHooks({
  resolve(specifier, context, next) {
    const own = /^kitaru(?:\/(?<entry>[a-z/]+))?$/.exec(specifier);
    if (own !== null) return next(sourceOf(own.groups?.["entry"]), context);
    const isBare = /^[a-z@]/.test(specifier) && !specifier.includes(":");
    const isOutside = context.parentURL?.startsWith(repository.href) !== true;
    return next(
      specifier,
      isBare && isOutside ? { ...context, parentURL: import.meta.url } : context,
    );
  },
});

function sourceOf(entry: string | undefined): string {
  if (entry === undefined) return new URL("core/index.ts", repository).href;
  return new URL(fileOf(entry), repository).href;
}

function fileOf(entry: string): string {
  if (entry === "testing" || entry.startsWith("infra/")) return `${entry}/index.ts`;
  return entry.endsWith("/handler") ? `adapters/${entry}.ts` : `adapters/${entry}/index.ts`;
}
