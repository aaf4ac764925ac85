import type { StateMachine } from "../../adapters/aws/emit.ts";
import type { Permission } from "./iam.ts";

/** The part of a template that says who may do what. */
interface Template {
  readonly Resources: Readonly<Record<string, Resource>>;
}

interface Resource {
  readonly Type: string;
  readonly Properties: Readonly<Record<string, unknown>>;
}

const account = "123456789012";
const region = "us-east-1";

/** What each role and policy of a template allows, one action and one resource each, by what it is for. */
export function policiesOf(text: string): ReadonlyMap<string, readonly Permission[]> {
  const { Resources } = JSON.parse(text) as Template;
  const policies = new Map<string, Permission[]>();
  for (const [id, { Type, Properties }] of Object.entries(Resources)) {
    if (Type !== "AWS::IAM::Policy" && Type !== "AWS::IAM::ManagedPolicy") continue;
    const { Statement } = Properties["PolicyDocument"] as { readonly Statement: Statement[] };
    const allowed = Statement.flatMap(({ Action, Resource: on }) =>
      [Action]
        .flat()
        .flatMap((action) =>
          [on].flat().map((resource) => ({ action, resource: flat(Resources, resource) })),
        ),
    );
    const holder = holderOf(Resources, id, Properties);
    policies.set(holder, [...(policies.get(holder) ?? []), ...allowed]);
  }
  return policies;
}

interface Statement {
  readonly Action: string | string[];
  readonly Resource: unknown;
}

/** The handler of the function whose role a policy is of; `machine` or `operator` for those that are of none. */
function holderOf(
  resources: Template["Resources"],
  id: string,
  { Roles }: Resource["Properties"],
): string {
  if (Roles === undefined) return "operator";
  const [role] = (Roles as { readonly Ref: string }[]).map(({ Ref }) => Ref);
  const fn = Object.values(resources).find(
    ({ Type, Properties }) =>
      Type === "AWS::Lambda::Function" && JSON.stringify(Properties["Role"]).includes(`"${role}"`),
  );
  if (fn !== undefined) return String(fn.Properties["Handler"]).replace("index.", "");
  if (/MachineRole/.test(id)) return "machine";
  throw new Error(`Nobody has the policy ${id}.`);
}

/** A text of a template, as it is once everything has been created. */
function flat(resources: Template["Resources"], value: unknown): string {
  if (typeof value === "string") return value;
  const made = value as {
    readonly Ref?: string;
    readonly "Fn::GetAtt"?: [string, string];
    readonly "Fn::Join"?: [string, unknown[]];
  };
  if (made["Fn::Join"] !== undefined) {
    const [separator, parts] = made["Fn::Join"];
    return parts.map((part) => flat(resources, part)).join(separator);
  }
  const pseudo = { "AWS::Partition": "aws", "AWS::AccountId": account, "AWS::Region": region };
  if (made.Ref !== undefined && made.Ref in pseudo) return pseudo[made.Ref as keyof typeof pseudo];
  const [id = "", attribute] = made["Fn::GetAtt"] ?? [made.Ref];
  const resource = resources[id];
  if (resource === undefined || attribute !== "Arn")
    throw new Error(`Not understood: ${JSON.stringify(value)}`);
  const { Type, Properties } = resource;
  const name = (key: string): string => flat(resources, Properties[key]);
  switch (Type) {
    case "AWS::DynamoDB::Table":
      return `arn:aws:dynamodb:${region}:${account}:table/${name("TableName")}`;
    case "AWS::S3::Bucket":
      return `arn:aws:s3:::${name("BucketName")}`;
    case "AWS::IAM::Role":
      return `arn:aws:iam::${account}:role/${name("RoleName")}`;
    case "AWS::Lambda::Function":
      return `arn:aws:lambda:${region}:${account}:function:${name("FunctionName")}`;
    case "AWS::Logs::LogGroup":
      return `arn:aws:logs:${region}:${account}:log-group:${name("LogGroupName")}`;
    default:
      throw new Error(`Nobody was to be granted anything on ${Type}.`);
  }
}

/** What a state machine calls, by what is written in it; of `lambda:invoke` the functions. */
export function machineNeeds(machine: StateMachine, runtime: string): Permission[] {
  const text = JSON.stringify(machine);
  const invoked = new Set(text.match(/arn:aws:lambda:[\w-]+:\d+:function:[\w-]+/g) ?? []);
  const states = (of: string): string => `arn:aws:states:${region}:${account}:${of}`;
  const machines = states(`stateMachine:${runtime}-*`);
  const executions = states(`execution:${runtime}-*:*`);
  return [
    ...[...invoked].map((resource) => ({ action: "lambda:InvokeFunction", resource })),
    ...(text.includes("arn:aws:states:::states:startExecution")
      ? [{ action: "states:StartExecution", resource: machines }]
      : []),
    ...(text.includes("arn:aws:states:::s3:getObject")
      ? [{ action: "s3:GetObject", resource: bucketOf(text) }]
      : []),
    // https://docs.aws.amazon.com/step-functions/latest/dg/iam-policies-eg-dist-map.html
    ...(text.includes('"DISTRIBUTED"')
      ? [
          { action: "states:DescribeExecution", resource: executions },
          { action: "states:StopExecution", resource: executions },
          { action: "states:RedriveExecution", resource: states(`execution:${runtime}-*/*:*`) },
        ]
      : []),
  ];
}

function bucketOf(text: string): string {
  return `arn:aws:s3:::${/"Bucket":"([^"]+)"/.exec(text)?.[1]}/tasks/*`;
}
