import { ArnFormat, Duration, RemovalPolicy, Size, Stack } from "aws-cdk-lib";
import type { Alarm } from "aws-cdk-lib/aws-cloudwatch";
import {
  AttributeType,
  BillingMode,
  ProjectionType,
  Table,
  TableEncryption,
} from "aws-cdk-lib/aws-dynamodb";
import { Rule, Schedule } from "aws-cdk-lib/aws-events";
import { LambdaFunction } from "aws-cdk-lib/aws-events-targets";
import { ManagedPolicy, Role, ServicePrincipal } from "aws-cdk-lib/aws-iam";
import { Architecture, type Code, Function, Runtime } from "aws-cdk-lib/aws-lambda";
import { LogGroup, RetentionDays } from "aws-cdk-lib/aws-logs";
import { BlockPublicAccess, Bucket, BucketEncryption } from "aws-cdk-lib/aws-s3";
import { StringParameter } from "aws-cdk-lib/aws-ssm";
import { Construct } from "constructs";
import type { StartMode } from "../../adapters/aws/permissions.ts";
import {
  type FunctionRole,
  operatorPermissions,
  permissionsOf,
} from "../../adapters/aws/permissions.ts";
import { type RuntimeDocument, documentName } from "../../adapters/aws/runtime-document.ts";
import { tableShape } from "../../adapters/aws/table.ts";
import { acknowledge } from "./acknowledgements.ts";
import { addAlarms } from "./alarms.ts";
import { functionCode } from "./function-code.ts";
import { type ResourceArns, allow, grant, wildcardReasons } from "./grants.ts";

/** A size of function for isolated checkpoints. */
export interface TaskSize {
  /** @default 1024 */
  readonly memoryMb?: number;
  /** Size of `/tmp`. @default 512 */
  readonly storageMb?: number;
  /** @default 15 minutes, the most Lambda grants */
  readonly timeout?: Duration;
}

/** Properties of {@link KitaruRuntime}. */
export interface KitaruRuntimeProps {
  /** The `name` of `aws({ name })` in kitaru.config.ts: 3 to 30 lower-case letters, digits and `-`. */
  readonly name: string;
  /** Memory of the function that runs flows and their inline checkpoints, in MB. @default 512 */
  readonly memoryMb?: number;
  /** Sizes of functions for isolated checkpoints; each checkpoint runs in the smallest that holds it. @default one of 1,024 MB */
  readonly taskSizes?: Readonly<Record<string, TaskSize>>;
  /** When the state machine of an execution is started; that of `aws({ orchestrator })` in kitaru.config.ts. @default "always" */
  readonly orchestrator?: StartMode;
  /** How long the records of ended executions are kept: whole days. @default for ever */
  readonly retention?: Duration;
  /** How long logs are kept. @default a month */
  readonly logRetention?: RetentionDays;
  /** What happens to the table and the bucket when the stack is deleted. @default they are kept */
  readonly removalPolicy?: RemovalPolicy;
  /** Variables of the functions' environment, such as keys of model providers; secrets belong into Secrets Manager. */
  readonly environment?: Readonly<Record<string, string>>;
}

/** Everything a stack of kind `aws` needs in one account and region; it costs nothing while nothing runs but what is stored. */
export class KitaruRuntime extends Construct {
  readonly table: Table;
  readonly bucket: Bucket;
  /** Role of the state machines that `kitaru deploy` creates. */
  readonly machineRole: Role;
  /** What whoever deploys, starts, answers and looks needs, and nothing else. */
  readonly operatorPolicy: ManagedPolicy;
  readonly functions: Readonly<Record<Exclude<FunctionRole, "task">, Function>>;
  readonly taskFunctions: Readonly<Record<string, Function>>;
  readonly alarms: readonly Alarm[];
  /** Names and ARNs of all this. */
  readonly document: RuntimeDocument;
  /** The `name` it was given. */
  readonly name: string;
  readonly #props: KitaruRuntimeProps;
  readonly #code: Code;
  /** Roles of the functions. */
  readonly #executors: { readonly role: FunctionRole; readonly executor: Role }[] = [];

