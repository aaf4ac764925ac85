import { createDurableModel } from "../models/durable.ts";
import type { DurableModel } from "../models/durable.ts";
import { recordLlm } from "./scope.ts";

/** Wrap an AI SDK language model so that every question put to it in a flow or checkpoint is a recorded llm call. */
export const durableModel: DurableModel = createDurableModel((call) =>
  recordLlm(call, "A durableModel() was asked"),
);
