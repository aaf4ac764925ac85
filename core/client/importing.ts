import { manifestFrom } from "../deployments/deployment.ts";
import { adoptVersion, checkForeign } from "../deployments/adopt-version.ts";
import type { Runtime } from "../engine/runtime.ts";
import { KitaruBackendError, KitaruStateError } from "../errors.ts";
import { sha256Hex } from "../hash.ts";
import { readLines } from "../journal/entry.ts";
import { type ExecutionStatus, type HeadFacts, isEnd } from "../journal/head.ts";
import { blobKey } from "../journal/values.ts";
import type { Manifest } from "../plan/manifest.ts";
import { type ExportedExecution, blobsOf, fromBytes } from "./export-documents.ts";
import { ExportedFile, type FileHeader, type FilePart } from "./export-file.ts";
import { Placement } from "./placement.ts";

/** How a file is imported. */
export interface ImportOptions {
  /**
   * Take in an execution that has not ended and whose original was not retired: from then on there are two of it, and what
   * either does outside is done twice.
   */
  readonly copy?: boolean;
}

/** What was imported. */
export interface ImportedFacts {
  readonly id: string;
  readonly flow: string;
  readonly status: ExecutionStatus;
  readonly stack: string;
  /** Stack it was exported from. */
  readonly from: string;
  /** Version of the flow it is pinned to here, or `local`. */
  readonly version: string;
  /** Itself and its child executions. */
  readonly executions: number;
  /** Whether its original may go on. */
  readonly copy: boolean;
}

/**
 * Take in an exported execution, and let it go on. The whole file is checked before anything of it is stored. Throws a
 * backend error (`corrupt`) for a damaged file, a state error for an execution that is here already, whose original may go
 * on, or that this stack cannot run.
 */
export async function importExecution(
  runtime: Runtime,
  file: string,
  { copy = false }: ImportOptions = {},
): Promise<ImportedFacts> {
  const source = await ExportedFile.open(file);
  const found = await inspect(source);
  const { header } = source;
  const isOpen = !isEnd(found.root.view.status);
  const isCopy = isOpen && !header.moved;
  if (isCopy && !copy) throw mayGoOn(file, header);
  if (isOpen) checkRunnable(runtime, found);
  const placements: Placement[] = [];
  for (const one of found.executions) {
    const placement = await Placement.plan(runtime, one, { header, isCopy });
    if (placement !== undefined) placements.push(placement);
  }
  await storeContent(runtime, source);
  const version = await versionOf(runtime, found);
  // the children first: once their parent is there it may look for them
  for (const one of placements.toReversed()) await one.write(version);
  for (const one of placements) await one.start();
  return {
    id: header.id,
    flow: found.root.facts.flow,
    status: found.root.view.status,
    stack: runtime.stack,
    from: header.stack,
    version,
    executions: found.executions.length,
    copy: isCopy,
  };
}

interface Inspected {
  /** The execution, then its child executions, each after its parent. */
  readonly executions: readonly ExportedExecution[];
  readonly root: ExportedExecution;
  readonly manifest: StoredManifest | undefined;
}

interface StoredManifest {
  readonly manifest: Manifest;
  /** SHA-256 of its text, which names it. */
  readonly hash: string;
}

/** Read the whole file, and check that nothing is missing that it refers to. */
async function inspect(source: ExportedFile): Promise<Inspected> {
  const { file, header } = source;
  const executions: ExportedExecution[] = [];
  const keys = new Set<string>();
  let manifest: StoredManifest | undefined;
  for await (const part of source.parts()) {
    if (part.part === "execution") executions.push(fromBytes(file, part.content));
    else keys.add(checkedKey(file, part));
    if (part.part === "manifest")
      manifest = { manifest: manifestFrom(part.name, part.content), hash: sha256Hex(part.content) };
  }
  for (const one of executions) checkWhole(file, one, keys);
  const root = executions.find(({ facts }) => facts.id === header.id);
  if (root !== undefined) return { executions, root, manifest };
  throw incomplete(file, `execution ${header.id}`);
}

/** What is named by its hash must have it. */
function checkedKey(file: string, { name, part, content }: FilePart): string {
  const [hash] = /[0-9a-f]{64}/.exec(name) ?? [];
  const isMap = name.endsWith(".map");
  if (isMap || hash === sha256Hex(content)) return name;
  throw new KitaruBackendError(
    `${file} is damaged: its ${part} ${name} is not what its name says. Export the execution again; nothing was imported.`,
    { code: "corrupt", details: { file } },
  );
}

function checkWhole(file: string, one: ExportedExecution, keys: ReadonlySet<string>): void {
  const entries = readLines(one.lines.join(""), `execution ${one.facts.id} in ${file}`);
  for (const ref of blobsOf(one, entries))
    if (!keys.has(blobKey(ref.b))) throw incomplete(file, blobKey(ref.b));
}

function incomplete(file: string, what: string): KitaruBackendError {
  return new KitaruBackendError(
    `${file} is damaged: it does not hold ${what}. Export the execution again; nothing was imported.`,
    { code: "corrupt", details: { file } },
  );
}

function mayGoOn(file: string, { id, stack, status }: FileHeader): KitaruStateError {
  return new KitaruStateError(
    `${file} is a copy of execution ${id}, which was ${status} and may go on on stack "${stack}": imported, it would go on twice. ` +
      `Retire the original with \`kitaru executions export ${id} --move\` on that stack and import that file, or take the copy in all the same with --copy.`,
    { code: "conflict" },
  );
}

function checkRunnable(runtime: Runtime, { root, manifest }: Inspected): void {
  const { stack, backend } = runtime;
  const { id, flow, bundle } = root.facts;
  if (backend.capabilities.deployedOnly === true && bundle === undefined)
    throw new KitaruStateError(
      `Execution ${id} runs flow "${flow}" from source, and stack "${stack}" runs deployed versions alone. Start such executions from a version (\`kitaru deploy\`, \`kitaru invoke\`) to move them there.`,
    );
  if (bundle === undefined) return;
  if (manifest === undefined)
    throw new KitaruStateError(
      `Execution ${id} has not ended, and its file holds no code of it. Export it again.`,
    );
  checkForeign(runtime, { flow, manifest: manifest.manifest });
}

/** Keys are hashes of what they name, so what is there already is the same. */
async function storeContent({ backend }: Runtime, source: ExportedFile): Promise<void> {
  for await (const { part, name, type = "application/octet-stream", content } of source.parts())
    if (part !== "execution")
      await backend.blobs.put(name, content, { contentType: type, ifAbsent: true });
}

async function versionOf(runtime: Runtime, { root, manifest }: Inspected): Promise<string> {
  const { flow, version, bundle }: HeadFacts = root.facts;
  if (bundle === undefined || manifest === undefined) return version;
  return String(await adoptVersion(runtime, { flow, bundle, ...manifest }));
}
