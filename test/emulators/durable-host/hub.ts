import { Instance } from "./instance.ts";
import {
  type Action,
  type HistoryEvent,
  type OrchestratorState,
  actionType,
  eventType,
  outOfProcLabel,
} from "./protocol.ts";
import { type Decision, NonDeterminism, type Replayed, replayActions } from "./replay.ts";
import { type InvocationRequest, type TypedData, WorkerExit, type Workers } from "./workers.ts";

/** What goes wrong on purpose. */
export interface HubFaults {
  /** Share of activities whose process ends while they run. */
  readonly kills?: number;
  /** Share of activities that are delivered a second time, once they have ended. */
  readonly doubles?: number;
  /** Share of events that are lost, and that come twice. */
  readonly lostEvents?: number;
  readonly doubledEvents?: number;
  /** Share of queue messages that are taken and lost. */
  readonly lostMessages?: number;
  /** Time an activity has before its process is ended, in milliseconds. */
  readonly timeoutMs?: number;
  /** Clocks of the app's processes differ by up to so much. */
  readonly skewMs?: number;
}

/** What has been done to whom. */
export interface HubCounts {
  activities: number;
  turns: number;
  killed: string[];
  doubled: number;
  lostEvents: number;
  doubledEvents: number;
  lostMessages: number;
}

/** Stores instances, and takes each as far as its history allows: at least once, like the extension. */
export class TaskHub {
  readonly instances = new Map<string, Instance>();
  faults: HubFaults = {};
  readonly counts: HubCounts = {
    activities: 0,
    turns: 0,
    killed: [],
    doubled: 0,
    lostEvents: 0,
    doubledEvents: 0,
    lostMessages: 0,
  };
  readonly #workers: Workers;
  readonly #client: () => object;
  #epoch = 0;

  constructor(workers: Workers, client: () => object) {
    this.#workers = workers;
    this.#client = client;
  }

  /** Create an instance. One that has ended is replaced; throws when one of this id runs, and for an id that is not allowed. */
  create(params: Pick<Instance, "id" | "name" | "input" | "parent">): Instance {
    const { id, name } = params;
    if (id.startsWith("@") || /[/\\#?\p{Cc}]/u.test(id) || id.length > 100)
      throw new TypeError(`Orchestration instance id ${JSON.stringify(id)} is not allowed.`);
    if (this.#workers.functions.get(name) === undefined)
      throw new TypeError(`The function '${name}' doesn't exist.`);
    if (this.instances.get(id)?.status === "Running")
      throw new Error(`An Orchestration instance with the status Running already exists.`);
    const instance = new Instance(params);
    this.instances.set(id, instance);
    this.#pump(instance);
    return instance;
  }

  raise(instance: Instance, name: string, input: string): void {
    const times = this.#timesRaised();
    for (let time = 0; time < times; time++) {
      instance.inbox.push({
        event: { EventType: eventType.eventRaised, Name: name, Input: input },
      });
      this.#pump(instance);
    }
  }

  terminate(instance: Instance, reason: string): void {
    instance.finish("Terminated", reason);
    this.#tellParent(instance);
  }

  purge(id: string): boolean {
    this.instances.get(id)?.finish("Terminated", "purged");
    return this.instances.delete(id);
  }

  /** What a host that goes away leaves behind, another one takes up: what was under way is done again. */
  restart(): void {
    this.#epoch += 1;
    this.#workers.restart();
    for (const instance of this.instances.values()) {
      instance.rollBack();
      instance.isBusy = false;
      this.#redo(instance);
      this.#pump(instance);
    }
  }

  #timesRaised(): number {
    const { lostEvents = 0, doubledEvents = 0 } = this.faults;
    const draw = Math.random();
    if (draw < lostEvents) {
      this.counts.lostEvents += 1;
      return 0;
    }
    if (draw >= lostEvents + doubledEvents) return 1;
    this.counts.doubledEvents += 1;
    return 2;
  }

  /** Deliver again what has been scheduled and has no end. */
  #redo(instance: Instance): void {
    if (instance.status !== "Running") return;
    const ended = new Set(instance.history.map((event) => event.TaskScheduledId));
    for (const event of instance.history)
      if (event.EventType === eventType.taskScheduled && !ended.has(event.EventId))
        void this.#activity(instance, event.EventId, event.Name ?? "", event.Input);
  }

  #pump(instance: Instance): void {
    if (instance.isBusy || instance.status !== "Running") return;
    instance.isBusy = true;
    const epoch = this.#epoch;
    setImmediate(() => void this.#drain(instance, epoch));
  }

  async #drain(instance: Instance, epoch: number): Promise<void> {
    while (instance.status === "Running" && epoch === this.#epoch && instance.takeIn())
      await this.#turn(instance, epoch).catch((error: unknown) => {
        process.stderr.write(`${String(error)}\n`);
      });
    if (epoch === this.#epoch) instance.isBusy = false;
  }

