import { readdirSync } from "node:fs";
import { join } from "node:path";

/** What the compiler makes of the lib/ of a package: paths in the package, `/` between folders. */
export function distFiles(root) {
  return readdirSync(join(root, "lib"), { recursive: true })
    .filter((name) => name.endsWith(".ts"))
    .map((name) => name.replaceAll("\\", "/").replace(/\.ts$/u, ""))
    .flatMap((name) => [`dist/${name}.d.ts`, `dist/${name}.js`]);
}