  constructor(scope: Construct, id: string, props: KitaruRuntimeProps) {
    super(scope, id);
    checkName(props.name);
    this.name = props.name;
    this.#props = props;
    this.#code = functionCode();
    this.table = this.#makeTable();
    this.bucket = this.#makeBucket();
    this.functions = {
      advance: this.#makeFunction("advance", "Advance", {
        memoryMb: props.memoryMb ?? 512,
        timeout: Duration.minutes(15),
      }),
      park: this.#makeFunction("park", "Park", { memoryMb: 256, timeout: Duration.seconds(30) }),
      sweep: this.#makeFunction("sweep", "Sweep", { memoryMb: 256, timeout: Duration.minutes(5) }),
      api: this.#makeFunction("api", "Api", { memoryMb: 256, timeout: Duration.seconds(30) }),
    };
    this.taskFunctions = this.#makeTaskFunctions();
    this.machineRole = this.#makeMachineRole();
    this.#allow();
    this.operatorPolicy = this.#makeOperatorPolicy();
    this.#schedule();
    this.alarms = addAlarms(this, {
      stack: props.name,
      table: this.table,
      functions: [...Object.values(this.functions), ...Object.values(this.taskFunctions)],
    });
    this.document = this.#describe();
    this.#writeDown();
  }

  #makeTable(): Table {
    const { partitionKey, sortKey, expiryAttribute, indexes } = tableShape;
    const text = (name: string): { name: string; type: AttributeType } => ({
      name,
      type: AttributeType.STRING,
    });
    const table = new Table(this, "Table", {
      tableName: `kitaru-${this.#props.name}`,
      partitionKey: text(partitionKey),
      sortKey: text(sortKey),
      billingMode: BillingMode.PAY_PER_REQUEST,
      encryption: TableEncryption.AWS_MANAGED,
      pointInTimeRecoverySpecification: { pointInTimeRecoveryEnabled: true },
      timeToLiveAttribute: expiryAttribute,
      removalPolicy: this.#removalPolicy(),
      deletionProtection: this.#removalPolicy() === RemovalPolicy.RETAIN,
    });
    for (const index of Object.values(indexes))
      table.addGlobalSecondaryIndex({
        indexName: index.name,
        partitionKey: text(index.partition),
        sortKey: text(index.sort),
        projectionType: ProjectionType.ALL,
      });
    return table;
  }

  #makeBucket(): Bucket {
    const { account, region } = Stack.of(this);
    const bucket = new Bucket(this, "Bucket", {
      bucketName: `kitaru-${this.#props.name}-${account}-${region}`,
      encryption: BucketEncryption.S3_MANAGED,
      blockPublicAccess: BlockPublicAccess.BLOCK_ALL,
      enforceSSL: true,
      removalPolicy: this.#removalPolicy(),
      lifecycleRules: [
        // an upload in parts that was cut off is billed until it is cleared away
        { abortIncompleteMultipartUploadAfter: Duration.days(1) },
        // what a map has read when it starts
        { prefix: "tasks/", expiration: Duration.days(7) },
      ],
    });
    acknowledge(
      bucket,
      "S1",
      "Only this runtime's roles read and write here. Who needs a record of it turns on CloudTrail data events, which, unlike access logs, are complete.",
    );
    return bucket;
  }

  #makeTaskFunctions(): Record<string, Function> {
    const sizes = Object.entries(this.#props.taskSizes ?? { default: {} });
    return Object.fromEntries(
      sizes.map(([size, { memoryMb = 1024, storageMb = 512, timeout = Duration.minutes(15) }]) => [
        size,
        this.#makeFunction("task", `Task-${size}`, { memoryMb, storageMb, timeout }),
      ]),
    );
  }

  #makeFunction(
    role: FunctionRole,
    id: string,
    size: { readonly memoryMb: number; readonly storageMb?: number; readonly timeout: Duration },
  ): Function {
    const { name, environment, logRetention, retention } = this.#props;
    const functionName = `kitaru-${name}-${id.toLowerCase()}`;
    const logGroup = new LogGroup(this, `${id}Logs`, {
      logGroupName: `/aws/lambda/${functionName}`,
      retention: logRetention ?? RetentionDays.ONE_MONTH,
      removalPolicy: this.#removalPolicy(),
    });
    const executor = new Role(this, `${id}Role`, {
      assumedBy: new ServicePrincipal("lambda.amazonaws.com"),
      description: `What the function ${functionName} may do`,
    });
    logGroup.grantWrite(executor);
    this.#executors.push({ role, executor });
    return new Function(this, id, {
      functionName,
      description: `kitaru ${name}: ${role}`,
      runtime: Runtime.NODEJS_24_X,
      architecture: Architecture.ARM_64,
      handler: `index.${role}`,
      code: this.#code,
      role: executor,
      logGroup,
      memorySize: size.memoryMb,
      timeout: size.timeout,
      ...(size.storageMb === undefined
        ? {}
        : { ephemeralStorageSize: Size.mebibytes(size.storageMb) }),
      environment: {
        ...environment,
        KITARU_AWS_NAME: name,
        KITARU_AWS_TABLE: this.table.tableName,
        KITARU_AWS_BUCKET: this.bucket.bucketName,
        KITARU_AWS_ORCHESTRATOR: this.#mode(),
        ...(retention === undefined
          ? {}
          : { KITARU_AWS_RETENTION_DAYS: String(retention.toDays()) }),
      },
    });
  }

  /** State machines call these functions, renew themselves, and run their large maps as child executions. */
  #makeMachineRole(): Role {
    const role = new Role(this, "MachineRole", {
      roleName: `kitaru-${this.#props.name}-machine-${Stack.of(this).region}`,
      assumedBy: new ServicePrincipal("states.amazonaws.com"),
      description: `What the state machines of the kitaru stack ${this.#props.name} may do`,
    });
    const { machines, machineExecutions, maps } = this.#machineArns();
    const { advance, park } = this.functions;
    const functions = [advance, park, ...Object.values(this.taskFunctions)];
    const executions = wildcardReasons["machine executions"];
    allow(role, {
      actions: ["lambda:InvokeFunction"],
      resources: functions.map((fn) => fn.functionArn),
    });
    allow(role, {
      actions: ["states:StartExecution"],
      resources: machines,
      reason: wildcardReasons.machines,
    });
    allow(role, {
      actions: ["states:DescribeExecution", "states:StopExecution"],
      resources: machineExecutions,
      reason: executions,
    });
    allow(role, { actions: ["states:RedriveExecution"], resources: maps, reason: executions });
    allow(role, {
      actions: ["s3:GetObject"],
      resources: [this.bucket.arnForObjects("tasks/*")],
      reason: wildcardReasons["task lists"],
    });
    return role;
  }

  #machineArns(): { machines: string[]; machineExecutions: string[]; maps: string[] } {
    const of = (resource: string, resourceName: string): string =>
      Stack.of(this).formatArn({
        service: "states",
        resource,
        resourceName,
        arnFormat: ArnFormat.COLON_RESOURCE_NAME,
      });
    const { name } = this.#props;
    return {
      machines: [of("stateMachine", `${name}-*`)],
      machineExecutions: [of("execution", `${name}-*:*`)],
      maps: [of("execution", `${name}-*/*:*`)],
    };
  }

  #allow(): void {
    const arns = this.#resourceArns();
    for (const { role, executor } of this.#executors)
      grant(permissionsOf(role, this.#mode()), executor, arns);
  }

  /** For people, pipelines and services of the team: attach it to whoever deploys, starts and answers. */
  #makeOperatorPolicy(): ManagedPolicy {
    const { name } = this.#props;
    const policy = new ManagedPolicy(this, "OperatorPolicy", {
      managedPolicyName: `kitaru-${name}-operator-${Stack.of(this).region}`,
      description: `Deploy, start, answer and look at flows of the kitaru stack ${name}`,
    });
    grant(operatorPermissions(this.#mode()), policy, this.#resourceArns());
    return policy;
  }

  #resourceArns(): ResourceArns {
    const { name } = this.#props;
    const { machines, machineExecutions } = this.#machineArns();
    const arn = (service: string, resource: string, resourceName: string, colon = false): string =>
      Stack.of(this).formatArn({
        service,
        resource,
        resourceName,
        ...(colon ? { arnFormat: ArnFormat.COLON_RESOURCE_NAME } : {}),
      });
    return {
      table: [this.table.tableArn],
      "due index": [`${this.table.tableArn}/index/${tableShape.indexes.due.name}`],
      "flow index": [`${this.table.tableArn}/index/${tableShape.indexes.flow.name}`],
      values: [this.bucket.arnForObjects("blobs/*")],
      bundles: [this.bucket.arnForObjects("bundles/*")],
      manifests: [this.bucket.arnForObjects("manifests/*")],
      "task lists": [this.bucket.arnForObjects("tasks/*")],
      bucket: [this.bucket.bucketArn],
      machines,
      "machine executions": machineExecutions,
      "machine role": [this.machineRole.roleArn],
      document: [arn("ssm", "parameter", documentName(name).slice(1))],
      secrets: [arn("secretsmanager", "secret", `kitaru/${name}/*`, true)],
      parameters: [arn("ssm", "parameter", `kitaru/${name}/*`)],
      "advance function": [arn("lambda", "function", `kitaru-${name}-advance`, true)],
    };
  }

  #schedule(): void {
    new Rule(this, "SweepSchedule", {
      description: `Wakes what is overdue in the kitaru stack ${this.#props.name}`,
      schedule: Schedule.rate(Duration.minutes(1)),
      targets: [new LambdaFunction(this.functions.sweep, { retryAttempts: 0 })],
    });
  }

  /** Where the command line and other services find what they need. */
  #writeDown(): void {
    new StringParameter(this, "Document", {
      parameterName: documentName(this.#props.name),
      description: `What the kitaru stack ${this.#props.name} consists of`,
      stringValue: Stack.of(this).toJsonString(this.document),
    });
  }

  #describe(): RuntimeDocument {
    const { advance, park, api } = this.functions;
    const sizes = Object.entries(this.#props.taskSizes ?? { default: {} });
    return {
      format: 1,
      table: this.table.tableName,
      bucket: this.bucket.bucketName,
      role: this.machineRole.roleArn,
      advance: advance.functionArn,
      park: park.functionArn,
      api: api.functionArn,
      tasks: sizes
        .map(([size, { memoryMb = 1024, storageMb = 512, timeout = Duration.minutes(15) }]) => ({
          size,
          arn: this.taskFunctions[size]?.functionArn ?? "",
          memoryMb,
          storageMb,
          timeoutMs: timeout.toMilliseconds(),
        }))
        .toSorted((a, b) => a.memoryMb - b.memoryMb || a.storageMb - b.storageMb),
    };
  }

  #mode(): StartMode {
    return this.#props.orchestrator ?? "always";
  }

  #removalPolicy(): RemovalPolicy {
    return this.#props.removalPolicy ?? RemovalPolicy.RETAIN;
  }
}

function checkName(name: string): void {
  if (/^[a-z][a-z0-9-]{1,28}[a-z0-9]$/.test(name)) return;
  throw new Error(
    `KitaruRuntime: the name ${JSON.stringify(name)} is not allowed. It names a bucket, too: 3 to 30 lower-case letters, digits and "-", beginning with a letter.`,
  );
}
