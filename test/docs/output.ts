/** Stands in a page for lines that are left out. */
const elision = /^\s*…$/;

/** Ids of executions as a page shows them, and as they are in this run. */
export type Ids = Map<string, string>;

const idPattern = /\b0[a-z0-9]{24}\b/g;

/** Put the ids of this run in place of those of the page. */
export function withRealIds(text: string, ids: Ids): string {
  return text.replaceAll(idPattern, (id) => ids.get(id) ?? id);
}

/** Put the ids of the page in place of those of this run; one the page does not have is noted as it is. */
export function withShownIds(text: string, ids: Ids): string {
  const shown = new Map([...ids].map(([page, real]) => [real, page]));
  return text.replaceAll(idPattern, (id) => {
    if (!shown.has(id)) ids.set(id, id);
    return shown.get(id) ?? id;
  });
}

/**
 * Where what was printed differs from what the page shows, but for times, sizes of gaps, and ids, which are noted as they
 * first appear; undefined when it does not.
 */
export function difference(shown: string, printed: string, ids: Ids): string | undefined {
  const [expected, actual] = [shown, printed].map(linesOf) as [string[], string[]];
  let at = 0;
  for (const [index, line] of expected.entries()) {
    if (elision.test(line)) {
      const next = expected[index + 1];
      if (next === undefined) return undefined;
      const found = actual.findIndex(
        (one, place) => place >= at && isSame(next, one, new Map(ids)),
      );
      if (found === -1) return `nothing like\n  ${next}\nfollows`;
      at = found;
      continue;
    }
    const got = actual[at];
    if (got === undefined || !isSame(line, got, ids))
      return `it shows\n  ${line}\nand it prints\n  ${got ?? "nothing more"}`;
    at += 1;
  }
  return at === actual.length ? undefined : `it prints more:\n  ${actual[at]}`;
}

function linesOf(text: string): string[] {
  return text.trimEnd().split("\n");
}

function isSame(shown: string, printed: string, ids: Ids): boolean {
  const [before, now] = [shown.match(idPattern) ?? [], printed.match(idPattern) ?? []];
  if (before.length !== now.length) return false;
  for (const [index, id] of before.entries()) {
    const real = now[index] ?? "";
    if ((ids.get(id) ?? real) !== real) return false;
    ids.set(id, real);
  }
  return plain(shown) === plain(printed);
}

/** Without what differs from run to run. */
function plain(line: string): string {
  return (
    line
      .replaceAll(idPattern, "ID")
      .replaceAll(/\bprocess \d+/g, "process N")
      .replaceAll(/\b00\d{13}\//g, "CURSOR/")
      .replaceAll(/\bNode\.js [\d.]+/g, "Node.js VERSION")
      .replaceAll(/\d+(?:\.\d+)? [kMG]B free/g, "SPACE free")
      // an exported journal names hosts and processes
      .replaceAll(/(\d blobs?), \d+(?:\.\d+)? [kMG]?B\)/g, "$1, SIZE)")
      .replaceAll(/\d+(?:\.\d+)?ms\b/g, "SPAN")
      .replaceAll(/\d{4}-\d\d-\d\dT[\d:.]+Z/g, "TIME")
      .replaceAll(/\b\d+(?:\.\d+)? (?:ms|s|min)\b/g, "SPAN")
      .replaceAll(/"(\w*[mM]s|latencyMs)": ?\d+/g, '"$1":N')
      .replaceAll(/(?:in SPAN|SPAN ago|\bnow\b)/g, "WHEN")
      .replaceAll(/ {2,}/g, "  ")
      .trimEnd()
  );
}
