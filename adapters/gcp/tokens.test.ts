import { describe, expect, it } from "vitest";
import { detachedToken, readToken, workflowOf } from "./tokens.ts";

const execution = "projects/12/locations/europe-west4/workflows/prod-f-0123/executions/e-1";

describe("tokens and owners", () => {
  it("name the execution of a workflow they are of", () => {
    expect(readToken(execution)).toEqual({ kind: "execution", execution });
    expect(readToken(detachedToken(execution, 3))).toEqual({
      kind: "detached",
      execution,
      generation: 3,
    });
    expect(workflowOf(execution)).toBe("projects/12/locations/europe-west4/workflows/prod-f-0123");
    const url = `https://workflowexecutions.googleapis.com/v1/${execution}/callbacks/c-1_2`;
    expect(readToken(url)).toEqual({
      kind: "callback",
      path: `/v1/${execution}/callbacks/c-1_2`,
      execution,
    });
  });

  it("are not anything else, nor lead to other paths of the service", () => {
    for (const other of [
      "",
      "somebody",
      "detached:1:somebody",
      `detached:${execution}`,
      `${execution}/callbacks/1`,
      `https://workflowexecutions.googleapis.com/v1/${execution}`,
      `https://workflowexecutions.googleapis.com/v1/${execution}/callbacks/1:cancel/x`,
      `https://workflowexecutions.googleapis.com/v1/${execution}/callbacks/../../x`,
      `https://workflowexecutions.googleapis.com/v2/${execution}/callbacks/1`,
    ])
      expect(readToken(other)).toBeUndefined();
  });

  it("of another host lead to the service all the same", () => {
    const url = `https://evil.example/v1/${execution}/callbacks/1`;
    expect(readToken(url)).toMatchObject({ path: `/v1/${execution}/callbacks/1` });
  });
});
