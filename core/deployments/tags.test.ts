import { expect, test } from "vitest";
import { hasCode } from "../errors.ts";
import type { FlowDocument } from "./flow-document.ts";
import {
  type VersionChoice,
  checkTag,
  chooseVersion,
  deleteVersion,
  moveTag,
  publishVersion,
  removeTag,
  reserveVersion,
  tagsFor,
  tagsOf,
} from "./tags.ts";

const ready = (bundle: string) => ({ state: "ready", at: 5, bundle, manifest: "m" }) as const;

const document: FlowDocument = {
  next: 5,
  versions: {
    1: ready("b1"),
    2: ready("b2"),
    3: { state: "reserved", at: 5 },
    4: { state: "deleted", at: 5 },
  },
  tags: { default: 1, stable: 1, canary: 2 },
  writes: [],
};
const none: FlowDocument = { next: 1, versions: {}, tags: {}, writes: [] };

function refusal(run: () => unknown): string {
  try {
    run();
  } catch (error) {
    const code = (["usage", "state", "not_found"] as const).find((one) => hasCode(error, one));
    return `[${code}] ${error instanceof Error ? error.message : ""}`;
  }
  throw new Error("nothing was thrown");
}

test("a number is given once, and the next never goes down", () => {
  const reserved = reserveVersion(document, 7);
  expect(reserved.next).toBe(6);
  expect(reserved.versions[5]).toEqual({ state: "reserved", at: 7 });
  const published = publishVersion("f", reserved, 5, {
    at: 8,
    bundle: "b",
    manifest: "m",
    tags: ["x"],
  });
  expect(published).toMatchObject({ next: 6, versions: { 5: { state: "ready", at: 8 } } });
  expect(published.tags).toEqual({ ...document.tags, x: 5 });
});

test("the first version that is deployed is the default, and only being deployed can make it that", () => {
  expect(tagsFor(none, undefined)).toEqual(["default"]);
  expect(tagsFor(none, "canary")).toEqual(["canary", "default"]);
  expect(tagsFor(none, "default")).toEqual(["default"]);
  expect(tagsFor(none, false)).toEqual([]);
  expect(tagsFor(document, undefined)).toEqual([]);
  expect(tagsFor(document, "canary")).toEqual(["canary"]);
});

test("a tag names one version: moving it takes it from the other", () => {
  const moved = moveTag("f", document, "stable", 2);
  expect([tagsOf(moved, 1), tagsOf(moved, 2)]).toEqual([["default"], ["canary", "stable"]]);
  expect(chooseVersion("f", moved, { tag: "stable" }).version).toBe(2);
  expect(chooseVersion("f", moveTag("f", document, "default", 2), {}).version).toBe(2);
  expect(tagsOf(removeTag("f", document, "canary"), 2)).toEqual([]);
});

test("a version is chosen by number, by tag, or as the default", () => {
  const chosen = (choice: VersionChoice) => chooseVersion("f", document, choice).record.bundle;
  expect([chosen({}), chosen({ tag: "canary" }), chosen({ version: 2 })]).toEqual([
    "b1",
    "b2",
    "b2",
  ]);
});

