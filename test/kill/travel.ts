import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { DatabaseSync } from "node:sqlite";
import { setTimeout as pause } from "node:timers/promises";
import { isDeepStrictEqual } from "node:util";

import { local } from "../../adapters/local/index.ts";
import { KitaruClient } from "../../core/index.ts";
import { activeRuntime, closeStacks, configure } from "../../core/stacks.ts";
import { type ModelServer, modelServer } from "../../testing/model-server.ts";
import { oneOf } from "../../testing/scenario.ts";
import { type Asked, evidenceOf, paidTwice, readEffects, violationsOf } from "./evidence.ts";
import type { Job, Manner, News } from "./fixtures/worker.ts";
import { type Worker, WorkerPool, compileWorker } from "./worker-pool.ts";

/** Executions a process drives at a time. */
const tripsAtATime = 3;
const longestLifeMs = 120;
/** So often a process lives until everything has come further: five that come to nothing end an execution for good. */
const patientRounds = 4;
const patienceMs = 20_000;

interface Trip {
  readonly id: string;
  readonly n: number;
  /** How often its process was killed. */
  kills: number;
  /** Every answer that was tried. */
  readonly tried: number[];
  /** The answer somebody was told stands. */
  confirmed?: number;
}

interface LaneOptions {
  readonly random: () => number;
  /** Processes to kill. */
  readonly rounds: number;
  /** How the processes after the first come by the executions. */
  readonly manners: readonly [Manner, ...Manner[]];
}

/** How much happened; a test in which nothing did proves nothing. */
export interface Tally {
  readonly kills: number;
  readonly trips: number;
  /** Calls that were begun more than once, because their first process died. */
  readonly repeated: number;
  /** At-most-once calls that were begun and never heard of again. */
  readonly interrupted: number;
  readonly requests: number;
}

/** Executions in a folder of their own whose processes are killed. */
export class Travel {
  readonly #root: string;
  readonly #server: ModelServer;
  readonly #asked: Asked[];
  readonly #trips = new Map<string, Trip>();
  readonly #pools: WorkerPool[] = [];
  readonly #violations: string[] = [];
  #kills = 0;

  private constructor(root: string, server: ModelServer, asked: Asked[]) {
    this.#root = root;
    this.#server = server;
    this.#asked = asked;
  }

