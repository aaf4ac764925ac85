import type { DryRun, DryRunAction, DryRunCall } from "../core/client/dry-run.ts";
import type { ReplayFailure } from "../core/client/replaying.ts";
import type { Console } from "./console.ts";
import { oneLine, plural, table } from "./text.ts";

/** What a replay would do, for people. */
export function dryRunLines(say: Console, told: DryRun): string[] {
  const { style } = say;
  const { calls, unusedOverrides = [], reusedUsage } = told;
  const { totalTokens, cost } = reusedUsage;
  const money = cost === undefined ? "" : ` ($${cost})`;
  return [
    ...table(
      ["CALL", "KIND", "WOULD BE", "BECAUSE"].map(style.dim),
      calls.map((call) => [call.id, call.kind, actionText(say, call), whyText(call)]),
    ),
    "",
    endText(told),
    ...(calls.length === 0 ? [] : [`${countsOf(calls)}.`]),
    ...(totalTokens === 0
      ? []
      : [`Model usage not paid again: ${plural(totalTokens, "token")}${money}.`]),
    ...(unusedOverrides.length === 0
      ? []
      : [style.yellow(`No call would ask for ${unusedOverrides.join(", ")}.`)]),
    style.dim("Nothing ran and nothing was written."),
  ];
}

/** Executions that could not be replayed. */
export function failureLines(say: Console, failures: readonly ReplayFailure[]): string[] {
  return failures.map(
    ({ source, error }) => `${say.style.red("✗")} ${source}  ${oneLine(error.message, 1000)}`,
  );
}

function actionText({ style }: Console, { action, dependsOnNewResults }: DryRunCall): string {
  const text = dependsOnNewResults && action === "reused" ? "reused, or executed" : action;
  switch (action) {
    case "reused":
      return dependsOnNewResults ? style.yellow(text) : style.dim(text);
    case "executed":
    case "asked again":
      return style.cyan(text);
    case "overridden":
      return style.green(text);
    case "refused":
      return style.red(text);
  }
}

function whyText({ why, source, dependsOnNewResults }: DryRunCall): string {
  const from = source === undefined ? "" : ` (${source})`;
  const open = dependsOnNewResults ? "; depends on new results" : "";
  return oneLine(`${why}${from}${open}`, 160);
}

function endText({ end, endReason, calls }: DryRun): string {
  const isOpen = calls.some((call) => call.dependsOnNewResults);
  const flow = isOpen ? "If what is new comes out as recorded, the flow" : "The flow";
  switch (end) {
    case "completed":
      return `${flow} completes.`;
    case "failed":
      return `${flow} fails: ${oneLine(endReason ?? "", 400)}`;
    case "unknown":
      return `How it ends is not known: ${endReason ?? ""}.`;
  }
}

const actions: readonly DryRunAction[] = [
  "reused",
  "overridden",
  "executed",
  "asked again",
  "refused",
];

function countsOf(calls: readonly DryRunCall[]): string {
  const certain = calls.filter((call) => !call.dependsOnNewResults);
  const counts = actions.flatMap((action) => {
    const count = certain.filter((call) => call.action === action).length;
    return count === 0 ? [] : [`${count} ${action}`];
  });
  const open = calls.length - certain.length;
  const opens = open === 0 ? [] : [`${open} depending on new results`];
  return [...counts, ...opens].join(", ");
}
