import {
  GetExecutionHistoryCommand,
  ListExecutionsCommand,
  ListStateMachinesCommand,
  SFNClient,
} from "@aws-sdk/client-sfn";
import { emulated } from "../emulators/dynamodb-local.ts";
import type { Cloud } from "./cloud.ts";

/** What states each execution of a flow's machine has gone through, but for those inside a map. */
export async function statesOf({ endpoint, name }: Cloud, flow: string): Promise<string[][]> {
  const sfn = new SFNClient(emulated(endpoint));
  try {
    const { stateMachines = [] } = await sfn.send(new ListStateMachinesCommand({}));
    const machine = stateMachines.find((found) => found.name?.startsWith(`${name}-${flow}-`));
    if (machine === undefined) return [];
    const { executions = [] } = await sfn.send(
      new ListExecutionsCommand({ stateMachineArn: machine.stateMachineArn }),
    );
    return await Promise.all(
      executions.map(async ({ executionArn }) => {
        const { events = [] } = await sfn.send(
          new GetExecutionHistoryCommand({ executionArn, maxResults: 1000 }),
        );
        return events
          .flatMap(({ stateEnteredEventDetails: entered }) => entered?.name ?? [])
          .filter((state) => !/^(?:Attempt|Crashed|Left) /.test(state));
      }),
    );
  } finally {
    sfn.destroy();
  }
}
