import type { EngineContext } from "../engine/context.ts";
import { KitaruBackendError } from "../errors.ts";
import { type Commit, type JsonSchema, type Manifest, isManifest } from "../plan/manifest.ts";
import { manifestContent, readContent } from "./content.ts";
import type { FlowDocument } from "./flow-document.ts";
import { tagsOf } from "./tags.ts";

/** One version of a flow, as a list tells of it. */
export interface DeploymentSummary {
  readonly flow: string;
  readonly version: number;
  /** In order. */
  readonly tags: readonly string[];
  /** `unfinished`: its deployment is under way or was interrupted; it starts nothing. */
  readonly status: "ready" | "unfinished" | "deleted";
  readonly stack: string;
  readonly createdAt: Date;
  /** Hash of its bundle; absent where there is none. */
  readonly bundle?: string;
}

/** One version of a flow that can be started. */
export interface Deployment extends DeploymentSummary {
  readonly status: "ready";
  readonly bundle: string;
  /** Size of the bundle. */
  readonly bytes: number;
  /** Module it was built from, relative to its package. */
  readonly entry: string;
  /** Version of kitaru that built it. */
  readonly engine: string;
  readonly commit?: Commit;
  /** What its input must be; absent when the flow does not say, or has no JSON form of it. */
  readonly inputSchema?: JsonSchema;
  /** What may surprise when it runs. */
  readonly warnings: readonly string[];
  readonly manifest: Manifest;
}

interface DeploymentParams {
  readonly flow: string;
  readonly version: number;
  readonly document: FlowDocument;
  readonly manifest: Manifest;
  readonly stack: string;
}

/** A version and its manifest, together. */
export function deploymentOf(params: DeploymentParams): Deployment {
  const { flow, version, document, manifest, stack } = params;
  const { bundle, entry, engine, commit, warnings, flows } = manifest;
  const schema = flows.find(({ name }) => name === flow)?.input?.schema;
  return {
    flow,
    version,
    tags: tagsOf(document, version),
    status: "ready",
    stack,
    createdAt: new Date(manifest.createdAt),
    bundle: bundle.hash,
    bytes: bundle.bytes,
    entry,
    engine,
    ...(commit === undefined ? {} : { commit }),
    ...(schema === undefined ? {} : { inputSchema: schema }),
    warnings,
    manifest,
  };
}

/** Every version of a flow, newest first. */
export function summariesOf(
  flow: string,
  document: FlowDocument,
  stack: string,
): DeploymentSummary[] {
  return Object.entries(document.versions)
    .map(([number, record]): DeploymentSummary => ({
      flow,
      version: Number(number),
      tags: tagsOf(document, Number(number)),
      status: record.state === "reserved" ? "unfinished" : record.state,
      stack,
      createdAt: new Date(record.at),
      ...(record.state === "ready" ? { bundle: record.bundle } : {}),
    }))
    .toSorted((a, b) => b.version - a.version);
}

/** Read a manifest. Throws a backend error (`corrupt`) when it is missing or was changed. */
export async function readManifest({ backend }: EngineContext, hash: string): Promise<Manifest> {
  const content = manifestContent(hash);
  return manifestFrom(content.key, await readContent(backend.blobs, content));
}

/** Parse a manifest. Throws a backend error for one of a newer version. */
export function manifestFrom(key: string, bytes: Uint8Array): Manifest {
  const manifest: unknown = JSON.parse(new TextDecoder().decode(bytes));
  if (isManifest(manifest)) return manifest;
  throw new KitaruBackendError(
    `The manifest ${key} was written by a newer version of kitaru. Update this one.`,
  );
}
