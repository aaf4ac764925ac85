/** The oldest Node this package runs on, as its manifest says. */
const oldest = [22, 18] as const;

/** Why a version of Node cannot run this program, and what to do; undefined when it can. */
export function unfitNode(version: string): string | undefined {
  const [major = 0, minor = 0] = version.split(".").map(Number);
  if (major > oldest[0] || (major === oldest[0] && minor >= oldest[1])) return undefined;
  return `kitaru needs Node.js ${oldest.join(".")} or newer, and this is ${version}. \`npm install --save-dev node@24\` gives a project one of its own, which npx and npm scripts then use.`;
}
