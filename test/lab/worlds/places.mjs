// Where the writer was and where the judge is. Each place gives the writer's world and, after the owner's fate,
// the judge's.
import { mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";

import { overlayIn, startWorld } from "./container.mjs";

const HOST = { prefix: [], end: async () => {} };
const container = (more = {}) => startWorld({ isContainer: true, ...more });

/** A file with a boot id that no machine ever had. */
function bootIdFile(scratch, name, digit) {
  const file = join(scratch, name);
  writeFileSync(file, `${digit.repeat(8)}-0000-4000-8000-${digit.repeat(12)}\n`);
  return file;
}

/**
 * `owners`: which fates make sense there. `open` gives the writer's world; `judge`, called after the owner's fate,
 * which ends or keeps the writer's world and gives the judge's; `reuseIn`: in whose of the two another process gets
 * the pid; `folder`: where the locks have to lie.
 */
export const PLACES = [
  {
    name: "same namespace",
    owners: ["alive", "dead", "reused"],
    open: async () => ({ writer: HOST, judge: async () => HOST, reuseIn: "judge" }),
  },
  {
    name: "nested namespace (both in one container)",
    owners: ["alive", "dead", "reused"],
    open: async () => {
      const inside = await container();
      return { writer: inside, judge: async () => inside, reuseIn: "judge" };
    },
  },
  {
    name: "sibling namespace (two containers, one volume)",
    owners: ["alive", "dead", "reused"],
    isNeighbour: true,
    open: async () => {
      const writer = await container();
      return { writer, judge: () => container(), reuseIn: "writer" };
    },
  },
  {
    name: "container looking out (a lock of its host)",
    owners: ["alive", "dead", "reused"],
    isNeighbour: true,
    open: async () => ({ writer: HOST, judge: () => container(), reuseIn: "writer" }),
  },
  {
    name: "host looking in (a container's lock)",
    owners: ["alive", "dead", "reused"],
    open: async () => ({ writer: await container(), judge: async () => HOST, reuseIn: "writer" }),
  },
  {
    name: "after a reboot",
    owners: ["dead", "reused"],
    open: async ({ scratch }) => {
      const writer = await startWorld({ bootIdFile: bootIdFile(scratch, "boot", "1") });
      return { writer, judge: async () => HOST, reuseIn: "judge" };
    },
  },
  {
    name: "after a reboot with another host name",
    owners: ["dead", "reused"],
    open: async ({ scratch }) => {
      const file = bootIdFile(scratch, "boot", "1");
      const writer = await startWorld({ bootIdFile: file, hostname: "former-name" });
      return { writer, judge: async () => HOST, reuseIn: "judge" };
    },
  },
  {
    name: "restarted container, on a volume",
    owners: ["dead", "reused"],
    open: async () => restarted({}),
  },
  {
    name: "restarted container after its host's reboot, on a volume",
    owners: ["dead", "reused"],
    open: async ({ scratch }) =>
      restarted({
        first: { bootIdFile: bootIdFile(scratch, "first", "1"), hostname: "container-1" },
        second: { bootIdFile: bootIdFile(scratch, "second", "2"), hostname: "container-2" },
      }),
  },
  {
    name: "restarted container, on its own overlay",
    owners: ["dead", "reused"],
    open: async ({ scratch }) => {
      for (const name of ["lower", "upper", "work", "merged"]) mkdirSync(join(scratch, name));
      const commands = overlayIn(scratch);
      return {
        ...(await restarted({ first: { commands }, second: { commands } })),
        folder: join(scratch, "merged"),
      };
    },
  },
  {
    name: "restarted container, on FUSE",
    owners: ["dead", "reused"],
    open: async ({ fuse }) => ({ ...(await restarted({})), folder: fuse }),
  },
];

async function restarted({ first = {}, second = {} }) {
  const writer = await container(first);
  const judge = async () => {
    await writer.end();
    // The kernel gives a pid namespace's inode number to the next one: that would make the two alike by chance.
    const between = await container();
    const world = await container(second);
    return {
      ...world,
      async end() {
        await world.end();
        await between.end();
      },
    };
  };
  return { writer, judge, reuseIn: "judge" };
}
