import { suspended } from "../flows.ts";
import { parked } from "../parked.ts";
import { programArguments, report } from "../program.ts";
import { useStacks } from "../stacks.ts";

// Takes a flow to its wait, says which it is, and stays until it is killed.
const { place, args } = programArguments();
useStacks(place);
const handle = await parked(suspended.run(Number(args[0])));
report(handle.id);
setInterval(() => {}, 1000);
