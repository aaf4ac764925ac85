import { execFileSync } from "node:child_process";
import { existsSync, mkdtempSync, readFileSync, readdirSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { documentShape } from "../../adapters/gcp/documents.ts";
import { gcp } from "../../adapters/gcp/index.ts";
import { permissions } from "../../adapters/gcp/permissions.ts";
import { parseDocument } from "../../adapters/gcp/runtime-document.ts";
import {
  type KitaruRuntimeProps,
  type TerraformConfig,
  kitaruRuntime,
  writeRuntime,
} from "../../infra/gcp/index.ts";
import { meta, misfits, shapes } from "./terraform-schema.ts";

const props: KitaruRuntimeProps = {
  name: "agents",
  project: "my-project",
  region: "europe-west4",
  taskSizes: [{ name: "default" }, { name: "large", memoryMb: 8192, timeoutSeconds: 1800 }],
  apiCallers: ["serviceAccount:orders@my-project.iam.gserviceaccount.com"],
  detachSeconds: 3600,
};
const config = kitaruRuntime(props);
const text = JSON.stringify(config);
const { resource } = config;
const noTerraform = hasTerraform() ? undefined : "there is no terraform";

/** Everything that can be referred to. */
const addresses = new Set([
  ...Object.entries(resource).flatMap(([type, named]) =>
    Object.keys(named).map((name) => `${type}.${name}`),
  ),
  ...Object.entries(config.data).flatMap(([type, named]) =>
    Object.keys(named).map((name) => `data.${type}.${name}`),
  ),
]);

describe("the Terraform of a runtime", () => {
  test("fits the provider's schema, as far as it is used", () => {
    const wrong = Object.entries({ ...resource, ...config.data }).flatMap(([type, named]) =>
      Object.entries(named).flatMap(([name, body]) => {
        const own = Object.entries(body).filter(([key]) => !meta.includes(key));
        return misfits(`${type}.${name}`, Object.fromEntries(own), shapes[type]);
      }),
    );
    expect(wrong).toEqual([]);
  });

  test("refers to nothing that is not in it", () => {
    const references = [...text.matchAll(/\$\{((?:data\.)?[a-z0-9_]+\.[a-z0-9_-]+)[.}]/g)]
      .map(([, address = ""]) => address)
      .filter((address) => !address.startsWith("path."));
    const needed = Object.values(resource).flatMap((named) =>
      Object.values(named).flatMap(({ depends_on: list = [] }) => list as readonly string[]),
    );
    expect(references.length).toBeGreaterThan(20);
    for (const address of [...references, ...needed]) expect(addresses).toContain(address);
  });

  test("grants each account what its code calls, and nothing else", () => {
    const granted: Record<string, string[]> = {};
    for (const type of ["google_project_iam_member", "google_storage_bucket_iam_member"])
      for (const { role, member } of Object.values(resource[type] ?? {})) {
        const account = /google_service_account\.(\w+)\./.exec(textOf(member))?.[1] ?? "?";
        const title = /google_project_iam_custom_role\.(\w+)\./.exec(textOf(role))?.[1] ?? "?";
        const body = resource["google_project_iam_custom_role"]?.[title];
        granted[account] = [...(granted[account] ?? []), ...((body?.["permissions"] ?? []) as [])];
      }
    const wanted = Object.entries(permissions).map(([role, grants]) => [
      role,
      grants.flatMap((grant) => grant.permissions).toSorted(),
    ]);
    const found = Object.entries(granted).map(([role, all]) => [role, all.toSorted()]);
    expect(Object.fromEntries(found)).toEqual(Object.fromEntries(wanted));
    expect(text).not.toMatch(/roles\/(?:owner|editor|viewer)|allUsers|allAuthenticatedUsers/);
    expect(text).not.toMatch(/\.delete"/);
  });

  test("narrows grants on the project to what is the runtime's", () => {
    const conditions = Object.entries(resource["google_project_iam_member"] ?? {}).map(
      ([title, { condition }]) =>
        [title, (condition as { expression: string }[] | undefined)?.[0]?.expression] as const,
    );
    const wanted = (title: string): unknown => {
      if (title.endsWith("_database"))
        return 'resource.name == "projects/my-project/databases/kitaru-agents"';
      if (title.endsWith("_secrets"))
        return 'resource.name.startsWith("projects/${data.google_project.this.number}/secrets/kitaru-agents-")';
      return title.endsWith("_workflows") ? undefined : "?";
    };
    for (const [title, expression] of conditions) expect(expression).toEqual(wanted(title));
    expect(conditions.length).toBe(10);
  });

  test("lets into each function its one caller, and nobody into the api but who is named", () => {
    const bindings = resource["google_cloud_run_v2_service_iam_binding"] ?? {};
    const members = Object.fromEntries(
      Object.entries(bindings).map(([end, body]) => [end, body["members"]]),
    );
    const account = (end: string): string[] => [
      `serviceAccount:kitaru-agents-${end}@my-project.iam.gserviceaccount.com`,
    ];
    expect(members).toEqual({
      advance: account("wf"),
      "task-default": account("wf"),
      "task-large": account("wf"),
      sweep: account("crn"),
      api: props.apiCallers,
    });
    const { apiCallers: _none, ...alone } = props;
    const closed = kitaruRuntime(alone).resource["google_cloud_run_v2_service_iam_binding"];
    expect(Object.keys(closed ?? {})).not.toContain("api");
  });

  test("gives each function the CPUs its memory asks for", () => {
    const sizes = Object.values(resource["google_cloudfunctions2_function"] ?? {}).map((body) => {
      const [service] = body["service_config"] as readonly Record<string, string>[];
      return `${service?.["available_cpu"]} ${service?.["available_memory"]}`;
    });
    expect(sizes).toEqual(["1 1024Mi", "1 1536Mi", "4 8704Mi", "1 512Mi", "1 512Mi"]);
  });

  test("keeps what holds data when the rest is destroyed, and lets it be restored to a point in time", () => {
    const database = resource["google_firestore_database"]?.["this"];
    expect(database).toMatchObject({
      point_in_time_recovery_enablement: "POINT_IN_TIME_RECOVERY_ENABLED",
      delete_protection_state: "DELETE_PROTECTION_ENABLED",
      deletion_policy: "ABANDON",
      lifecycle: { prevent_destroy: true },
    });
    expect(resource["google_storage_bucket"]?.["data"]).toMatchObject({
      force_destroy: false,
      public_access_prevention: "enforced",
      lifecycle: { prevent_destroy: true },
    });
  });

  test("indexes what records are listed by, and nothing else", () => {
    const fields = Object.values(resource["google_firestore_field"] ?? {}).map(
      ({ field, index_config: indexes }) => {
        const [index] = indexes as readonly { readonly indexes?: readonly object[] }[];
        return [field, index?.indexes?.length ?? 0];
      },
    );
    expect(Object.fromEntries(fields)).toEqual({ "*": 0, d: 2, f: 2, k: 2, x: 0 });
  });

  test("has the database delete what has expired, by the field records say it in", () => {
    const policies = Object.values(resource["google_firestore_field"] ?? {}).filter(
      (body) => "ttl_config" in body,
    );
    expect(policies).toMatchObject([{ collection: "records", field: documentShape.expiry }]);
  });

  test("keeps ended executions for the retention it is given, and for ever without one", () => {
    const daysOf = (given: object): Set<string | undefined> => {
      const functions = kitaruRuntime({ ...props, ...given }).resource;
      return new Set(
        Object.values(functions["google_cloudfunctions2_function"] ?? {}).map(
          (body) =>
            (body["service_config"] as { environment_variables: Record<string, string> }[])[0]
              ?.environment_variables["KITARU_GCP_RETENTION_DAYS"],
        ),
      );
    };
    expect(daysOf({ retentionDays: 30 })).toEqual(new Set(["30"]));
    expect(daysOf({})).toEqual(new Set([undefined]));
    expect(() => daysOf({ retentionDays: 0 })).toThrow("`retentionDays` is 0");
  });

  test("tells functions, scheduler and clients the same", () => {
    const objects = resource["google_storage_bucket_object"] ?? {};
    const document = parseDocument("agents", textOf(objects["document"]?.["content"]));
    const environments = Object.fromEntries(
      Object.entries(resource["google_cloudfunctions2_function"] ?? {}).map(([end, body]) => [
        end,
        (body["service_config"] as { environment_variables: Record<string, string> }[])[0]
          ?.environment_variables ?? {},
      ]),
    );
    const audience = (end: string): string | undefined =>
      environments[end]?.["KITARU_GCP_AUDIENCE"];
    expect(document).toMatchObject({
      advance: audience("advance"),
      sweep: audience("sweep"),
      api: audience("api"),
      bucket: environments["task-large"]?.["KITARU_GCP_BUCKET"],
      database: environments["sweep"]?.["KITARU_GCP_DATABASE"],
    });
    expect(document.tasks.map(({ size, url, timeoutMs }) => [size, url, timeoutMs])).toEqual([
      ["default", audience("task-default"), 900_000],
      ["large", audience("task-large"), 1_800_000],
    ]);
    expect(JSON.stringify(resource["google_cloud_scheduler_job"])).toContain(
      `"audience":"${document.sweep}"`,
    );
    expect(environments["advance"]).toMatchObject({
      KITARU_GCP_DETACH_MS: "3600000",
      KITARU_GCP_INGRESS: "iam",
      KITARU_GCP_CALLERS: document.workflowAccount,
    });
    expect(gcp(props).describe).toMatchObject({ name: "agents", region: document.region });
  });

  test("is refused with names that are too long, or times no workflow waits for", () => {
    const make =
      (change: object): (() => TerraformConfig) =>
      () =>
        kitaruRuntime({ ...props, ...change });
    expect(make({ name: "a".repeat(20) })).toThrow("3 to 19");
    expect(make({ project: "" })).toThrow("`project` and `region`");
    expect(make({ taskSizes: [{ name: "Big" }] })).toThrow('"Big"');
    expect(make({ taskSizes: [{ name: "slow", timeoutSeconds: 3600 }] })).toThrow("1800");
    expect(make({ taskSizes: [{ name: "vast", memoryMb: 32_768, storageMb: 1 }] })).toThrow(
      "32,768",
    );
    const longest = make({ name: "a".repeat(19) })().resource["google_service_account"] ?? {};
    for (const { account_id: id } of Object.values(longest))
      expect(textOf(id).length).toBeLessThanOrEqual(30);
  });
});

describe("the folder of a runtime", () => {
  let folder = "";
  beforeAll(() => {
    folder = mkdtempSync(join(tmpdir(), "kitaru-terraform-"));
    writeRuntime(folder, props);
  });
  afterAll(() => rmSync(folder, { recursive: true, force: true }));

  test("holds the configuration and the functions that it uploads", () => {
    expect(JSON.parse(readFileSync(join(folder, "main.tf.json"), "utf8"))).toEqual(
      JSON.parse(text),
    );
    const source = join(folder, "functions");
    expect(readdirSync(source)).toEqual(expect.arrayContaining(["index.mjs", "package.json"]));
    expect(JSON.parse(readFileSync(join(source, "package.json"), "utf8"))).toMatchObject({
      type: "module",
      main: "index.mjs",
      dependencies: { "@google-cloud/functions-framework": "5.0.5" },
    });
  });

  test.skipIf(noTerraform !== undefined)(
    `is read by Terraform itself (${noTerraform ?? "without the providers, which validate needs"})`,
    () => {
      const said = execFileSync("terraform", ["providers"], { cwd: folder, encoding: "utf8" });
      expect(said).toContain("hashicorp/google] >= 6.10.0, < 8.0.0");
      expect(existsSync(join(folder, ".terraform"))).toBe(false);
    },
  );
});

function textOf(value: unknown): string {
  return typeof value === "string" ? value : JSON.stringify(value);
}

function hasTerraform(): boolean {
  try {
    execFileSync("terraform", ["version"], { stdio: "ignore" });
    return true;
  } catch {
    return false;
  }
}
