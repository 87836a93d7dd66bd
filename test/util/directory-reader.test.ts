/**
 * A directory whose entries vanish while it is read, on a real disk that does not tell their types: Node then throws for
 * an entry that is gone, and loses what it had read ahead behind it.
 */
import { join } from "node:path";

import { expect, test, type TestContext } from "vitest";

import { importCompiled } from "../support/locks/lock-holder.js";
import { runNode } from "../support/processes/child.js";
import { type MountNamespace, tryToMount } from "../support/processes/mount-namespace.js";

const WITHOUT_TYPES = `
truncate -s 8M image
mkdir disk
mkfs.ext4 -q -O ^filetype -N 2048 image >&2
mount -o loop image disk`;

// libc reads about 1 000 names at a time, Node looks at a block of them: what vanishes now was read, and not looked at.
const FILES = 600;
const GONE = 500;

/** Where to make the directory that is read, and how to run something that sees it. */
async function mountWithoutTypes(
  context: TestContext,
): Promise<{ at: string; prefix: MountNamespace["prefix"] }> {
  const place = await tryToMount(context, WITHOUT_TYPES);
  if (typeof place === "string") return context.skip(`needs loop devices: ${place}`);
  return { at: join(place.folder, "disk/of"), prefix: place.prefix };
}

const reading = (directory: string, block: number): string => `
${importCompiled("DirectoryReader", "util/directory-reader.js")}
import { mkdirSync, rmSync, unlinkSync, writeFileSync } from "node:fs";
const at = ${JSON.stringify(directory)};
mkdirSync(at);
for (let n = 0; n < ${FILES}; n++) writeFileSync(\`\${at}/\${n}\`, "");
mkdirSync(\`\${at}/folder\`);
const reader = new DirectoryReader(at, { block: ${block} });
const first = reader.next();
for (let n = 0; n < ${GONE}; n++) unlinkSync(\`\${at}/\${n}\`);
const found = [first];
for (let entry = reader.next(); entry !== null; entry = reader.next()) found.push(entry);
reader.close();
rmSync(at, { recursive: true });
console.log(JSON.stringify(found.map((entry) => [entry.name, entry.isFile()])));`;

test.for([1, 7, 256])(
  "entries that vanish are left out, and none that stays: %i read ahead",
  async (block, context) => {
    const { at, prefix } = await mountWithoutTypes(context);
    const found = (await runNode(reading(at, block), { prefix })) as [string, boolean][];
    const names = found.map(([name]) => name);
    expect(new Set(names).size).toBe(names.length);
    const staying = Array.from({ length: FILES - GONE }, (_, n) => String(GONE + n));
    expect(names).toEqual(expect.arrayContaining([...staying, "folder"]));
    expect(found.filter(([, isFile]) => !isFile)).toEqual([["folder", false]]);
  },
);

test("a directory that is removed while it is read has an end", async (context) => {
  const { at, prefix } = await mountWithoutTypes(context);
  const script = `
${importCompiled("DirectoryReader", "util/directory-reader.js")}
import { mkdirSync, rmSync, writeFileSync } from "node:fs";
const at = ${JSON.stringify(at)};
mkdirSync(at);
for (let n = 0; n < ${FILES}; n++) writeFileSync(\`\${at}/\${n}\`, "");
const reader = new DirectoryReader(at);
let count = reader.next() === null ? 0 : 1;
rmSync(at, { recursive: true });
while (reader.next() !== null) count++;
reader.close();
console.log(count);`;
  const count = (await runNode(script, { prefix })) as number;
  expect(count).toBeGreaterThan(0);
  expect(count).toBeLessThan(FILES);
});
