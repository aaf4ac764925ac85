import { openStack } from "../../core/stacks.ts";
import type { Fate, FaultProxy, Passing } from "../emulators/fault-proxy.ts";
import type { Inject, Injection } from "./faults.ts";
import { pause } from "./rounds.ts";

/** A document of an execution on its way to the store. */
export interface Written {
  readonly executionId: string;
  /** Its sort key. */
  readonly sort: string;
  readonly document: string;
  /** Whether it takes the place of a certain version. */
  readonly replaces: boolean;
}

/** A cloud's record store, and how its requests and replies are read. */
export interface TappedStore {
  readonly proxy: FaultProxy;
  /** What a request writes; undefined for one that writes nothing of an execution. */
  readonly written: (request: Passing) => Written | undefined;
  /** Whether a write was refused because the document is another. */
  readonly isRefused: (reply: Buffer, status: number) => boolean;
  /** What the store says for a while, by name, without having done anything. */
  readonly refusals: Readonly<Record<string, Fate>>;
  /** What it says when the document is another. */
  readonly conflict: Fate;
}

/** A request that is left alone. */
export const pass: Fate = { kind: "pass" };

/** The bucket answers half of what is asked of it with a 503. */
export function unavailable(
  proxy: FaultProxy,
  random: () => number,
  {
    body,
    isMeant = () => true,
  }: { readonly body: string; readonly isMeant?: (one: Passing) => boolean },
): Inject {
  return () => {
    const counts = { unavailable: 0 };
    proxy.fate = (one) => {
      if (!isMeant(one) || random() > 0.5) return pass;
      counts.unavailable += 1;
      return { kind: "answer", status: 503, body };
    };
    return { counts: () => counts };
  };
}

/** Answer every wake as if it had been passed on; whoever is answered has parked before. */
export function droppedWakes(
  stack: string,
  proxy: FaultProxy,
  isWake: (request: Passing) => boolean,
): Inject {
  return () => {
    const counts = { dropped: 0 };
    proxy.fate = (request) => {
      if (!isWake(request)) return pass;
      counts.dropped += 1;
      return { kind: "answer", status: 200, body: "{}" };
    };
    return { counts: () => counts, answerAfter: untilParked(stack) };
  };
}

/**
 * Lose the reply to three of ten starts, and have a second orchestration begin for each execution. `generationOf` reads the
 * generation a request starts; undefined for one that starts none.
 */
export function doubledStarts(
  stack: string,
  proxy: FaultProxy,
  random: () => number,
  generationOf: (request: Passing) => number | undefined,
): Inject {
  return () => {
    const counts = { lost: 0, second: 0 };
    proxy.fate = (request) => {
      const generation = generationOf(request);
      if (generation === undefined) return pass;
      if (generation === secondGeneration) counts.second += 1;
      if (random() > 0.3) return pass;
      counts.lost += 1;
      return { kind: "lose" };
    };
    return { counts: () => counts, answerAfter: secondOwners(stack) };
  };
}

/** Refuse requests now and then, say of every tenth write that the document has changed, and lose the reply of every tenth. */
export function stormy({ proxy, written, refusals, conflict }: TappedStore, random: () => number) {
  return (): Injection => {
    const names = Object.keys(refusals);
    const counts: Record<string, number> = { conflicts: 0, lost: 0 };
    for (const name of names) counts[name] = 0;
    const count = (name: string, fate: Fate = pass): Fate => {
      counts[name] = (counts[name] ?? 0) + 1;
      return fate;
    };
    const isHit = { conflict: everyTenth(5), loss: everyTenth(0) };
    proxy.fate = (request) => {
      const name = names[Math.floor((random() / 0.05) * names.length)];
      if (name !== undefined) return count(name, refusals[name]);
      const write = written(request);
      if (write === undefined) return pass;
      if (write.replaces && isHit.conflict()) return count("conflicts", conflict);
      return isHit.loss() ? count("lost", { kind: "lose" }) : pass;
    };
    return { counts: () => counts };
  };
}

/** True once in ten times, when so many of the ten are over. */
function everyTenth(over: number): () => boolean {
  let times = 0;
  return () => times++ % 10 === over;
}

