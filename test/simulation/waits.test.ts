import { describeSchedules } from "./schedules.ts";

describeSchedules(["loop", "expiry", "child", "sleep", "retried", "orphaning"]);
