import { afterEach, expect, test } from "vitest";

import { generator } from "../../testing/scenario.ts";
import { Travel } from "./travel.ts";

/** Processes to kill: `ROUNDS=2000` for more. */
const rounds = Number(process.env["ROUNDS"] ?? 200);
const seed = Number(process.env["SEED"] ?? 1);
const devRounds = Math.ceil(rounds / 40);

const travels: Travel[] = [];
afterEach(async () => {
  await Promise.all(travels.splice(0).map((travel) => travel.end()));
});

async function begin(): Promise<Travel> {
  const travel = await Travel.begin();
  travels.push(travel);
  return travel;
}

test(
  `processes killed at ${rounds + devRounds} random moments: nothing is lost, repeated or stuck (SEED=${seed})`,
  { timeout: 60_000 + rounds * 1000 },
  async () => {
    const [plain, kept] = [await begin(), await begin()];
    const manners = ["run", "resume"] as const;
    await Promise.all([
      plain.lane({ random: generator(seed), rounds: rounds / 2, manners }),
      plain.lane({ random: generator(seed + 1), rounds: rounds / 2, manners }),
      kept.lane({ random: generator(seed + 2), rounds: devRounds, manners: ["dev"] }),
    ]);
    const { violations, tally } = await plain.check();
    expect(violations).toEqual([]);
    expect(tally.kills).toBe(rounds);
    expect(tally.repeated).toBeGreaterThan(rounds / 10);
    expect(tally.requests).toBeGreaterThan(tally.trips * 3);
    expect(await kept.check()).toMatchObject({ violations: [], tally: { kills: devRounds } });
    if (process.env["ROUNDS"] !== undefined) process.stdout.write(`${JSON.stringify(tally)}\n`);
  },
);
