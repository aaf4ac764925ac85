#!/usr/bin/env node
import { unfitNode } from "./node-version.ts";

// An older Node cannot even load what this program imports: that comes only now.
const unfit = unfitNode(process.versions.node);
if (unfit === undefined) await import("./start.ts");
else {
  process.stderr.write(`error: ${unfit}\n`);
  process.exitCode = 1;
}
