// Reads every file of the repository for what must not be published: paths of one machine, package
// registries, references a reader cannot follow, and checks that were switched off in core/.
import { execFileSync } from "node:child_process";
import { existsSync, readFileSync } from "node:fs";
import { dirname, normalize } from "node:path";

process.chdir(`${import.meta.dirname}/..`);

const isCore = (file) => /^core\/.*(?<!\.test)(?<!\.test-d)\.ts$/.test(file);
const isBuilt = (file) => /^(?:core|adapters|infra|cli|testing)\/.*\.ts$/.test(file);
const leaves = (path, file) => normalize(`${dirname(file)}/${path}`).startsWith("..");
const isText = (file) => !/\.(?:png|jpe?g|gif|pdf|wasm|sqlite)$/.test(file);
const isThis = (file) => file === "scripts/check-words.mjs";

/** `where` limits a rule to some files; `unless` excuses a match. */
const rules = [
  {
    pattern: /(?<![\w.@-])\/(?:home|root|Users|work|workspaces?|builds)\/[\w.-]+/g,
    message: "an absolute path of one machine",
  },
  { pattern: /\bregistry\.[a-z0-9-]+\.[a-z]+/gi, message: "the host of a package registry" },
  {
    pattern: /"resolved": "https?:[^"]*"/g,
    where: (file) => file.endsWith("package-lock.json"),
    message: "a download address in the lock file",
  },
  {
    pattern: /(?<![\w./*])(?:\.\.\/)+[\w@][\w./@-]*/g,
    where: (file) => !isGlobbed(file),
    unless: (match, file) =>
      !leaves(match, file) || (isBuilt(file) && !leaves(match, `dist/${file}`)),
    message: "a path that leaves the repository",
  },
  {
    pattern: /\b[A-Z]{4,}\.md\b/g,
    unless: (match) => existsSync(match) || existsSync(`docs/${match}`),
    message: "a document that is not in the repository",
  },
  { pattern: /§\s*\d/g, message: "a numbered section that no document here has" },
  { pattern: /\bissue \d+\b/gi, message: "an issue by its bare number" },
  {
    pattern: /\bco-authored-by\b|\b(?:written|generated) (?:by|with) (?:an? )?(?:AI|LLM)\b/gi,
    message: "how the text was made",
  },
  {
    pattern:
      /(?:oxlint|eslint)-disable|@ts-(?:ignore|nocheck|expect-error)|\b(?:v8|c8|istanbul) ignore\b/g,
    where: isCore,
    message: "a check switched off in core/",
  },
];

const files = execFileSync("git", ["ls-files", "-z", "--cached", "--others", "--exclude-standard"])
  .toString()
  .split("\0")
  .filter((file) => file !== "" && existsSync(file) && isText(file) && !isThis(file));

const findings = files.flatMap(check);
for (const finding of findings) console.error(finding);
console.log(`${files.length} files read`);
process.exitCode = findings.length === 0 ? 0 : 1;

function check(file) {
  const text = readFileSync(file, "utf8");
  return rules
    .filter(({ where }) => where === undefined || where(file))
    .flatMap((rule) => [...text.matchAll(rule.pattern)].map((match) => ({ rule, match })))
    .filter(({ rule, match }) => !rule.unless?.(match[0], file))
    .map(({ rule, match }) => {
      const line = text.slice(0, match.index).split("\n").length;
      return `${file}:${line}: ${rule.message}: ${match[0]}`;
    });
}

/** Lint patterns are written from the view of the files they speak about. */
function isGlobbed(file) {
  return file === ".oxlintrc.json" || file === "package-lock.json";
}