/** Hold every park back until its execution has been answered. */
export function answeredWhileParking({ proxy, written, isRefused }: TappedStore): Inject {
  return () => {
    const parking = new Map<string, () => void>();
    const answered = new Map<string, () => void>();
    const counts = { refused: 0 };
    proxy.fate = (request) => {
      const write = written(request);
      if (write === undefined || parkedIn(write) === undefined) return pass;
      const tell = parking.get(write.executionId);
      if (tell === undefined) return pass;
      // the head says `waiting`, and nobody listens yet
      parking.delete(write.executionId);
      tell();
      const until = new Promise<void>((resolve) => answered.set(write.executionId, resolve));
      return { kind: "hold", until };
    };
    const heard = (request: Passing, reply: Buffer, status: number): void => {
      const write = written(request);
      if (write?.sort !== "inbox") return;
      if (write.document.includes('"kind":"answer"')) answered.get(write.executionId)?.();
      else if (parkedIn(write) !== undefined && isRefused(reply, status)) counts.refused += 1;
    };
    proxy.onReply.add(heard);
    return {
      counts: () => counts,
      answerAfter: (id) => new Promise((resolve) => parking.set(id, resolve)),
      stop: () => void proxy.onReply.delete(heard),
    };
  };
}

/** Wake whoever has parked, again and again; none is answered before it has been woken so. */
export function spuriousWakes(stack: string, { proxy, written }: TappedStore): Inject {
  return async () => {
    const { orchestrator } = (await openStack(stack)).backend;
    const parked = new Map<string, string>();
    const woken = new Map<string, number>();
    const heard = (request: Passing): void => {
      const write = written(request);
      const token = write === undefined ? undefined : parkedIn(write);
      if (write !== undefined && token !== undefined) parked.set(write.executionId, token);
    };
    proxy.onReply.add(heard);
    const waking = setInterval(() => {
      for (const [executionId, token] of parked) {
        woken.set(executionId, (woken.get(executionId) ?? 0) + 1);
        void orchestrator.wake(token, executionId).catch(() => undefined);
      }
    }, 500);
    const timesWoken = (): number => [...woken.values()].reduce((sum, times) => sum + times, 0);
    return {
      counts: () => ({ spurious: timesWoken() }),
      answerAfter: async (id) => {
        while ((woken.get(id) ?? 0) < 2) await pause(50);
      },
      stop: () => {
        clearInterval(waking);
        proxy.onReply.delete(heard);
      },
    };
  };
}

/** Have a second orchestration begin for each execution, twice, before it is answered. */
export function secondOwners(stack: string) {
  return async (executionId: string): Promise<void> => {
    const { backend } = await openStack(stack);
    const head = await backend.records.get({ partition: `exec/${executionId}`, sort: "head" });
    const { facts } = JSON.parse(head?.body ?? "{}") as { readonly facts: Facts };
    const params = { ...facts, executionId, generation: secondGeneration };
    await Promise.all([1, 2].map(() => backend.orchestrator.start(params)));
    await pause(300);
  };
}

/** Generation of the orchestrations of {@link secondOwners}. */
export const secondGeneration = 7;

/** Once an execution is parked, and can be woken. */
export function untilParked(stack: string) {
  return async (executionId: string): Promise<void> => {
    const { records } = (await openStack(stack)).backend;
    const key = { partition: `exec/${executionId}`, sort: "inbox" };
    while ((await records.get(key))?.body.includes('"parked"') !== true) await pause(100);
  };
}

/** Let clocks differ; counts entries that are dated by one that is off by more than a second. */
export function differingClocks(
  { proxy, written }: TappedStore,
  setSkew: (ms: number) => Promise<void> | void,
): Inject {
  return async () => {
    const counts = { strayed: 0 };
    const heard = (request: Passing): void => {
      const write = written(request);
      if (write?.sort.startsWith("j/") !== true) return;
      const newest = write.document.trimEnd().split("\n").at(-1) ?? "{}";
      const { at = 0 } = JSON.parse(newest) as { readonly at?: number };
      if (Math.abs(at - Date.now()) > 1000) counts.strayed += 1;
    };
    proxy.onReply.add(heard);
    await setSkew(5000);
    return { counts: () => counts, stop: () => void proxy.onReply.delete(heard) };
  };
}

interface Facts {
  readonly flow: string;
  readonly bundle: string;
}

/** The token under which a document parks its execution; undefined for every other document. */
function parkedIn({ sort, document }: Written): string | undefined {
  if (sort !== "inbox" || !document.startsWith('{"items":[],"parked"')) return undefined;
  return (JSON.parse(document) as { readonly parked: string }).parked;
}