  async #turn(instance: Instance, epoch: number): Promise<void> {
    this.counts.turns += 1;
    const state = await this.#ask(instance);
    if (epoch !== this.#epoch || instance.status !== "Running") return;
    instance.store();
    for (const event of instance.history) event.IsPlayed = true;
    if (typeof state === "string") return this.#fail(instance, state);
    if (state.customStatus !== undefined) instance.customStatus = state.customStatus;
    const [actions = []] = state.actions;
    let replayed: Replayed;
    try {
      replayed = replayActions(actions, instance.history);
    } catch (error) {
      if (error instanceof NonDeterminism) return this.#fail(instance, error.message);
      return this.#fail(instance, String(error));
    }
    for (const decision of replayed.decisions) this.#carryOut(instance, decision);
    this.#stopCanceled(instance, actions);
    instance.append({ EventType: eventType.orchestratorCompleted });
    if (!replayed.isThrough || replayed.hasOpen) return;
    if (replayed.renewedWith !== undefined) {
      instance.told.push(...actions.map(wordsFor));
      instance.renew(replayed.renewedWith.input);
    } else if (state.error !== undefined) {
      instance.told.push(...actions.map(wordsFor));
      this.#fail(instance, `Orchestrator function '${instance.name}' failed: ${state.error}`);
    } else if (state.isDone) {
      instance.told.push(...actions.map(wordsFor));
      instance.finish("Completed", state.output ?? null);
      this.#tellParent(instance);
    }
  }

