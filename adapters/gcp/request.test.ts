import { describe, expect, it } from "vitest";
import { checkedRequest, workflowInput } from "./request.ts";
import { bucketName, documentKey, parseDocument, runtimeBucketName } from "./runtime-document.ts";

const workflow = "projects/p/locations/l/workflows/w/executions/e";
const right = [
  { op: "advance", executionId: "x", generation: 1, workflow, callbackUrl: "https://c" },
  {
    op: "advance",
    executionId: "x",
    generation: 1,
    workflow,
    callbackUrl: "https://c",
    after: null,
  },
  {
    op: "advance",
    executionId: "x",
    generation: 1,
    workflow,
    callbackUrl: "https://c",
    after: workflow,
  },
  { op: "task", executionId: "x", callId: "a:0", attempt: 1 },
  { op: "crashed", executionId: "x", callId: "a:0", attempt: 1, why: "it is gone" },
  { op: "page", executionId: "x", key: "tasks/x/1", page: 0 },
];

describe("what a workflow asks for", () => {
  it.each(right)("is understood: %j", (request) => {
    expect(checkedRequest(request)).toEqual(request);
  });

  it.each(right)("is refused with a field missing or wrong: %j", (request) => {
    for (const name of Object.keys(request)) {
      if (name === "after") continue;
      const { [name as "op"]: _left, ...rest } = request;
      expect(() => checkedRequest(rest)).toThrow(`\`${name}\``);
      expect(() => checkedRequest({ ...request, [name]: [] })).toThrow(`\`${name}\``);
    }
    expect(() => checkedRequest({ ...right[0], after: "somebody" })).toThrow("`after`");
  });

  it.each([undefined, null, 1, "advance", [], { op: "toString" }])("is not: %j", (body) => {
    expect(() => checkedRequest(body)).toThrow("must be one of: advance, task, crashed, page");
  });
});

describe("a runtime", () => {
  it("is read from its document, and refused where another version wrote it", () => {
    expect(parseDocument("agents", '{"format":1,"bucket":"b"}').bucket).toBe("b");
    for (const text of ['{"format":2}', "{}", "null", "[]"])
      expect(() => parseDocument("agents", text)).toThrow(
        '"agents" was created by another version',
      );
  });

  it("has the names its infrastructure creates", () => {
    expect(bucketName("my-project", "agents")).toBe("my-project-kitaru-agents");
    expect(runtimeBucketName("my-project", "agents")).toBe("my-project-kitaru-agents-runtime");
    expect(documentKey).toBe("runtime.json");
    expect(workflowInput({ executionId: "x", generation: 2 })).toBe(
      '{"executionId":"x","generation":2}',
    );
  });
});
