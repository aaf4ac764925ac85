import { type Command, InvalidArgumentError, Option } from "commander";
import type { ReplayCheckOptions } from "../../core/client/replay-check.ts";
import { loadConfigFlows } from "../config-flows.ts";
import { type Console, openStack } from "../console.ts";
import { CommandError } from "../failure.ts";
import { loadFlowTarget } from "../flow-target.ts";
import { stackOption, wholeNumber } from "../options.ts";
import { replayCheckLines, summaryOf } from "../replay-check-text.ts";

interface CheckOptions {
  readonly against: ReplayCheckOptions["against"];
  readonly flow: string;
  readonly last: number;
  readonly stack?: string;
  readonly tag?: string;
  readonly values?: boolean;
  readonly version?: ReplayCheckOptions["version"];
}

/** Add `kitaru replay-check`. */
export function addReplayCheck(program: Command, say: () => Console): void {
  program
    .command("replay-check")
    .description("check code against what executions have recorded; nothing runs but flow bodies")
    .requiredOption("--flow <flow>", "name of the flow, or FILE:FLOW")
    .option("--tag <tag>", "executions of the version that has this tag")
    .addOption(versionOf("--version <version>", "executions of this version, a number or local"))
    .option("--last <count>", "most executions checked, the newest", wholeNumber(1, 1000), 20)
    .addOption(
      versionOf("--against <code>", "what to check: a version, or local for the source").default(
        "local",
      ),
    )
    .option("--values", "show the values that differ, shortened")
    .addOption(stackOption())
    .action((options: CheckOptions) => check(say(), options));
}

function versionOf(flags: string, description: string): Option {
  return new Option(flags, description).argParser((text: string): number | "local" => {
    if (text === "local") return text;
    if (/^[1-9]\d*$/.test(text)) return Number(text);
    throw new InvalidArgumentError("It must be the number of a version, or local.");
  });
}

async function check(say: Console, options: CheckOptions): Promise<void> {
  const { against, last, tag, version, values = false, stack } = options;
  const flow = await nameOf(say, options);
  const { executions } = await openStack(stack);
  const found = await executions.replayCheck({
    flow,
    against,
    last,
    values,
    ...(tag === undefined ? {} : { tag }),
    ...(version === undefined ? {} : { version }),
  });
  say.item(found, replayCheckLines(say, found));
  if (!found.ok) throw new CommandError("divergence", summaryOf(found));
}

/** Name of the flow, whose code is loaded where it is to be checked. */
async function nameOf(say: Console, { flow, against }: CheckOptions): Promise<string> {
  if (flow.includes(":")) return (await loadFlowTarget(flow, say.io.cwd)).name;
  if (against === "local") await loadConfigFlows();
  return flow;
}