  /** Call the orchestrator function with the whole history; a text is the reason why it failed as a function. */
  async #ask(instance: Instance): Promise<OrchestratorState | string> {
    const trigger = {
      history: instance.history,
      input: instance.input ?? null,
      instanceId: instance.id,
      isReplaying: false,
      parentInstanceId: instance.parent?.instance ?? null,
      upperSchemaVersion: 1,
      upperSchemaVersionNew: 2,
      longRunningTimerIntervalDuration: "3.00:00:00",
      maximumShortTimerDuration: "6.00:00:00",
      defaultHttpAsyncRequestSleepTimeMillseconds: 30_000,
    };
    try {
      const result = await this.#workers.call(instance.name, this.request(instance.name, trigger));
      return JSON.parse(result?.json ?? "null") as OrchestratorState;
    } catch (error) {
      const message = error instanceof Error ? error.message : String(error);
      const at = message.indexOf(outOfProcLabel);
      if (at === -1) return `Orchestrator function '${instance.name}' failed: ${message}`;
      return JSON.parse(message.slice(at + outOfProcLabel.length)) as OrchestratorState;
    }
  }

  #carryOut(instance: Instance, decision: Decision): void {
    const { id } = decision;
    switch (decision.kind) {
      case "task": {
        const Input = JSON.stringify(decision.input ?? null);
        const Name = decision.name;
        instance.append({ EventType: eventType.taskScheduled, EventId: id, Name, Input });
        void this.#activity(instance, id, Name, Input);
        break;
      }
      case "timer": {
        const FireAt = decision.fireAt;
        instance.append({ EventType: eventType.timerCreated, EventId: id, FireAt });
        this.#timer(instance, id, FireAt);
        break;
      }
      case "child":
        this.#child(instance, decision);
        break;
    }
  }

  #timer(instance: Instance, id: number, FireAt: string): void {
    const { run } = instance;
    const fire = (): void => {
      instance.timers.delete(id);
      instance.inbox.push({ run, event: { EventType: eventType.timerFired, TimerId: id, FireAt } });
      this.#pump(instance);
    };
    const delay = Math.max(0, Math.min(new Date(FireAt).getTime() - Date.now(), 2 ** 31 - 1));
    instance.timers.set(id, setTimeout(fire, delay));
  }

  #stopCanceled(instance: Instance, actions: readonly Action[]): void {
    const canceled = flat(actions).filter((action) => action.isCanceled === true);
    const created = instance.history.filter((event) => event.EventType === eventType.timerCreated);
    for (const { fireAt } of canceled)
      for (const { EventId, FireAt } of created)
        if (FireAt === fireAt) {
          clearTimeout(instance.timers.get(EventId));
          instance.timers.delete(EventId);
        }
  }

  #child(instance: Instance, decision: Extract<Decision, { kind: "child" }>): void {
    const { id: task, name, input } = decision;
    const id = decision.instance ?? `${instance.run.replaceAll("-", "")}:${task}`;
    instance.append({
      EventType: eventType.childCreated,
      EventId: task,
      Name: name,
      InstanceId: id,
      Input: JSON.stringify(input ?? null),
    });
    const parent = { instance: instance.id, run: instance.run, task };
    this.create({ id, name, input, parent });
  }

  async #activity(instance: Instance, id: number, name: string, input = "null"): Promise<void> {
    const { run } = instance;
    const epoch = this.#epoch;
    this.counts.activities += 1;
    const event = await this.#invoke(name, input);
    // a host that has been stopped says nothing; another one delivers the activity again
    if (epoch !== this.#epoch) return;
    instance.inbox.push({ run, event: { TaskScheduledId: id, ...event } });
    this.#pump(instance);
    if (Math.random() >= (this.faults.doubles ?? 0)) return;
    this.counts.doubled += 1;
    const again = await this.#invoke(name, input);
    instance.inbox.push({ run, event: { TaskScheduledId: id, ...again } });
    this.#pump(instance);
  }

  async #invoke(
    name: string,
    input: string,
  ): Promise<Pick<HistoryEvent, "EventType" | "Result" | "Reason" | "Details">> {
    let timer: NodeJS.Timeout | undefined;
    const { kills = 0, timeoutMs } = this.faults;
    const onBegun = (kill: () => void): void => {
      if (timeoutMs !== undefined) timer = setTimeout(kill, timeoutMs);
      if (Math.random() >= kills) return;
      setTimeout(() => {
        this.counts.killed.push(name);
        kill();
      }, Math.random() * 100);
    };
    try {
      const result = await this.#workers.call(name, this.request(name, input), onBegun);
      const Result = result?.json ?? JSON.stringify(result?.string ?? null);
      return { EventType: eventType.taskCompleted, Result };
    } catch (error) {
      const { message, stack = "" } = error as Error;
      const Reason = `Activity function '${name}' failed: ${message}`;
      const Details = error instanceof WorkerExit ? message : stack;
      return { EventType: eventType.taskFailed, Reason, Details };
    } finally {
      clearTimeout(timer);
    }
  }

  /** What a function is called with: the trigger's value, and a client for whoever has asked for one. */
  request(name: string, trigger: unknown, data?: TypedData): InvocationRequest {
    const bindings = this.#workers.functions.get(name)?.bindings ?? {};
    const text = typeof trigger === "string" ? trigger : JSON.stringify(trigger);
    const inputData = Object.entries(bindings).flatMap(([binding, { type, direction }]) => {
      if (direction === "out") return [];
      if (type === "durableClient")
        return [{ name: binding, data: { string: JSON.stringify(this.#client()) } }];
      return /trigger$/i.test(type) ? [{ name: binding, data: data ?? { string: text } }] : [];
    });
    return { inputData, triggerMetadata: {} };
  }

  #fail(instance: Instance, why: string): void {
    instance.finish("Failed", why);
    this.#tellParent(instance);
  }

  #tellParent({ parent, status, output }: Instance): void {
    const instance = parent === undefined ? undefined : this.instances.get(parent.instance);
    if (parent === undefined || instance === undefined) return;
    const end =
      status === "Completed"
        ? { EventType: eventType.childCompleted, Result: JSON.stringify(output ?? null) }
        : { EventType: eventType.childFailed, Reason: status, Details: String(output) };
    instance.inbox.push({ run: parent.run, event: { TaskScheduledId: parent.task, ...end } });
    this.#pump(instance);
  }
}

/** An action in a few words, for tests to look at. */
function wordsFor(action: Action): string {
  switch (action.actionType) {
    case actionType.callActivity:
    case actionType.callActivityWithRetry:
    case actionType.callChild:
      return `call ${action.functionName}`;
    case actionType.continueAsNew:
      return "continueAsNew";
    case actionType.createTimer:
      return action.isCanceled === true ? "timer (cancelled)" : "timer";
    case actionType.waitForEvent:
      return `event ${action.externalEventName}`;
    default: {
      const word = action.actionType === actionType.whenAny ? "any" : "all";
      return `${word}(${(action.compoundActions ?? []).map(wordsFor).join(", ")})`;
    }
  }
}

function flat(actions: readonly Action[]): Action[] {
  return actions.flatMap((action) =>
    action.compoundActions === undefined ? [action] : flat(action.compoundActions),
  );
}