  static async begin(): Promise<Travel> {
    const root = await mkdtemp(join(tmpdir(), "kitaru-kill-"));
    await writeFile(join(root, "effects"), "");
    const flows = JSON.stringify(new URL("fixtures/flows.ts", import.meta.url).href);
    await writeFile(join(root, "flows.ts"), `export * from ${flows};`);
    const asked: Asked[] = [];
    const server = await modelServer({
      respond: ({ prompt }) => {
        asked.push({ prompt, at: Date.now() });
        return { text: `<${prompt}>`, delayMs: 2 };
      },
    });
    const travel = new Travel(root, server, asked);
    await compileWorker(travel.#workerOptions());
    return travel;
  }

  async end(): Promise<void> {
    await Promise.all(this.#pools.map((pool) => pool.close()));
    await this.#server.close();
    await rm(this.#root, { recursive: true, force: true });
  }

  /** Start executions and kill whoever drives them, until enough were killed and all have ended. */
  async lane({ random, rounds, manners }: LaneOptions): Promise<void> {
    const pool = new WorkerPool(this.#workerOptions());
    this.#pools.push(pool);
    let killed = 0;
    do {
      const trips = Array.from({ length: tripsAtATime }, () => this.#trip());
      let manner: Manner = "run";
      for (let round = 1; ; round += 1) {
        const worker = await pool.take();
        const job = { manner, trips: trips.map((trip) => this.#job(trip, random)) };
        const isLast = killed >= rounds;
        const isPatient = round % patientRounds === 0 || manner === "dev";
        if (await this.#live(worker, job, { isLast, isPatient, random })) break;
        if (isLast) throw new Error(await this.#whereStuck(trips));
        killed += 1;
        for (const trip of trips) trip.kills += 1;
        manner = oneOf(random, manners);
      }
    } while (killed < rounds);
    this.#kills += killed;
  }

  /** Hold what is stored, and what happened in the world, against what must be. */
  async check(): Promise<{ readonly violations: readonly string[]; readonly tally: Tally }> {
    return this.#looking(async () => {
      const effects = await readEffects(join(this.#root, "effects"));
      const violations = [...this.#violations, ...this.#damage()];
      let interrupted = 0;
      for (const trip of this.#trips.values()) {
        const { output, status } = await new KitaruClient().executions.get(trip.id);
        violations.push(...resultViolations(trip, status, output));
        if (JSON.stringify(output).includes("interrupted")) interrupted += 1;
        const { context } = await activeRuntime();
        for (const evidence of await evidenceOf(context, trip.id, effects)) {
          violations.push(...violationsOf(evidence, trip.kills));
          violations.push(...paidTwice(evidence, this.#asked));
        }
      }
      const distinct = new Set(effects.map(({ key, attempt }) => `${key} ${attempt}`));
      const tally = {
        kills: this.#kills,
        trips: this.#trips.size,
        repeated: effects.length - distinct.size,
        interrupted,
        requests: this.#asked.length,
      };
      return { violations, tally };
    });
  }

  #trip(): Trip {
    const n = this.#trips.size;
    const trip: Trip = { id: `trip-${n}`, n, kills: 0, tried: [] };
    this.#trips.set(trip.id, trip);
    return trip;
  }

  /** An answer that stands is said again to some, and to others never: they would wait for one that was lost. */
  #job({ id, n, tried, confirmed }: Trip, random: () => number): Job["trips"][number] {
    const given = { id, n, file: join(this.#root, "effects") };
    if (confirmed !== undefined && n % 2 === 0) return given;
    const value = confirmed ?? tried.length;
    if (confirmed === undefined) tried.push(value);
    return { ...given, answer: { value, afterMs: Math.floor(random() * 60) } };
  }

  /** Let a worker live for a while; whether it came to the end of its work. */
  async #live(
    worker: Worker,
    job: Job,
    how: { readonly isLast: boolean; readonly isPatient: boolean; readonly random: () => number },
  ): Promise<boolean> {
    const done = worker.do(job).then(() => true);
    done.catch(() => undefined); // killed at its work
    const lifeMs = how.random() * longestLifeMs;
    if (how.isPatient) await Promise.race([worker.progress, done, pause(patienceMs)]);
    const hasEnded = await Promise.race([done, pause(how.isLast ? patienceMs : lifeMs, false)]);
    await worker.peer.kill();
    return hasEnded;
  }

  #heard(news: News): void {
    if (news.kind !== "answered") return;
    const trip = this.#trips.get(news.id);
    if (trip === undefined) return;
    if (trip.confirmed !== undefined && trip.confirmed !== news.value)
      this.#violations.push(`${news.id}: both ${trip.confirmed} and ${news.value} were taken`);
    trip.confirmed = news.value;
  }

  #workerOptions(): ConstructorParameters<typeof WorkerPool>[0] {
    const heard = (news: News): void => this.#heard(news);
    return { root: this.#root, modelUrl: this.#server.url, heard };
  }

  #damage(): string[] {
    const file = join(this.#root, ".kitaru", "kitaru.db");
    const database = new DatabaseSync(file, { readOnly: true });
    const found = database.prepare("PRAGMA integrity_check").all();
    database.close();
    const text = found.map((row) => Object.values(row).join(" "));
    return text.filter((line) => line !== "ok");
  }

  /** The last that is known of executions that do not go on. */
  #whereStuck(trips: readonly Trip[]): Promise<string> {
    return this.#looking(async () => {
      const { context } = await activeRuntime();
      const lines = await Promise.all(
        trips.map(async ({ id, kills }) => {
          const parts = await evidenceOf(context, id, []);
          const text = parts.map(({ entries }) => JSON.stringify(entries.slice(-6)));
          return `${id}, killed ${kills} times:\n${text.join("\n")}`;
        }),
      );
      return `stuck for ${patienceMs} ms:\n${lines.join("\n")}`;
    });
  }

  /** Do something with the stack in this process, which knows no flow and so drives nothing. */
  async #looking<T>(look: () => Promise<T>): Promise<T> {
    configure({ root: this.#root, config: { stacks: { local: local() } } });
    try {
      return await look();
    } finally {
      await closeStacks();
    }
  }
}

/** How the end of an execution differs from that of an undisturbed one. */
function resultViolations(trip: Trip, status: string, output: unknown): string[] {
  const { id, kills, confirmed, tried } = trip;
  const { paid, answer } = Object(output) as { paid: unknown; answer: number };
  const allowed = confirmed === undefined ? tried : [confirmed];
  const found: string[] = [];
  if (status !== "completed") found.push(`is ${status}`);
  if (paid !== 100 && (paid !== "interrupted" || kills === 0)) found.push(`paid ${String(paid)}`);
  if (!allowed.includes(answer)) found.push(`got ${answer}, was told ${allowed.join(" or ")}`);
  if (!isDeepStrictEqual(output, resultOf(trip, paid, answer)))
    found.push(`returned ${JSON.stringify(output)}`);
  return found.map((text) => `${id}: ${text}`);
}

/** What an undisturbed execution returns. */
function resultOf({ n }: Trip, paid: unknown, answer: number): Record<string, unknown> {
  return {
    length: 36,
    tries: 3,
    failure: "TypeError as always 3",
    paid,
    squares: [1, 4, 9, 16],
    text: String(n).length * 20_000,
    trip: [`errand ${n}!`, 4],
    answer,
    brief: `<brief ${n} 0>`,
    winner: "quick!",
    told: `<improve <shorten ${n}>>`,
  };
}
