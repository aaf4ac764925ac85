import { describeSchedules } from "./schedules.ts";
import { replays } from "./shapes.ts";

describeSchedules(Object.keys(replays));
