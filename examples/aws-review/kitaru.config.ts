import { defineConfig } from "kitaru";
import { aws } from "kitaru/aws";
import { local } from "kitaru/local";

export default defineConfig({
  flows: ["./flows/*.ts"],
  // `kitaru stack use aws`, or --stack aws for one command
  stacks: { local: local(), aws: aws({ name: "review" }) },
  // fast: { model: "openai/gpt-5-mini", secret: "openai" } reads the secret kitaru/review/openai of Secrets Manager
  models: { fast: "offline/extract" },
});
