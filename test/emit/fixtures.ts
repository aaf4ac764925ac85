import { aws } from "./aws.ts";
import { azure } from "./azure.ts";
import type { CaseName } from "./cases.ts";
import type { EmitCloud } from "./cloud.ts";
import { gcp } from "./gcp.ts";

/** Every cloud flows are emitted for. One that is added here fills in each case below, or nothing compiles. */
export const clouds = { aws, gcp, azure } as const satisfies Readonly<Record<string, EmitCloud>>;

/** Name of a cloud. */
export type Cloud = keyof typeof clouds;

/** What a case looks like on one cloud. */
interface Expected {
  /** States, steps or actions an execution goes through. */
  readonly path: readonly string[];
  /** What is emitted, all of it for the first case, and for the others what differs from that. */
  readonly emitted: string;
}

/** Nothing differs from the first case. */
const same = "";

/** What is emitted, side by side. */
export const expected: Readonly<Record<CaseName, Readonly<Record<Cloud, Expected>>>> = {
  "no wait": {
    aws: {
      path: ["Start", "Route", "Advance", "Route", "Completed"],
      emitted: `Start:
  Type: Task
  Resource: arn:aws:states:::lambda:invoke
  Arguments:
    FunctionName: arn:aws:lambda:us-east-1:123456789012:function:advance
    Payload:
      op: advance
      executionId: "{% $states.context.Execution.Input.executionId %}"
      owner: "{% $states.context.Execution.Input.owner %}"
      machine: "{% $states.context.Execution.Id %}"
  Retry:
    - &a1
      ErrorEquals:
        - Lambda.TooManyRequestsException
      IntervalSeconds: 1
      MaxAttempts: 20
      BackoffRate: 2
      MaxDelaySeconds: 60
      JitterStrategy: FULL
    - &a2
      ErrorEquals:
        - Lambda.ServiceException
        - Lambda.AWSLambdaException
        - Lambda.SdkClientException
        - Lambda.ClientExecutionTimeoutException
      IntervalSeconds: 2
      MaxAttempts: 8
      BackoffRate: 2
      MaxDelaySeconds: 120
      JitterStrategy: FULL
    - &a3
      ErrorEquals:
        - States.ALL
      IntervalSeconds: 2
      MaxAttempts: 6
      BackoffRate: 2
      MaxDelaySeconds: 120
      JitterStrategy: FULL
  Assign:
    d: "{% $states.result.Payload %}"
    events: "{% 13 %}"
  Output: {}
  Next: Route
Advance:
  Type: Task
  Resource: arn:aws:states:::lambda:invoke
  Arguments:
    FunctionName: arn:aws:lambda:us-east-1:123456789012:function:advance
    Payload:
      op: advance
      executionId: "{% $states.context.Execution.Input.executionId %}"
      owner: "{% $states.context.Execution.Input.owner %}"
      machine: "{% $states.context.Execution.Id %}"
  Retry:
    - *a1
    - *a2
    - *a3
  Assign:
    d: "{% $states.result.Payload %}"
    events: "{% $events + 13 + 12 * $d.count %}"
  Output: {}
  Next: Route
Route:
  Type: Choice
  Choices:
    - Condition: "{% $d.kind = 'end' and $d.status = 'failed' %}"
      Next: Failed
    - Condition: "{% $d.kind = 'end' and $d.status = 'cancelled' %}"
      Next: Cancelled
    - Condition: "{% $d.kind = 'end' %}"
      Next: Completed
    - Condition: "{% $events > 18000 or ($millis() - $toMillis($states.context.Execution.StartTime)) / 86400000 > 300 %}"
      Next: Renew
    - Condition: "{% $d.kind = 'advance' %}"
      Next: Advance
    - Condition: "{% $d.kind = 'park' %}"
      Next: Park
  Default: Unknown
Park:
  Type: Task
  Resource: arn:aws:states:::lambda:invoke.waitForTaskToken
  Arguments:
    FunctionName: arn:aws:lambda:us-east-1:123456789012:function:park
    Payload:
      op: park
      executionId: "{% $states.context.Execution.Input.executionId %}"
      seen: "{% $d.seen %}"
      wakeAt: "{% $d.wakeAt %}"
      token: "{% $states.context.Task.Token %}"
  TimeoutSeconds: "{% $d.seconds %}"
  Retry:
    - *a1
    - *a2
  Catch:
    - ErrorEquals:
        - States.ALL
      Output: {}
      Next: Advance
  Output: {}
  Next: Advance
Renew:
  Type: Task
  Resource: arn:aws:states:::states:startExecution
  Arguments:
    StateMachineArn: "{% $states.context.StateMachine.Id %}"
    Name: "{% $states.context.Execution.Input.owner & '-r' & $string($d.epoch) %}"
    Input:
      executionId: "{% $states.context.Execution.Input.executionId %}"
      owner: "{% $states.context.Execution.Input.owner %}"
  Retry:
    - *a3
  Output:
    executionId: "{% $states.context.Execution.Input.executionId %}"
  End: true
Completed:
  Type: Succeed
  Output:
    executionId: "{% $states.context.Execution.Input.executionId %}"
Cancelled:
  Type: Fail
  Error: cancelled
  Cause: "{% $states.context.Execution.Input.executionId %}"
Unknown:
  Type: Fail
  Error: unknown directive
  Cause: "{% $string($d.kind) %}"
Failed:
  Type: Fail
  Error: "{% $d.code %}"
  Cause: "{% $states.context.Execution.Input.executionId %}"
`,
    },
    gcp: {
      path: ["init", "open", "advance", "route", "again", "open", "advance", "route", "finished"],
      emitted: `init:
  assign:
    - executionId: \${args.executionId}
    - after: '\${map.get(args, "after")}'
    - workflow: '\${"projects/" + sys.get_env("GOOGLE_CLOUD_PROJECT_ID") + "/locations/" + sys.get_env("GOOGLE_CLOUD_LOCATION") + "/workflows/" + sys.get_env("GOOGLE_CLOUD_WORKFLOW_ID")}'
    - self: '\${workflow + "/executions/" + sys.get_env("GOOGLE_CLOUD_WORKFLOW_EXECUTION_ID")}'
    - started: \${sys.now()}
    - taken: 0
open:
  call: events.create_callback_endpoint
  args:
    http_callback_method: POST
  result: callback
advance:
  try:
    call: http.post
    args:
      url: "https://advance.run.app"
      timeout: 1800
      auth:
        type: OIDC
        audience: "https://advance.run.app"
      body:
        op: advance
        executionId: \${executionId}
        generation: \${args.generation}
        workflow: \${self}
        callbackUrl: \${callback.url}
        after: \${after}
    result: reply
  retry:
    predicate: \${worth_another_try}
    max_retries: 12
    backoff:
      initial_delay: 1
      max_delay: 120
      multiplier: 2
route:
  switch:
    - condition: '\${reply.body.kind == "end" and (reply.body.status == "failed" or reply.body.status == "cancelled")}'
      next: failed
    - condition: '\${reply.body.kind == "end"}'
      next: finished
    - condition: \${taken > 20000 or sys.now() - started > 25920000}
      next: renew
    - condition: '\${reply.body.kind == "advance"}'
      next: again
    - condition: '\${reply.body.kind == "park"}'
      next: park
unknown:
  raise:
    message: \${reply.body.kind}
    tags:
      - "unknown directive"
again:
  assign:
    - taken: \${taken + 8}
  next: open
park:
  try:
    call: events.await_callback
    args:
      callback: \${callback}
      timeout: \${reply.body.seconds}
  except:
    as: e
    steps:
      - unless_park_is_over:
          switch:
            - condition: '\${not("TimeoutError" in e.tags)}'
              raise: \${e}
after_park:
  assign:
    - taken: \${taken + 8}
  next: open
renew:
  assign:
    - input:
        executionId: \${executionId}
        generation: \${args.generation}
        after: \${self}
start_next:
  try:
    call: http.post
    args:
      url: '\${"https://workflowexecutions.googleapis.com/v1/" + workflow + "/executions"}'
      auth:
        type: OAuth2
      body:
        argument: \${json.encode_to_string(input)}
  retry:
    predicate: \${worth_another_try}
    max_retries: 12
    backoff:
      initial_delay: 1
      max_delay: 120
      multiplier: 2
renewed:
  return:
    executionId: \${executionId}
    renewed: true
failed:
  raise:
    message: \${executionId}
    tags:
      - \${reply.body.code}
finished:
  return:
    executionId: \${executionId}
worth_another_try:
  params:
    - e
  steps:
    - decide:
        switch:
          - condition: '\${("HttpError" in e.tags) and (e.code == 408 or e.code == 429 or e.code == 500 or e.code == 502 or e.code == 503 or e.code == 504)}'
            return: true
          - condition: '\${("ConnectionError" in e.tags) or ("ConnectionFailedError" in e.tags) or ("TimeoutError" in e.tags)}'
            return: true
    - otherwise:
        return: false
`,
    },
    azure: {
      path: ["call kitaru-advance-1", "call kitaru-advance-1"],
      emitted: `Advance: activity kitaru-advance-1, tried 8 times
  -> Advance
  -> Wait
  -> Completed
  -> Failed
Wait: any([event wake:TURN, timer until the wait is due, at most 24 h])
  -> Advance
Completed: return
Failed: throw, so that the instance has failed too
`,
    },
  },
  "one wait": {
    aws: {
      path: ["Start", "Route", "Wait for approve", "Advance", "Route", "Completed"],
      emitted: `Route:
  Type: Choice
  Choices:
    - Condition: "{% $d.kind = 'end' and $d.status = 'failed' %}"
      Next: Failed
    - Condition: "{% $d.kind = 'end' and $d.status = 'cancelled' %}"
      Next: Cancelled
    - Condition: "{% $d.kind = 'end' %}"
      Next: Completed
    - Condition: "{% $events > 18000 or ($millis() - $toMillis($states.context.Execution.StartTime)) / 86400000 > 300 %}"
      Next: Renew
    - Condition: "{% $d.kind = 'advance' %}"
      Next: Advance
    - Condition: "{% $d.kind = 'park' and $d.label = 'approve' %}"
      Next: Wait for approve
    - Condition: "{% $d.kind = 'park' %}"
      Next: Park
  Default: Unknown
Wait for approve:
  Type: Task
  Resource: arn:aws:states:::lambda:invoke.waitForTaskToken
  Arguments:
    FunctionName: arn:aws:lambda:us-east-1:123456789012:function:park
    Payload:
      op: park
      executionId: "{% $states.context.Execution.Input.executionId %}"
      seen: "{% $d.seen %}"
      wakeAt: "{% $d.wakeAt %}"
      token: "{% $states.context.Task.Token %}"
  TimeoutSeconds: "{% $d.seconds %}"
  Retry:
    - ErrorEquals:
        - Lambda.TooManyRequestsException
      IntervalSeconds: 1
      MaxAttempts: 20
      BackoffRate: 2
      MaxDelaySeconds: 60
      JitterStrategy: FULL
    - ErrorEquals:
        - Lambda.ServiceException
        - Lambda.AWSLambdaException
        - Lambda.SdkClientException
        - Lambda.ClientExecutionTimeoutException
      IntervalSeconds: 2
      MaxAttempts: 8
      BackoffRate: 2
      MaxDelaySeconds: 120
      JitterStrategy: FULL
  Catch:
    - ErrorEquals:
        - States.ALL
      Output: {}
      Next: Advance
  Output: {}
  Next: Advance
`,
    },
    gcp: {
      path: [
        "init",
        "open",
        "advance",
        "route",
        "wait_for_approve",
        "after_wait_for_approve",
        "open",
        "advance",
        "route",
        "finished",
      ],
      emitted: `route:
  switch:
    - condition: '\${reply.body.kind == "end" and (reply.body.status == "failed" or reply.body.status == "cancelled")}'
      next: failed
    - condition: '\${reply.body.kind == "end"}'
      next: finished
    - condition: \${taken > 20000 or sys.now() - started > 25920000}
      next: renew
    - condition: '\${reply.body.kind == "advance"}'
      next: again
    - condition: '\${reply.body.kind == "park" and reply.body.label == "approve"}'
      next: wait_for_approve
    - condition: '\${reply.body.kind == "park"}'
      next: park
wait_for_approve:
  try:
    call: events.await_callback
    args:
      callback: \${callback}
      timeout: \${reply.body.seconds}
  except:
    as: e
    steps:
      - unless_wait_for_approve_is_over:
          switch:
            - condition: '\${not("TimeoutError" in e.tags)}'
              raise: \${e}
after_wait_for_approve:
  assign:
    - taken: \${taken + 8}
  next: open
`,
    },
    azure: {
      path: [
        "call kitaru-advance-1",
        "any(event wake:0, timer (cancelled))",
        "call kitaru-advance-1",
      ],
      emitted: `Advance: activity kitaru-advance-1, tried 8 times
  -> Advance
  -> Wait for approve
  -> Wait
  -> Completed
  -> Failed
Wait for approve: any([event wake:TURN, timer until the wait is due, at most 24 h])
  -> Advance
`,
    },
  },
  "named and repeated waits": {
    aws: {
      path: [
        "Start",
        "Route",
        "Wait for approve",
        "Advance",
        "Route",
        "Wait for approve",
        "Advance",
        "Route",
        "Wait for sign-off",
        "Advance",
        "Route",
        "Completed",
      ],
      emitted: `Route:
  Type: Choice
  Choices:
    - Condition: "{% $d.kind = 'end' and $d.status = 'failed' %}"
      Next: Failed
    - Condition: "{% $d.kind = 'end' and $d.status = 'cancelled' %}"
      Next: Cancelled
    - Condition: "{% $d.kind = 'end' %}"
      Next: Completed
    - Condition: "{% $events > 18000 or ($millis() - $toMillis($states.context.Execution.StartTime)) / 86400000 > 300 %}"
      Next: Renew
    - Condition: "{% $d.kind = 'advance' %}"
      Next: Advance
    - Condition: "{% $d.kind = 'park' and $d.label = 'approve' %}"
      Next: Wait for approve
    - Condition: "{% $d.kind = 'park' and $d.label = 'sign-off' %}"
      Next: Wait for sign-off
    - Condition: "{% $d.kind = 'park' %}"
      Next: Park
  Default: Unknown
Wait for approve:
  Type: Task
  Resource: arn:aws:states:::lambda:invoke.waitForTaskToken
  Arguments:
    FunctionName: arn:aws:lambda:us-east-1:123456789012:function:park
    Payload:
      op: park
      executionId: "{% $states.context.Execution.Input.executionId %}"
      seen: "{% $d.seen %}"
      wakeAt: "{% $d.wakeAt %}"
      token: "{% $states.context.Task.Token %}"
  TimeoutSeconds: "{% $d.seconds %}"
  Retry:
    - &a1
      ErrorEquals:
        - Lambda.TooManyRequestsException
      IntervalSeconds: 1
      MaxAttempts: 20
      BackoffRate: 2
      MaxDelaySeconds: 60
      JitterStrategy: FULL
    - &a2
      ErrorEquals:
        - Lambda.ServiceException
        - Lambda.AWSLambdaException
        - Lambda.SdkClientException
        - Lambda.ClientExecutionTimeoutException
      IntervalSeconds: 2
      MaxAttempts: 8
      BackoffRate: 2
      MaxDelaySeconds: 120
      JitterStrategy: FULL
  Catch:
    - ErrorEquals:
        - States.ALL
      Output: {}
      Next: Advance
  Output: {}
  Next: Advance
Wait for sign-off:
  Type: Task
  Resource: arn:aws:states:::lambda:invoke.waitForTaskToken
  Arguments:
    FunctionName: arn:aws:lambda:us-east-1:123456789012:function:park
    Payload:
      op: park
      executionId: "{% $states.context.Execution.Input.executionId %}"
      seen: "{% $d.seen %}"
      wakeAt: "{% $d.wakeAt %}"
      token: "{% $states.context.Task.Token %}"
  TimeoutSeconds: "{% $d.seconds %}"
  Retry:
    - *a1
    - *a2
  Catch:
    - ErrorEquals:
        - States.ALL
      Output: {}
      Next: Advance
  Output: {}
  Next: Advance
`,
    },
    gcp: {
      path: [
        "init",
        "open",
        "advance",
        "route",
        "wait_for_approve",
        "after_wait_for_approve",
        "open",
        "advance",
        "route",
        "wait_for_approve",
        "after_wait_for_approve",
        "open",
        "advance",
        "route",
        "wait_for_sign_off",
        "after_wait_for_sign_off",
        "open",
        "advance",
        "route",
        "finished",
      ],
      emitted: `route:
  switch:
    - condition: '\${reply.body.kind == "end" and (reply.body.status == "failed" or reply.body.status == "cancelled")}'
      next: failed
    - condition: '\${reply.body.kind == "end"}'
      next: finished
    - condition: \${taken > 20000 or sys.now() - started > 25920000}
      next: renew
    - condition: '\${reply.body.kind == "advance"}'
      next: again
    - condition: '\${reply.body.kind == "park" and reply.body.label == "approve"}'
      next: wait_for_approve
    - condition: '\${reply.body.kind == "park" and reply.body.label == "sign-off"}'
      next: wait_for_sign_off
    - condition: '\${reply.body.kind == "park"}'
      next: park
wait_for_approve:
  try:
    call: events.await_callback
    args:
      callback: \${callback}
      timeout: \${reply.body.seconds}
  except:
    as: e
    steps:
      - unless_wait_for_approve_is_over:
          switch:
            - condition: '\${not("TimeoutError" in e.tags)}'
              raise: \${e}
after_wait_for_approve:
  assign:
    - taken: \${taken + 8}
  next: open
wait_for_sign_off:
  try:
    call: events.await_callback
    args:
      callback: \${callback}
      timeout: \${reply.body.seconds}
  except:
    as: e
    steps:
      - unless_wait_for_sign_off_is_over:
          switch:
            - condition: '\${not("TimeoutError" in e.tags)}'
              raise: \${e}
after_wait_for_sign_off:
  assign:
    - taken: \${taken + 8}
  next: open
`,
    },
    azure: {
      path: [
        "call kitaru-advance-1",
        "any(event wake:0, timer (cancelled))",
        "call kitaru-advance-1",
        "any(event wake:1, timer)",
        "call kitaru-advance-1",
        "any(event wake:2, timer (cancelled))",
        "call kitaru-advance-1",
      ],
      emitted: `Advance: activity kitaru-advance-1, tried 8 times
  -> Advance
  -> Wait for approve
  -> Wait for sign-off
  -> Wait
  -> Completed
  -> Failed
Wait for approve: any([event wake:TURN, timer until the wait is due, at most 24 h])
  -> Advance
Wait for sign-off: any([event wake:TURN, timer until the wait is due, at most 24 h])
  -> Advance
`,
    },
  },
  sleep: {
    aws: {
      path: ["Start", "Route", "Park", "Advance", "Route", "Completed"],
      emitted: same,
    },
    gcp: {
      path: [
        "init",
        "open",
        "advance",
        "route",
        "park",
        "after_park",
        "open",
        "advance",
        "route",
        "finished",
      ],
      emitted: same,
    },
    azure: {
      path: ["call kitaru-advance-1", "any(event wake:0, timer)", "call kitaru-advance-1"],
      emitted: same,
    },
  },
  isolated: {
    aws: {
      path: ["Start", "Route", "Run render", "Advance", "Route", "Completed"],
      emitted: `Route:
  Type: Choice
  Choices:
    - Condition: "{% $d.kind = 'end' and $d.status = 'failed' %}"
      Next: Failed
    - Condition: "{% $d.kind = 'end' and $d.status = 'cancelled' %}"
      Next: Cancelled
    - Condition: "{% $d.kind = 'end' %}"
      Next: Completed
    - Condition: "{% $events > 18000 or ($millis() - $toMillis($states.context.Execution.StartTime)) / 86400000 > 300 %}"
      Next: Renew
    - Condition: "{% $d.kind = 'advance' %}"
      Next: Advance
    - Condition: "{% $d.kind = 'park' %}"
      Next: Park
    - Condition: "{% $d.kind = 'tasks' and $d.label = 'render' %}"
      Next: Run render
    - Condition: "{% $d.kind = 'tasks' %}"
      Next: Run tasks
    - Condition: "{% $d.kind = 'manyTasks' %}"
      Next: Run many tasks
  Default: Unknown
Run render:
  Type: Map
  Items: "{% $d.tasks %}"
  ItemSelector:
    executionId: "{% $states.context.Execution.Input.executionId %}"
    callId: "{% $states.context.Map.Item.Value.callId %}"
    attempt: "{% $states.context.Map.Item.Value.attempt %}"
    name: "{% $states.context.Map.Item.Value.name %}"
  MaxConcurrency: 40
  ItemProcessor:
    ProcessorConfig:
      Mode: INLINE
    StartAt: Attempt render
    States:
      Attempt render:
        Type: Task
        Resource: arn:aws:states:::lambda:invoke
        Arguments:
          FunctionName: arn:aws:lambda:us-east-1:123456789012:function:task-default
          Payload:
            op: task
            executionId: "{% $states.input.executionId %}"
            callId: "{% $states.input.callId %}"
            attempt: "{% $states.input.attempt %}"
        Retry:
          - &a1
            ErrorEquals:
              - Lambda.TooManyRequestsException
            IntervalSeconds: 1
            MaxAttempts: 20
            BackoffRate: 2
            MaxDelaySeconds: 60
            JitterStrategy: FULL
          - &a2
            ErrorEquals:
              - Lambda.ServiceException
              - Lambda.AWSLambdaException
              - Lambda.SdkClientException
              - Lambda.ClientExecutionTimeoutException
            IntervalSeconds: 2
            MaxAttempts: 8
            BackoffRate: 2
            MaxDelaySeconds: 120
            JitterStrategy: FULL
        Catch:
          - ErrorEquals:
              - States.ALL
            Output:
              executionId: "{% $states.input.executionId %}"
              callId: "{% $states.input.callId %}"
              attempt: "{% $states.input.attempt %}"
              why: "{% $states.errorOutput.Error %}"
            Next: Crashed render
        Output: {}
        End: true
      Crashed render:
        Type: Task
        Resource: arn:aws:states:::lambda:invoke
        Arguments:
          FunctionName: arn:aws:lambda:us-east-1:123456789012:function:advance
          Payload:
            op: crashed
            executionId: "{% $states.input.executionId %}"
            callId: "{% $states.input.callId %}"
            attempt: "{% $states.input.attempt %}"
            why: "{% $states.input.why %}"
        Retry:
          - *a1
          - *a2
          - &a3
            ErrorEquals:
              - States.ALL
            IntervalSeconds: 2
            MaxAttempts: 6
            BackoffRate: 2
            MaxDelaySeconds: 120
            JitterStrategy: FULL
        Catch:
          - ErrorEquals:
              - States.ALL
            Output: {}
            Next: Left render
        Output: {}
        End: true
      Left render:
        Type: Succeed
        Output: {}
  Output: {}
  Next: Advance
Run tasks:
  Type: Map
  Items: "{% $d.tasks %}"
  ItemSelector:
    executionId: "{% $states.context.Execution.Input.executionId %}"
    callId: "{% $states.context.Map.Item.Value.callId %}"
    attempt: "{% $states.context.Map.Item.Value.attempt %}"
    name: "{% $states.context.Map.Item.Value.name %}"
  MaxConcurrency: 40
  ItemProcessor:
    ProcessorConfig:
      Mode: INLINE
    StartAt: Attempt task
    States:
      Attempt task:
        Type: Task
        Resource: arn:aws:states:::lambda:invoke
        Arguments:
          FunctionName: '{% $lookup({"render":"arn:aws:lambda:us-east-1:123456789012:function:task-default"}, $states.input.name) %}'
          Payload:
            op: task
            executionId: "{% $states.input.executionId %}"
            callId: "{% $states.input.callId %}"
            attempt: "{% $states.input.attempt %}"
        Retry:
          - *a1
          - *a2
        Catch:
          - ErrorEquals:
              - States.ALL
            Output:
              executionId: "{% $states.input.executionId %}"
              callId: "{% $states.input.callId %}"
              attempt: "{% $states.input.attempt %}"
              why: "{% $states.errorOutput.Error %}"
            Next: Crashed task
        Output: {}
        End: true
      Crashed task:
        Type: Task
        Resource: arn:aws:states:::lambda:invoke
        Arguments:
          FunctionName: arn:aws:lambda:us-east-1:123456789012:function:advance
          Payload:
            op: crashed
            executionId: "{% $states.input.executionId %}"
            callId: "{% $states.input.callId %}"
            attempt: "{% $states.input.attempt %}"
            why: "{% $states.input.why %}"
        Retry:
          - *a1
          - *a2
          - *a3
        Catch:
          - ErrorEquals:
              - States.ALL
            Output: {}
            Next: Left task
        Output: {}
        End: true
      Left task:
        Type: Succeed
        Output: {}
  Output: {}
  Next: Advance
Run many tasks:
  Type: Map
  Label: tasks
  ItemReader:
    Resource: arn:aws:states:::s3:getObject
    ReaderConfig:
      InputType: JSON
    Arguments:
      Bucket: bucket
      Key: "{% $d.key %}"
  ItemSelector:
    executionId: "{% $states.context.Execution.Input.executionId %}"
    callId: "{% $states.context.Map.Item.Value.callId %}"
    attempt: "{% $states.context.Map.Item.Value.attempt %}"
    name: "{% $states.context.Map.Item.Value.name %}"
  MaxConcurrency: 1000
  ToleratedFailurePercentage: "{% 100 %}"
  ItemProcessor:
    ProcessorConfig:
      Mode: DISTRIBUTED
      ExecutionType: STANDARD
    StartAt: Attempt one of many tasks
    States:
      Attempt one of many tasks:
        Type: Task
        Resource: arn:aws:states:::lambda:invoke
        Arguments:
          FunctionName: '{% $lookup({"render":"arn:aws:lambda:us-east-1:123456789012:function:task-default"}, $states.input.name) %}'
          Payload:
            op: task
            executionId: "{% $states.input.executionId %}"
            callId: "{% $states.input.callId %}"
            attempt: "{% $states.input.attempt %}"
        Retry:
          - *a1
          - *a2
        Catch:
          - ErrorEquals:
              - States.ALL
            Output:
              executionId: "{% $states.input.executionId %}"
              callId: "{% $states.input.callId %}"
              attempt: "{% $states.input.attempt %}"
              why: "{% $states.errorOutput.Error %}"
            Next: Crashed one of many tasks
        Output: {}
        End: true
      Crashed one of many tasks:
        Type: Task
        Resource: arn:aws:states:::lambda:invoke
        Arguments:
          FunctionName: arn:aws:lambda:us-east-1:123456789012:function:advance
          Payload:
            op: crashed
            executionId: "{% $states.input.executionId %}"
            callId: "{% $states.input.callId %}"
            attempt: "{% $states.input.attempt %}"
            why: "{% $states.input.why %}"
        Retry:
          - *a1
          - *a2
          - *a3
        Catch:
          - ErrorEquals:
              - States.ALL
            Output: {}
            Next: Left one of many tasks
        Output: {}
        End: true
      Left one of many tasks:
        Type: Succeed
        Output: {}
  Output: {}
  Next: Advance
`,
    },
    gcp: {
      path: [
        "init",
        "open",
        "advance",
        "route",
        "run_render",
        "after_run_render",
        "open",
        "advance",
        "route",
        "finished",
      ],
      emitted: `route:
  switch:
    - condition: '\${reply.body.kind == "end" and (reply.body.status == "failed" or reply.body.status == "cancelled")}'
      next: failed
    - condition: '\${reply.body.kind == "end"}'
      next: finished
    - condition: \${taken > 20000 or sys.now() - started > 25920000}
      next: renew
    - condition: '\${reply.body.kind == "advance"}'
      next: again
    - condition: '\${reply.body.kind == "park"}'
      next: park
    - condition: '\${reply.body.kind == "tasks" and reply.body.label == "render"}'
      next: run_render
    - condition: '\${reply.body.kind == "tasks"}'
      next: run_tasks
    - condition: '\${reply.body.kind == "manyTasks"}'
      next: run_many_tasks
run_render:
  parallel:
    concurrency_limit: 20
    for:
      value: task
      in: \${reply.body.tasks}
      steps:
        - attempt_run_render:
            try:
              call: http.post
              args:
                url: "https://task-default.run.app"
                timeout: 1800
                auth:
                  type: OIDC
                  audience: "https://task-default.run.app"
                body:
                  op: task
                  executionId: \${executionId}
                  callId: \${task.callId}
                  attempt: \${task.attempt}
            retry:
              predicate: \${never_begun}
              max_retries: 10
              backoff:
                initial_delay: 1
                max_delay: 120
                multiplier: 2
            except:
              as: e
              steps:
                - lost_run_render:
                    call: crashed
                    args:
                      executionId: \${executionId}
                      callId: \${task.callId}
                      attempt: \${task.attempt}
                      e: \${e}
after_run_render:
  assign:
    - taken: \${taken + 8 + 10 * reply.body.count}
  next: open
run_tasks:
  parallel:
    concurrency_limit: 20
    for:
      value: task
      in: \${reply.body.tasks}
      steps:
        - attempt_run_tasks:
            try:
              call: http.post
              args:
                url: "https://task-default.run.app"
                timeout: 1800
                auth:
                  type: OIDC
                  audience: "https://task-default.run.app"
                body:
                  op: task
                  executionId: \${executionId}
                  callId: \${task.callId}
                  attempt: \${task.attempt}
            retry:
              predicate: \${never_begun}
              max_retries: 10
              backoff:
                initial_delay: 1
                max_delay: 120
                multiplier: 2
            except:
              as: e
              steps:
                - lost_run_tasks:
                    call: crashed
                    args:
                      executionId: \${executionId}
                      callId: \${task.callId}
                      attempt: \${task.attempt}
                      e: \${e}
after_run_tasks:
  assign:
    - taken: \${taken + 8 + 10 * reply.body.count}
  next: open
run_many_tasks:
  for:
    value: page
    range: "\${[0, math.min(reply.body.pages, 75) - 1]}"
    steps:
      - read_page:
          try:
            call: http.post
            args:
              url: "https://advance.run.app"
              timeout: 1800
              auth:
                type: OIDC
                audience: "https://advance.run.app"
              body:
                op: page
                executionId: \${executionId}
                key: \${reply.body.key}
                page: \${page}
            result: some
          retry:
            predicate: \${worth_another_try}
            max_retries: 12
            backoff:
              initial_delay: 1
              max_delay: 120
              multiplier: 2
      - run_page:
          parallel:
            concurrency_limit: 20
            for:
              value: task
              in: \${some.body.tasks}
              steps:
                - attempt_run_page:
                    try:
                      call: http.post
                      args:
                        url: "https://task-default.run.app"
                        timeout: 1800
                        auth:
                          type: OIDC
                          audience: "https://task-default.run.app"
                        body:
                          op: task
                          executionId: \${executionId}
                          callId: \${task.callId}
                          attempt: \${task.attempt}
                    retry:
                      predicate: \${never_begun}
                      max_retries: 10
                      backoff:
                        initial_delay: 1
                        max_delay: 120
                        multiplier: 2
                    except:
                      as: e
                      steps:
                        - lost_run_page:
                            call: crashed
                            args:
                              executionId: \${executionId}
                              callId: \${task.callId}
                              attempt: \${task.attempt}
                              e: \${e}
after_run_many_tasks:
  assign:
    - taken: \${taken + 8 + 10 * reply.body.count}
  next: open
crashed:
  params:
    - executionId
    - callId
    - attempt
    - e
  steps:
    - reason:
        assign:
          - why: \${e.tags[0]}
    - if_http:
        switch:
          - condition: '\${"HttpError" in e.tags}'
            steps:
              - status:
                  assign:
                    - why: '\${why + " " + string(e.code)}'
    - tell:
        try:
          call: http.post
          args:
            url: "https://advance.run.app"
            timeout: 1800
            auth:
              type: OIDC
              audience: "https://advance.run.app"
            body:
              op: crashed
              executionId: \${executionId}
              callId: \${callId}
              attempt: \${attempt}
              why: \${why}
        retry:
          predicate: \${worth_another_try}
          max_retries: 6
          backoff:
            initial_delay: 1
            max_delay: 120
            multiplier: 2
        except:
          as: ignored
          steps:
            - untold:
                return: \${ignored.tags[0]}
never_begun:
  params:
    - e
  steps:
    - decide:
        switch:
          - condition: '\${("HttpError" in e.tags) and (e.code == 429)}'
            return: true
          - condition: '\${("ConnectionFailedError" in e.tags)}'
            return: true
    - otherwise:
        return: false
`,
    },
    azure: {
      path: ["call kitaru-advance-1", "all(call kitaru-task-1)", "call kitaru-advance-1"],
      emitted: `Advance: activity kitaru-advance-1, tried 8 times
  -> Advance
  -> Wait
  -> Run render
  -> Run tasks
  -> Completed
  -> Failed
Run render: all([activity kitaru-task-1, …])
  -> Advance
Run tasks: all([orchestration kitaru-tasks-1 for each 50 attempts, …])
  -> Advance
`,
    },
  },
  "fan-out": {
    aws: {
      path: [
        "Start",
        "Route",
        "Run embed",
        "Advance",
        "Route",
        "Run tasks",
        "Advance",
        "Route",
        "Run many tasks",
        "Advance",
        "Route",
        "Completed",
      ],
      emitted: `Route:
  Type: Choice
  Choices:
    - Condition: "{% $d.kind = 'end' and $d.status = 'failed' %}"
      Next: Failed
    - Condition: "{% $d.kind = 'end' and $d.status = 'cancelled' %}"
      Next: Cancelled
    - Condition: "{% $d.kind = 'end' %}"
      Next: Completed
    - Condition: "{% $events > 18000 or ($millis() - $toMillis($states.context.Execution.StartTime)) / 86400000 > 300 %}"
      Next: Renew
    - Condition: "{% $d.kind = 'advance' %}"
      Next: Advance
    - Condition: "{% $d.kind = 'park' %}"
      Next: Park
    - Condition: "{% $d.kind = 'tasks' and $d.label = 'render' %}"
      Next: Run render
    - Condition: "{% $d.kind = 'tasks' and $d.label = 'embed' %}"
      Next: Run embed
    - Condition: "{% $d.kind = 'tasks' %}"
      Next: Run tasks
    - Condition: "{% $d.kind = 'manyTasks' %}"
      Next: Run many tasks
  Default: Unknown
Run render:
  Type: Map
  Items: "{% $d.tasks %}"
  ItemSelector:
    executionId: "{% $states.context.Execution.Input.executionId %}"
    callId: "{% $states.context.Map.Item.Value.callId %}"
    attempt: "{% $states.context.Map.Item.Value.attempt %}"
    name: "{% $states.context.Map.Item.Value.name %}"
  MaxConcurrency: 40
  ItemProcessor:
    ProcessorConfig:
      Mode: INLINE
    StartAt: Attempt render
    States:
      Attempt render:
        Type: Task
        Resource: arn:aws:states:::lambda:invoke
        Arguments:
          FunctionName: arn:aws:lambda:us-east-1:123456789012:function:task-default
          Payload:
            op: task
            executionId: "{% $states.input.executionId %}"
            callId: "{% $states.input.callId %}"
            attempt: "{% $states.input.attempt %}"
        Retry:
          - &a1
            ErrorEquals:
              - Lambda.TooManyRequestsException
            IntervalSeconds: 1
            MaxAttempts: 20
            BackoffRate: 2
            MaxDelaySeconds: 60
            JitterStrategy: FULL
          - &a2
            ErrorEquals:
              - Lambda.ServiceException
              - Lambda.AWSLambdaException
              - Lambda.SdkClientException
              - Lambda.ClientExecutionTimeoutException
            IntervalSeconds: 2
            MaxAttempts: 8
            BackoffRate: 2
            MaxDelaySeconds: 120
            JitterStrategy: FULL
        Catch:
          - ErrorEquals:
              - States.ALL
            Output:
              executionId: "{% $states.input.executionId %}"
              callId: "{% $states.input.callId %}"
              attempt: "{% $states.input.attempt %}"
              why: "{% $states.errorOutput.Error %}"
            Next: Crashed render
        Output: {}
        End: true
      Crashed render:
        Type: Task
        Resource: arn:aws:states:::lambda:invoke
        Arguments:
          FunctionName: arn:aws:lambda:us-east-1:123456789012:function:advance
          Payload:
            op: crashed
            executionId: "{% $states.input.executionId %}"
            callId: "{% $states.input.callId %}"
            attempt: "{% $states.input.attempt %}"
            why: "{% $states.input.why %}"
        Retry:
          - *a1
          - *a2
          - &a3
            ErrorEquals:
              - States.ALL
            IntervalSeconds: 2
            MaxAttempts: 6
            BackoffRate: 2
            MaxDelaySeconds: 120
            JitterStrategy: FULL
        Catch:
          - ErrorEquals:
              - States.ALL
            Output: {}
            Next: Left render
        Output: {}
        End: true
      Left render:
        Type: Succeed
        Output: {}
  Output: {}
  Next: Advance
Run embed:
  Type: Map
  Items: "{% $d.tasks %}"
  ItemSelector:
    executionId: "{% $states.context.Execution.Input.executionId %}"
    callId: "{% $states.context.Map.Item.Value.callId %}"
    attempt: "{% $states.context.Map.Item.Value.attempt %}"
    name: "{% $states.context.Map.Item.Value.name %}"
  MaxConcurrency: 40
  ItemProcessor:
    ProcessorConfig:
      Mode: INLINE
    StartAt: Attempt embed
    States:
      Attempt embed:
        Type: Task
        Resource: arn:aws:states:::lambda:invoke
        Arguments:
          FunctionName: arn:aws:lambda:us-east-1:123456789012:function:task-default
          Payload:
            op: task
            executionId: "{% $states.input.executionId %}"
            callId: "{% $states.input.callId %}"
            attempt: "{% $states.input.attempt %}"
        Retry:
          - *a1
          - *a2
        Catch:
          - ErrorEquals:
              - States.ALL
            Output:
              executionId: "{% $states.input.executionId %}"
              callId: "{% $states.input.callId %}"
              attempt: "{% $states.input.attempt %}"
              why: "{% $states.errorOutput.Error %}"
            Next: Crashed embed
        Output: {}
        End: true
      Crashed embed:
        Type: Task
        Resource: arn:aws:states:::lambda:invoke
        Arguments:
          FunctionName: arn:aws:lambda:us-east-1:123456789012:function:advance
          Payload:
            op: crashed
            executionId: "{% $states.input.executionId %}"
            callId: "{% $states.input.callId %}"
            attempt: "{% $states.input.attempt %}"
            why: "{% $states.input.why %}"
        Retry:
          - *a1
          - *a2
          - *a3
        Catch:
          - ErrorEquals:
              - States.ALL
            Output: {}
            Next: Left embed
        Output: {}
        End: true
      Left embed:
        Type: Succeed
        Output: {}
  Output: {}
  Next: Advance
Run tasks:
  Type: Map
  Items: "{% $d.tasks %}"
  ItemSelector:
    executionId: "{% $states.context.Execution.Input.executionId %}"
    callId: "{% $states.context.Map.Item.Value.callId %}"
    attempt: "{% $states.context.Map.Item.Value.attempt %}"
    name: "{% $states.context.Map.Item.Value.name %}"
  MaxConcurrency: 40
  ItemProcessor:
    ProcessorConfig:
      Mode: INLINE
    StartAt: Attempt task
    States:
      Attempt task:
        Type: Task
        Resource: arn:aws:states:::lambda:invoke
        Arguments:
          FunctionName: '{% $lookup({"render":"arn:aws:lambda:us-east-1:123456789012:function:task-default","embed":"arn:aws:lambda:us-east-1:123456789012:function:task-default"}, $states.input.name) %}'
          Payload:
            op: task
            executionId: "{% $states.input.executionId %}"
            callId: "{% $states.input.callId %}"
            attempt: "{% $states.input.attempt %}"
        Retry:
          - *a1
          - *a2
        Catch:
          - ErrorEquals:
              - States.ALL
            Output:
              executionId: "{% $states.input.executionId %}"
              callId: "{% $states.input.callId %}"
              attempt: "{% $states.input.attempt %}"
              why: "{% $states.errorOutput.Error %}"
            Next: Crashed task
        Output: {}
        End: true
      Crashed task:
        Type: Task
        Resource: arn:aws:states:::lambda:invoke
        Arguments:
          FunctionName: arn:aws:lambda:us-east-1:123456789012:function:advance
          Payload:
            op: crashed
            executionId: "{% $states.input.executionId %}"
            callId: "{% $states.input.callId %}"
            attempt: "{% $states.input.attempt %}"
            why: "{% $states.input.why %}"
        Retry:
          - *a1
          - *a2
          - *a3
        Catch:
          - ErrorEquals:
              - States.ALL
            Output: {}
            Next: Left task
        Output: {}
        End: true
      Left task:
        Type: Succeed
        Output: {}
  Output: {}
  Next: Advance
Run many tasks:
  Type: Map
  Label: tasks
  ItemReader:
    Resource: arn:aws:states:::s3:getObject
    ReaderConfig:
      InputType: JSON
    Arguments:
      Bucket: bucket
      Key: "{% $d.key %}"
  ItemSelector:
    executionId: "{% $states.context.Execution.Input.executionId %}"
    callId: "{% $states.context.Map.Item.Value.callId %}"
    attempt: "{% $states.context.Map.Item.Value.attempt %}"
    name: "{% $states.context.Map.Item.Value.name %}"
  MaxConcurrency: 1000
  ToleratedFailurePercentage: "{% 100 %}"
  ItemProcessor:
    ProcessorConfig:
      Mode: DISTRIBUTED
      ExecutionType: STANDARD
    StartAt: Attempt one of many tasks
    States:
      Attempt one of many tasks:
        Type: Task
        Resource: arn:aws:states:::lambda:invoke
        Arguments:
          FunctionName: '{% $lookup({"render":"arn:aws:lambda:us-east-1:123456789012:function:task-default","embed":"arn:aws:lambda:us-east-1:123456789012:function:task-default"}, $states.input.name) %}'
          Payload:
            op: task
            executionId: "{% $states.input.executionId %}"
            callId: "{% $states.input.callId %}"
            attempt: "{% $states.input.attempt %}"
        Retry:
          - *a1
          - *a2
        Catch:
          - ErrorEquals:
              - States.ALL
            Output:
              executionId: "{% $states.input.executionId %}"
              callId: "{% $states.input.callId %}"
              attempt: "{% $states.input.attempt %}"
              why: "{% $states.errorOutput.Error %}"
            Next: Crashed one of many tasks
        Output: {}
        End: true
      Crashed one of many tasks:
        Type: Task
        Resource: arn:aws:states:::lambda:invoke
        Arguments:
          FunctionName: arn:aws:lambda:us-east-1:123456789012:function:advance
          Payload:
            op: crashed
            executionId: "{% $states.input.executionId %}"
            callId: "{% $states.input.callId %}"
            attempt: "{% $states.input.attempt %}"
            why: "{% $states.input.why %}"
        Retry:
          - *a1
          - *a2
          - *a3
        Catch:
          - ErrorEquals:
              - States.ALL
            Output: {}
            Next: Left one of many tasks
        Output: {}
        End: true
      Left one of many tasks:
        Type: Succeed
        Output: {}
  Output: {}
  Next: Advance
`,
    },
    gcp: {
      path: [
        "init",
        "open",
        "advance",
        "route",
        "run_embed",
        "after_run_embed",
        "open",
        "advance",
        "route",
        "run_tasks",
        "after_run_tasks",
        "open",
        "advance",
        "route",
        "run_embed",
        "after_run_embed",
        "open",
        "advance",
        "route",
        "finished",
      ],
      emitted: `route:
  switch:
    - condition: '\${reply.body.kind == "end" and (reply.body.status == "failed" or reply.body.status == "cancelled")}'
      next: failed
    - condition: '\${reply.body.kind == "end"}'
      next: finished
    - condition: \${taken > 20000 or sys.now() - started > 25920000}
      next: renew
    - condition: '\${reply.body.kind == "advance"}'
      next: again
    - condition: '\${reply.body.kind == "park"}'
      next: park
    - condition: '\${reply.body.kind == "tasks" and reply.body.label == "render"}'
      next: run_render
    - condition: '\${reply.body.kind == "tasks" and reply.body.label == "embed"}'
      next: run_embed
    - condition: '\${reply.body.kind == "tasks"}'
      next: run_tasks
    - condition: '\${reply.body.kind == "manyTasks"}'
      next: run_many_tasks
run_render:
  parallel:
    concurrency_limit: 20
    for:
      value: task
      in: \${reply.body.tasks}
      steps:
        - attempt_run_render:
            try:
              call: http.post
              args:
                url: "https://task-default.run.app"
                timeout: 1800
                auth:
                  type: OIDC
                  audience: "https://task-default.run.app"
                body:
                  op: task
                  executionId: \${executionId}
                  callId: \${task.callId}
                  attempt: \${task.attempt}
            retry:
              predicate: \${never_begun}
              max_retries: 10
              backoff:
                initial_delay: 1
                max_delay: 120
                multiplier: 2
            except:
              as: e
              steps:
                - lost_run_render:
                    call: crashed
                    args:
                      executionId: \${executionId}
                      callId: \${task.callId}
                      attempt: \${task.attempt}
                      e: \${e}
after_run_render:
  assign:
    - taken: \${taken + 8 + 10 * reply.body.count}
  next: open
run_embed:
  parallel:
    concurrency_limit: 20
    for:
      value: task
      in: \${reply.body.tasks}
      steps:
        - attempt_run_embed:
            try:
              call: http.post
              args:
                url: "https://task-default.run.app"
                timeout: 1800
                auth:
                  type: OIDC
                  audience: "https://task-default.run.app"
                body:
                  op: task
                  executionId: \${executionId}
                  callId: \${task.callId}
                  attempt: \${task.attempt}
            retry:
              predicate: \${never_begun}
              max_retries: 10
              backoff:
                initial_delay: 1
                max_delay: 120
                multiplier: 2
            except:
              as: e
              steps:
                - lost_run_embed:
                    call: crashed
                    args:
                      executionId: \${executionId}
                      callId: \${task.callId}
                      attempt: \${task.attempt}
                      e: \${e}
after_run_embed:
  assign:
    - taken: \${taken + 8 + 10 * reply.body.count}
  next: open
run_tasks:
  parallel:
    concurrency_limit: 20
    for:
      value: task
      in: \${reply.body.tasks}
      steps:
        - attempt_run_tasks:
            try:
              call: http.post
              args:
                url: "https://task-default.run.app"
                timeout: 1800
                auth:
                  type: OIDC
                  audience: "https://task-default.run.app"
                body:
                  op: task
                  executionId: \${executionId}
                  callId: \${task.callId}
                  attempt: \${task.attempt}
            retry:
              predicate: \${never_begun}
              max_retries: 10
              backoff:
                initial_delay: 1
                max_delay: 120
                multiplier: 2
            except:
              as: e
              steps:
                - lost_run_tasks:
                    call: crashed
                    args:
                      executionId: \${executionId}
                      callId: \${task.callId}
                      attempt: \${task.attempt}
                      e: \${e}
after_run_tasks:
  assign:
    - taken: \${taken + 8 + 10 * reply.body.count}
  next: open
run_many_tasks:
  for:
    value: page
    range: "\${[0, math.min(reply.body.pages, 75) - 1]}"
    steps:
      - read_page:
          try:
            call: http.post
            args:
              url: "https://advance.run.app"
              timeout: 1800
              auth:
                type: OIDC
                audience: "https://advance.run.app"
              body:
                op: page
                executionId: \${executionId}
                key: \${reply.body.key}
                page: \${page}
            result: some
          retry:
            predicate: \${worth_another_try}
            max_retries: 12
            backoff:
              initial_delay: 1
              max_delay: 120
              multiplier: 2
      - run_page:
          parallel:
            concurrency_limit: 20
            for:
              value: task
              in: \${some.body.tasks}
              steps:
                - attempt_run_page:
                    try:
                      call: http.post
                      args:
                        url: "https://task-default.run.app"
                        timeout: 1800
                        auth:
                          type: OIDC
                          audience: "https://task-default.run.app"
                        body:
                          op: task
                          executionId: \${executionId}
                          callId: \${task.callId}
                          attempt: \${task.attempt}
                    retry:
                      predicate: \${never_begun}
                      max_retries: 10
                      backoff:
                        initial_delay: 1
                        max_delay: 120
                        multiplier: 2
                    except:
                      as: e
                      steps:
                        - lost_run_page:
                            call: crashed
                            args:
                              executionId: \${executionId}
                              callId: \${task.callId}
                              attempt: \${task.attempt}
                              e: \${e}
after_run_many_tasks:
  assign:
    - taken: \${taken + 8 + 10 * reply.body.count}
  next: open
crashed:
  params:
    - executionId
    - callId
    - attempt
    - e
  steps:
    - reason:
        assign:
          - why: \${e.tags[0]}
    - if_http:
        switch:
          - condition: '\${"HttpError" in e.tags}'
            steps:
              - status:
                  assign:
                    - why: '\${why + " " + string(e.code)}'
    - tell:
        try:
          call: http.post
          args:
            url: "https://advance.run.app"
            timeout: 1800
            auth:
              type: OIDC
              audience: "https://advance.run.app"
            body:
              op: crashed
              executionId: \${executionId}
              callId: \${callId}
              attempt: \${attempt}
              why: \${why}
        retry:
          predicate: \${worth_another_try}
          max_retries: 6
          backoff:
            initial_delay: 1
            max_delay: 120
            multiplier: 2
        except:
          as: ignored
          steps:
            - untold:
                return: \${ignored.tags[0]}
never_begun:
  params:
    - e
  steps:
    - decide:
        switch:
          - condition: '\${("HttpError" in e.tags) and (e.code == 429)}'
            return: true
          - condition: '\${("ConnectionFailedError" in e.tags)}'
            return: true
    - otherwise:
        return: false
`,
    },
    azure: {
      path: [
        "call kitaru-advance-1",
        "all(3 times call kitaru-task-1)",
        "call kitaru-advance-1",
        "all(2 times call kitaru-task-1)",
        "call kitaru-advance-1",
        "all(24 times call kitaru-task-1)",
        "call kitaru-advance-1",
      ],
      emitted: `Advance: activity kitaru-advance-1, tried 8 times
  -> Advance
  -> Wait
  -> Run render
  -> Run embed
  -> Run tasks
  -> Completed
  -> Failed
Run render: all([activity kitaru-task-1, …])
  -> Advance
Run embed: all([activity kitaru-task-1, …])
  -> Advance
Run tasks: all([orchestration kitaru-tasks-1 for each 50 attempts, …])
  -> Advance
`,
    },
  },
  "child flow": {
    aws: {
      path: ["Start", "Route", "Park", "Advance", "Route", "Completed"],
      emitted: same,
    },
    gcp: {
      path: [
        "init",
        "open",
        "advance",
        "route",
        "park",
        "after_park",
        "open",
        "advance",
        "route",
        "finished",
      ],
      emitted: same,
    },
    azure: {
      path: [
        "call kitaru-advance-1",
        "any(event wake:0, timer (cancelled))",
        "call kitaru-advance-1",
      ],
      emitted: same,
    },
  },
};
