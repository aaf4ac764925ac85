import { describeSchedules } from "./schedules.ts";

describeSchedules([
  "sequential",
  "steps",
  "parallel",
  "caught",
  "flaky",
  "map",
  "once",
  "isolated",
]);
