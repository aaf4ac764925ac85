import { randomUUID } from "node:crypto";
import { type HistoryEvent, eventType } from "./protocol.ts";

/** Where an instance is in its life. */
export type InstanceStatus = "Running" | "Completed" | "Failed" | "Terminated";

/** Something that has happened to an instance and that it has not taken in. */
export interface Message {
  /** Absent for what is meant for whatever runs under the instance's id. */
  readonly run?: string;
  readonly event: Partial<HistoryEvent> & { readonly EventType: number };
}

/** One instance of an orchestration, as the task hub stores it. */
export class Instance {
  readonly id: string;
  readonly name: string;
  readonly parent:
    | { readonly instance: string; readonly run: string; readonly task: number }
    | undefined;
  readonly createdTime = new Date();
  /** Changes whenever the instance begins anew; what belongs to an earlier run is dropped. */
  run = randomUUID();
  input: unknown;
  history: HistoryEvent[] = [];
  inbox: Message[] = [];
  status: InstanceStatus = "Running";
  output: unknown = null;
  customStatus: unknown = null;
  updatedTime = new Date();
  isBusy = false;
  /** Timers that would fire; those of the run only. */
  readonly timers = new Map<number, NodeJS.Timeout>();
  #before: { readonly history: HistoryEvent[]; readonly inbox: Message[] } | undefined;
  /** What the function has asked for, in words, since the instance was created. */
  readonly told: string[] = [];

  constructor(params: Pick<Instance, "id" | "name" | "input" | "parent">) {
    this.id = params.id;
    this.name = params.name;
    this.input = params.input;
    this.parent = params.parent;
    this.inbox.push(this.#begin());
  }

  /** What the turn has made of the instance is stored. */
  store(): void {
    this.#before = undefined;
  }

  /** Begin anew: what has been said and not waited for is lost, what has not been taken in is not. */
  renew(input: unknown): void {
    this.stopTimers();
    this.run = randomUUID();
    this.input = input;
    this.history = [];
    this.inbox.unshift(this.#begin());
  }

  /** Undo a turn that was not stored. */
  rollBack(): void {
    if (this.#before === undefined) return;
    this.history = this.#before.history;
    this.inbox = [...this.#before.inbox, ...this.inbox];
    this.#before = undefined;
  }

  /** Take in what has come. False when nothing is left that concerns this run. */
  takeIn(): boolean {
    this.#before = { history: [...this.history], inbox: this.inbox };
    const messages = this.inbox.filter(({ run, event }) => {
      if (run !== undefined && run !== this.run) return false;
      return !this.#isDouble(event);
    });
    this.inbox = [];
    if (messages.length === 0) {
      this.#before = undefined;
      return false;
    }
    this.append({ EventType: eventType.orchestratorStarted });
    for (const { event } of messages) this.append(event);
    return true;
  }

  append(event: Partial<HistoryEvent> & { readonly EventType: number }): void {
    this.history.push({
      EventId: -1,
      IsPlayed: false,
      Timestamp: new Date().toISOString(),
      ...event,
    });
    this.updatedTime = new Date();
  }

  finish(status: InstanceStatus, output: unknown): void {
    this.stopTimers();
    this.status = status;
    this.output = output;
    this.inbox = [];
    this.updatedTime = new Date();
  }

  stopTimers(): void {
    for (const timer of this.timers.values()) clearTimeout(timer);
    this.timers.clear();
  }

  #begin(): Message {
    const Input = JSON.stringify(this.input);
    return { event: { EventType: eventType.executionStarted, Name: this.name, Input } };
  }

  /** What a task ends with counts once. */
  #isDouble({ TaskScheduledId, TimerId }: Message["event"]): boolean {
    const isEnd = (event: HistoryEvent): boolean =>
      (TaskScheduledId !== undefined && event.TaskScheduledId === TaskScheduledId) ||
      (TimerId !== undefined && event.TimerId === TimerId);
    return this.history.some(isEnd);
  }
}
