// Stands in for `timeout --signal=SIGNAL SECONDS COMMAND…` where the commands of a page are run: it counts from the first
// output instead of the start, so that a busy machine gets as far as an idle one.
import { spawn } from "node:child_process";

const [signal = "", seconds = "", command = "", ...args] = process.argv.slice(2);
const child = spawn(command, args, { stdio: ["ignore", "pipe", "pipe"] });

let isCounting = false;
for (const stream of [child.stdout, child.stderr])
  stream.on("data", (text: Buffer) => {
    process.stdout.write(text);
    if (isCounting) return;
    isCounting = true;
    const name = `SIG${signal.replace("--signal=", "")}` as NodeJS.Signals;
    setTimeout(() => child.kill(name), Number(seconds) * 1000).unref();
  });
