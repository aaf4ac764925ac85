import { KitaruStateError, KitaruUsageError } from "../errors.ts";
import type { FlowDocument, ReadyVersion, VersionRecord } from "./flow-document.ts";

/** The tag that is meant where none is named. */
export const defaultTag = "default";

/** Which version of a flow is meant. @default the one tagged `default` */
export type VersionChoice =
  | { readonly version?: number; readonly tag?: undefined }
  | { readonly tag?: string; readonly version?: undefined };

/** A version that was chosen. */
export interface ChosenVersion {
  readonly version: number;
  readonly record: ReadyVersion;
}

const tagPattern = /^[A-Za-z][A-Za-z0-9._-]{0,79}$/;
/** Names a tag must not have, and what they mean instead. */
const reservedTags: ReadonlyMap<string, string> = new Map([
  ["local", "it is the version of executions that run from source"],
]);

/** Throw a usage error unless `tag` may name a version. */
export function checkTag(tag: unknown): asserts tag is string {
  if (typeof tag !== "string" || !tagPattern.test(tag))
    throw new KitaruUsageError(
      `The tag ${JSON.stringify(tag)} is not allowed. A tag starts with a letter and has at most 80 letters, digits, ".", "_" and "-".`,
    );
  const meaning = reservedTags.get(tag);
  if (meaning !== undefined)
    throw new KitaruUsageError(`The tag "${tag}" is reserved: ${meaning}. Choose another.`);
}

/** Take the next number. */
export function reserveVersion(document: FlowDocument, at: number): FlowDocument {
  return {
    ...document,
    next: document.next + 1,
    versions: { ...document.versions, [document.next]: { state: "reserved", at } },
  };
}

/** Let a reserved version start executions, and give it its tags. Throws a state error when it was deleted meanwhile. */
export function publishVersion(
  flow: string,
  document: FlowDocument,
  version: number,
  published: Omit<ReadyVersion, "state"> & { readonly tags: readonly string[] },
): FlowDocument {
  const { tags, ...record } = published;
  if (document.versions[version]?.state !== "reserved")
    throw new KitaruStateError(
      `Version ${version} of flow "${flow}" was deleted while it was being deployed. Deploy again; that makes a new version.`,
    );
  return {
    ...document,
    versions: { ...document.versions, [version]: { state: "ready", ...record } },
    tags: { ...document.tags, ...Object.fromEntries(tags.map((tag) => [tag, version])) },
  };
}

/** Tags a new version gets: `default` too while no version has it. None at all when it is only built. */
export function tagsFor(document: FlowDocument, wanted: string | false | undefined): string[] {
  if (wanted === false) return [];
  const tags = new Set(wanted === undefined ? [] : [wanted]);
  if (document.tags[defaultTag] === undefined) tags.add(defaultTag);
  return [...tags];
}

/** Move a tag to a version, from whichever has it. */
export function moveTag(
  flow: string,
  document: FlowDocument,
  tag: string,
  version: number,
): FlowDocument {
  checkTag(tag);
  readyVersion(flow, document, version);
  return { ...document, tags: { ...document.tags, [tag]: version } };
}

/** Take a tag away. */
export function removeTag(flow: string, document: FlowDocument, tag: string): FlowDocument {
  if (tag === defaultTag)
    throw new KitaruUsageError(
      `The reserved tag \`default\` of flow "${flow}" cannot be removed. Move it: kitaru flow tag ${flow} default --version N.`,
    );
  if (document.tags[tag] === undefined) throw unknownTag(flow, document, tag);
  const { [tag]: _removed, ...tags } = document.tags;
  return { ...document, tags };
}

/** Let a version start no more executions. */
export function deleteVersion(
  flow: string,
  document: FlowDocument,
  version: number,
  at: number,
): FlowDocument {
  checkDeletable(flow, document, version);
  return {
    ...document,
    versions: { ...document.versions, [version]: { state: "deleted", at } },
  };
}

/** Throw a state error when a version is not there, or holds tags. */
export function checkDeletable(flow: string, document: FlowDocument, version: number): void {
  const record = knownVersion(flow, document, version);
  if (record.state === "deleted") throw deletedVersion(flow, document, version, record);
  const tags = tagsOf(document, version);
  if (tags.length > 0)
    throw new KitaruStateError(
      `Cannot delete version ${version} of flow "${flow}" while it holds the ${tags.length === 1 ? "tag" : "tags"} ${tags.join(", ")}. Move or remove ${tags.length === 1 ? "it" : "them"} first: kitaru flow tag ${flow} ${tags[0]} --version N.`,
      { details: { tags } },
    );
}

