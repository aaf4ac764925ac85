/** Kinds of history events, by the numbers the extension writes them with. */
export const eventType = {
  executionStarted: 0,
  taskScheduled: 4,
  taskCompleted: 5,
  taskFailed: 6,
  childCreated: 7,
  childCompleted: 8,
  childFailed: 9,
  timerCreated: 10,
  timerFired: 11,
  orchestratorStarted: 12,
  orchestratorCompleted: 13,
  eventRaised: 15,
} as const;

/** One event of a history, as the extension serializes it. */
export interface HistoryEvent {
  readonly EventType: number;
  readonly EventId: number;
  IsPlayed: boolean;
  readonly Timestamp: string;
  readonly Name?: string;
  readonly Input?: string;
  readonly InstanceId?: string;
  readonly FireAt?: string;
  readonly TaskScheduledId?: number;
  readonly TimerId?: number;
  readonly Result?: string;
  readonly Reason?: string;
  readonly Details?: string;
}

/** Kinds of actions an orchestrator function answers with, by their numbers. */
export const actionType = {
  callActivity: 0,
  callActivityWithRetry: 1,
  callChild: 2,
  continueAsNew: 4,
  createTimer: 5,
  waitForEvent: 6,
  whenAny: 11,
  whenAll: 12,
} as const;

/** How often an action is tried. */
export interface RetryOptions {
  readonly firstRetryIntervalInMilliseconds: number;
  readonly maxNumberOfAttempts: number;
  readonly backoffCoefficient?: number;
  readonly maxRetryIntervalInMilliseconds?: number;
}

/** One action of an orchestrator function. */
export interface Action {
  readonly actionType: number;
  readonly functionName?: string;
  readonly instanceId?: string;
  readonly input?: unknown;
  readonly retryOptions?: RetryOptions;
  readonly fireAt?: string;
  readonly isCanceled?: boolean;
  readonly externalEventName?: string;
  readonly compoundActions?: readonly Action[];
}

/** What an orchestrator function answers with: everything it has done since its history began. */
export interface OrchestratorState {
  readonly isDone: boolean;
  readonly actions: readonly (readonly Action[])[];
  readonly output?: unknown;
  readonly error?: string;
  readonly customStatus?: unknown;
  readonly schemaVersion: number;
}

/** Ends the readable part of a failed orchestrator function's message; its state follows. */
export const outOfProcLabel = "\n\n$OutOfProcData$:";
