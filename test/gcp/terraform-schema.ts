/** What a block may hold: the part of the google provider's schema (6.x and 7.x) that this package's configuration uses. */
export interface Shape {
  readonly required: readonly string[];
  readonly optional?: readonly string[];
  readonly blocks?: Readonly<Record<string, Shape>>;
}

const of = (required: string, optional = "", blocks: Shape["blocks"] = {}): Shape => ({
  required: required.split(" ").filter((name) => name !== ""),
  optional: optional.split(" ").filter((name) => name !== ""),
  blocks,
});

/** Arguments every resource takes. */
export const meta: readonly string[] = ["depends_on", "lifecycle"];

/** Shapes of resources and data sources, by type. */
export const shapes: Readonly<Record<string, Shape>> = {
  google_project_service: of("service", "project disable_on_destroy disable_dependent_services"),
  google_storage_bucket: of(
    "name location",
    "project force_destroy uniform_bucket_level_access public_access_prevention storage_class labels",
    {
      soft_delete_policy: of("", "retention_duration_seconds"),
      lifecycle_rule: of("", "", {
        action: of("type", "storage_class"),
        condition: of("", "age matches_prefix matches_suffix with_state"),
      }),
    },
  ),
  google_storage_bucket_object: of("name bucket", "content source content_type"),
  google_storage_bucket_iam_member: of("bucket role member"),
  google_firestore_database: of(
    "name location_id type",
    "project concurrency_mode point_in_time_recovery_enablement delete_protection_state deletion_policy",
  ),
  google_firestore_field: of("field collection", "project database", {
    index_config: of("", "", { indexes: of("", "order array_config query_scope") }),
    ttl_config: of(""),
  }),
  google_service_account: of("account_id", "display_name description project"),
  google_project_iam_custom_role: of("role_id title permissions", "project stage description"),
  google_project_iam_member: of("project role member", "", {
    condition: of("title expression", "description"),
  }),
  google_cloudfunctions2_function: of("name location", "description labels project", {
    build_config: of("", "runtime entry_point environment_variables service_account", {
      source: of("", "", { storage_source: of("", "bucket object generation") }),
    }),
    service_config: of(
      "",
      "available_memory available_cpu timeout_seconds min_instance_count max_instance_count max_instance_request_concurrency service_account_email ingress_settings all_traffic_on_latest_revision environment_variables",
    ),
  }),
  google_cloud_run_v2_service_iam_binding: of("name role members", "location project"),
  google_cloud_scheduler_job: of(
    "name",
    "description schedule time_zone attempt_deadline region project",
    {
      retry_config: of("", "retry_count"),
      http_target: of("uri", "http_method body headers", {
        oidc_token: of("service_account_email", "audience"),
      }),
    },
  ),
  google_logging_metric: of("name filter", "value_extractor description project", {
    metric_descriptor: of("metric_kind value_type", "unit display_name"),
  }),
  google_project: of("", "project_id"),
  archive_file: of("type output_path", "source_dir source_file excludes"),
};

/** What is wrong with a block, one text each; empty when it fits. */
export function misfits(where: string, body: unknown, shape: Shape | undefined): string[] {
  if (shape === undefined) return [`${where}: no such type`];
  if (typeof body !== "object" || body === null) return [`${where}: no block`];
  const { required, optional = [], blocks = {} } = shape;
  const missing = required.filter((name) => !(name in body));
  const wrong = Object.entries(body).flatMap(([name, value]: [string, unknown]) => {
    const inner = blocks[name];
    if (inner === undefined)
      return [...required, ...optional].includes(name) ? [] : [`${where}: unknown ${name}`];
    if (!Array.isArray(value)) return [`${where}.${name}: a block is a list`];
    return value.flatMap((one: unknown) => misfits(`${where}.${name}`, one, inner));
  });
  return [...missing.map((name) => `${where}: ${name} is missing`), ...wrong];
}