/** The version that is meant. Throws a usage error for two choices at once, a state error when there is none. */
export function chooseVersion(
  flow: string,
  document: FlowDocument,
  choice: VersionChoice,
): ChosenVersion {
  const { version, tag } = choice;
  checkChoice(flow, choice);
  if (Object.keys(document.versions).length === 0) throw neverDeployed(flow);
  const wanted = version ?? taggedVersion(flow, document, tag ?? defaultTag);
  return { version: wanted, record: readyVersion(flow, document, wanted) };
}

/** Throw a usage error when a version is named twice, or by what is no number. */
export function checkChoice(flow: string, { version, tag }: VersionChoice): void {
  if (version !== undefined && tag !== undefined)
    throw new KitaruUsageError(
      `\`version\` and \`tag\` exclude each other; which version of flow "${flow}" is meant? Give one of them.`,
    );
  if (version !== undefined && !(Number.isSafeInteger(version) && version > 0))
    throw new KitaruUsageError(
      `The version of flow "${flow}" must be a whole number from 1, not ${JSON.stringify(version)}. A name is a tag: pass it as \`tag\`.`,
    );
}

/** Tags that name a version, in order. */
export function tagsOf({ tags }: FlowDocument, version: number): string[] {
  return Object.keys(tags)
    .filter((tag) => tags[tag] === version)
    .toSorted();
}

/** The error for a flow without any version. */
export function neverDeployed(flow: string): KitaruStateError {
  return new KitaruStateError(
    `No deployments found for flow "${flow}" on this stack. Deploy it: kitaru deploy FILE:${flow}. \`kitaru flow list\` shows what is deployed.`,
    { code: "not_found" },
  );
}

function taggedVersion(flow: string, document: FlowDocument, tag: string): number {
  const version = document.tags[tag];
  if (version !== undefined) return version;
  if (tag !== defaultTag) throw unknownTag(flow, document, tag);
  throw new KitaruStateError(
    `Flow "${flow}" has ${versionsText(document)}; none is currently routed as the default deployment. Name one with \`version\` or \`tag\`, or route one: kitaru flow tag ${flow} default --version N.`,
  );
}

function unknownTag(flow: string, { tags }: FlowDocument, tag: string): KitaruStateError {
  const known = Object.entries(tags).map(([name, version]) => `${name} (version ${version})`);
  return new KitaruStateError(
    `Flow "${flow}" has no tag "${tag}". ${known.length === 0 ? "It has none." : `Its tags: ${known.join(", ")}.`}`,
    { code: "not_found", details: { tags } },
  );
}

function readyVersion(flow: string, document: FlowDocument, version: number): ReadyVersion {
  const record = knownVersion(flow, document, version);
  if (record.state === "ready") return record;
  if (record.state === "deleted") throw deletedVersion(flow, document, version, record);
  throw new KitaruStateError(
    `Version ${version} of flow "${flow}" is not ready: its deployment is under way, or was interrupted. If it was, deploy again; that makes a new version.`,
  );
}

function knownVersion(flow: string, document: FlowDocument, version: number): VersionRecord {
  const record = document.versions[version];
  if (record !== undefined) return record;
  if (Object.keys(document.versions).length === 0) throw neverDeployed(flow);
  throw new KitaruStateError(
    `Flow "${flow}" has no version ${version}. It has ${versionsText(document)}.`,
    { code: "not_found" },
  );
}

function deletedVersion(
  flow: string,
  document: FlowDocument,
  version: number,
  { at }: VersionRecord,
): KitaruStateError {
  return new KitaruStateError(
    `Version ${version} of flow "${flow}" was deleted at ${new Date(at).toISOString()} and starts no executions. Flow "${flow}" has ${versionsText(document)}.`,
  );
}

function versionsText({ versions }: FlowDocument): string {
  const ready = Object.keys(versions).filter((number) => versions[number]?.state === "ready");
  if (ready.length === 0) return "no version that is ready";
  return `the ${ready.length === 1 ? "version" : "versions"} ${ready.join(", ")}`;
}
