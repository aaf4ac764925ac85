import type { Workload } from "../workload.ts";
import { idle } from "./idle.ts";
import { importing } from "./import.ts";
import { w1 } from "./w1.ts";
import { w2 } from "./w2.ts";
import { w3 } from "./w3.ts";
import { w4 } from "./w4.ts";
import { w5 } from "./w5.ts";
import { w6 } from "./w6.ts";
import { w7 } from "./w7.ts";
import { w8 } from "./w8.ts";
import { writes } from "./writes.ts";

/** Everything that is measured, by the name it is chosen by. */
export const workloads: Readonly<Record<string, Workload>> = {
  W1: w1,
  W2: w2,
  W3: w3,
  W4: w4,
  W5: w5,
  W6: w6,
  W7: w7,
  W8: w8,
  import: importing,
  idle,
  writes,
};