test.each<[string, () => unknown, string]>([
  [
    "both at once",
    () => chooseVersion("f", document, { version: 1, tag: "stable" } as object),
    '[usage] `version` and `tag` exclude each other; which version of flow "f" is meant? Give one of them.',
  ],
  [
    "no number",
    () => chooseVersion("f", document, { version: "stable" } as unknown as VersionChoice),
    '[usage] The version of flow "f" must be a whole number from 1, not "stable". A name is a tag: pass it as `tag`.',
  ],
  [
    "a flow nobody deployed",
    () => chooseVersion("f", none, {}),
    '[not_found] No deployments found for flow "f" on this stack. Deploy it: kitaru deploy FILE:f. `kitaru flow list` shows what is deployed.',
  ],
  [
    "no default",
    () => chooseVersion("f", { ...document, tags: {} }, {}),
    '[state] Flow "f" has the versions 1, 2; none is currently routed as the default deployment. Name one with `version` or `tag`, or route one: kitaru flow tag f default --version N.',
  ],
  [
    "an unknown tag",
    () => chooseVersion("f", document, { tag: "beta" }),
    '[not_found] Flow "f" has no tag "beta". Its tags: default (version 1), stable (version 1), canary (version 2).',
  ],
  [
    "an unknown tag where there are none",
    () => chooseVersion("f", { ...document, tags: {} }, { tag: "beta" }),
    '[not_found] Flow "f" has no tag "beta". It has none.',
  ],
  [
    "an unknown version",
    () => chooseVersion("f", document, { version: 9 }),
    '[not_found] Flow "f" has no version 9. It has the versions 1, 2.',
  ],
  [
    "a version that is not ready",
    () => chooseVersion("f", document, { version: 3 }),
    '[state] Version 3 of flow "f" is not ready: its deployment is under way, or was interrupted. If it was, deploy again; that makes a new version.',
  ],
  [
    "a version that was deleted",
    () => chooseVersion("f", document, { version: 4 }),
    '[state] Version 4 of flow "f" was deleted at 1970-01-01T00:00:00.005Z and starts no executions. Flow "f" has the versions 1, 2.',
  ],
  [
    "a tag on a version that is not ready",
    () => moveTag("f", document, "stable", 3),
    '[state] Version 3 of flow "f" is not ready: its deployment is under way, or was interrupted. If it was, deploy again; that makes a new version.',
  ],
  [
    "a tag on a flow nobody deployed",
    () => moveTag("f", none, "stable", 1),
    '[not_found] No deployments found for flow "f" on this stack. Deploy it: kitaru deploy FILE:f. `kitaru flow list` shows what is deployed.',
  ],
  [
    "publishing a version that was deleted meanwhile",
    () => publishVersion("f", document, 4, { at: 8, bundle: "b", manifest: "m", tags: ["x"] }),
    '[state] Version 4 of flow "f" was deleted while it was being deployed. Deploy again; that makes a new version.',
  ],
  [
    "removing the default",
    () => removeTag("f", document, "default"),
    '[usage] The reserved tag `default` of flow "f" cannot be removed. Move it: kitaru flow tag f default --version N.',
  ],
  [
    "removing a tag that is not there",
    () => removeTag("f", document, "beta"),
    '[not_found] Flow "f" has no tag "beta". Its tags: default (version 1), stable (version 1), canary (version 2).',
  ],
  [
    "deleting a version with tags",
    () => deleteVersion("f", document, 1, 9),
    '[state] Cannot delete version 1 of flow "f" while it holds the tags default, stable. Move or remove them first: kitaru flow tag f default --version N.',
  ],
  [
    "deleting a version with a tag",
    () => deleteVersion("f", document, 2, 9),
    '[state] Cannot delete version 2 of flow "f" while it holds the tag canary. Move or remove it first: kitaru flow tag f canary --version N.',
  ],
  [
    "deleting twice, with no version left",
    () => deleteVersion("f", { ...document, versions: { 4: document.versions[4]! } }, 4, 9),
    '[state] Version 4 of flow "f" was deleted at 1970-01-01T00:00:00.005Z and starts no executions. Flow "f" has no version that is ready.',
  ],
  [
    "a tag that is no name",
    () => checkTag("1st"),
    '[usage] The tag "1st" is not allowed. A tag starts with a letter and has at most 80 letters, digits, ".", "_" and "-".',
  ],
  ["a tag that is no text", () => checkTag(3), "[usage] The tag 3 is not allowed. A tag starts"],
  [
    "a reserved name",
    () => checkTag("local"),
    '[usage] The tag "local" is reserved: it is the version of executions that run from source. Choose another.',
  ],
])("%s is refused", (_, run, message) => {
  expect(refusal(run)).toContain(message);
});

test("an interrupted version can be deleted, and stays known as that", () => {
  const deleted = deleteVersion("f", document, 3, 9);
  expect(deleted.versions[3]).toEqual({ state: "deleted", at: 9 });
  expect(deleted.next).toBe(document.next);
});
