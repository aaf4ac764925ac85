// Preloaded into a process of a function: its clock is ahead of that of this machine by as much as files in CLOCK_FOLDER say.
// `skew`: by up to so much and at least half of it, or behind; `ahead-NAME`: by so much, in the processes of one function. In milliseconds.
import { readFileSync } from "node:fs";

const { CLOCK_FOLDER, K_SERVICE } = process.env;
const realNow = Date.now;
const share = (0.5 + Math.random() / 2) * (Math.random() < 0.5 ? -1 : 1);
let known = { at: 0, offsetMs: 0 };

Date.now = () => {
  const at = realNow();
  if (at !== known.at)
    known = { at, offsetMs: Math.round(share * read("skew") + read(`ahead-${K_SERVICE}`)) };
  return at + known.offsetMs;
};

function read(name) {
  try {
    return Number(readFileSync(`${CLOCK_FOLDER}/${name}`, "utf8"));
  } catch {
    return 0;
  }
}
