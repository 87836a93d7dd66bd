// The guides as they are published: what their links lead to is in the package, or is said to be in the source.
import { existsSync, mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { dirname, join, posix } from "node:path";

import { filesIn } from "./files-in.mjs";

const BESIDE = [".github/SECURITY.md", ".github/doctor.svg", "native/README.md"];
const ALWAYS = ["LICENSE", "README.md"];

/**
 * The guides of the repository in `root` that are published beside README.md, and the picture in that.
 *
 * @returns {string[]} paths in the package
 */
export function publishedGuides(root) {
  const inLib = existsSync(join(root, "lib")) ? filesIn(join(root, "lib")) : [];
  const guides = inLib.filter((name) => name.endsWith(".md")).map((name) => `lib/${name}`);
  return [...BESIDE, ...guides.toSorted()].filter((name) => existsSync(join(root, name)));
}

/** Writes README.md and the guides of the repository in `root` into `folder`, as they are published. */
export function writeGuides(root, folder) {
  const guides = publishedGuides(root);
  const published = new Set([...ALWAYS, ...guides]);
  for (const name of ["README.md", ...guides]) {
    const content = readFileSync(join(root, name));
    const path = join(folder, name);
    mkdirSync(dirname(path), { recursive: true });
    const isText = name.endsWith(".md");
    writeFileSync(path, isText ? asPublished(name, content.toString("utf8"), published) : content);
  }
}

/** Inline links and images of Markdown, and code, in which there are none. */
const LINK =
  /(?<code>`[^`\n]*`)|(?<image>!?)\[(?<text>(?:`[^`\n]*`|[^\]`])*)\]\((?<to>[^()\s]+)\)/gu;
const FENCE = /^```[^\n]*\n[\s\S]*?^```$/gmu;

/**
 * The relative links of a guide.
 *
 * @param {string} name its path in the package
 * @param {string} text
 * @returns {{ to: string, path: string }[]} `path`: where it leads to in the package; "" is the guide itself
 */
export function relativeLinks(name, text) {
  const links = [];
  replaceLinks(name, text, (link) => void links.push(link));
  return links;
}

/**
 * A guide with the links that lead to nothing in the package as text that says where it is.
 *
 * @param {string} name
 * @param {string} text
 * @param {ReadonlySet<string>} published
 */
export function asPublished(name, text, published) {
  return replaceLinks(name, text, ({ path, label }) =>
    path === name || published.has(path) ? undefined : `${label} (in the source: \`${path}\`)`,
  );
}

/** `replacement` gives the text to be written instead of a relative link; undefined: it stays. */
function replaceLinks(name, text, replacement) {
  const replaceIn = (prose) =>
    prose.replaceAll(LINK, (whole, ...rest) => {
      const { code, text: label, to } = rest.at(-1);
      if (code !== undefined || /^[a-z][a-z\d+.-]*:/u.test(to)) return whole;
      const [file = ""] = to.split("#");
      const path = file === "" ? name : posix.join(posix.dirname(name), file);
      return replacement({ to, path, label }) ?? whole;
    });
  let result = "";
  let at = 0;
  for (const { index, 0: fence } of text.matchAll(FENCE)) {
    result += replaceIn(text.slice(at, index)) + fence;
    at = index + fence.length;
  }
  return result + replaceIn(text.slice(at));
}
