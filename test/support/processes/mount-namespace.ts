/** File systems that only one test sees: they lie in a mount namespace, which takes them with it when it ends. */
import { onTestFinished, type TestContext } from "vitest";

import { start, startReady } from "./child.js";
import { requireNative, requireOfRoot, requireRoot } from "../require.js";
import { temporaryFolder } from "../temporary-folder.js";

export interface MountNamespace {
  /** The folder in which the commands ran. What they mounted there is seen by those inside only. */
  readonly folder: string;
  /** Put before a command, it runs inside. */
  readonly prefix: readonly [string, ...string[]];
  /** Runs further shell commands in the folder, inside; rejects with what they complain about. */
  run(commands: string): Promise<void>;
}

/**
 * Runs shell commands that mount something, in a fresh folder and in a mount namespace of their own. What every
 * Linux kernel can do for root: the test is skipped, or fails, where it cannot (see require.ts).
 */
export async function mountPrivately(
  context: TestContext,
  commands: string,
): Promise<MountNamespace> {
  const place = await tryToMount(context, commands);
  if (typeof place !== "string") return place;
  requireOfRoot(context, place);
  throw new Error(place);
}

/**
 * {@link mountPrivately} for what many kernels cannot do.
 *
 * @returns a message instead when a command fails: what the kernel or a missing program said.
 */
export async function tryToMount(
  context: TestContext,
  commands: string,
): Promise<MountNamespace | string> {
  requireRoot(context, "mounts file systems");
  requireNative(context);
  const folder = temporaryFolder();
  // A FUSE daemon lives in the namespace that it mounted in: killed as the last one there, it would wait
  // for itself to answer the unmount, for ever. So no process kills it, and its keeper lets it go whatever
  // happens: in a process group of its own, and its input ends when the test's process dies, too.
  const script = `trap 'umount --all --lazy --types fuseblk' EXIT
${commands}
echo mounted
read -r _ || :`;
  try {
    const options = { cwd: folder, detached: true };
    const keeper = await start("unshare", ["--mount", "sh", "-euc", script], options);
    onTestFinished(async () => {
      keeper.process.stdin?.end();
      await keeper.exited();
    });
    await keeper.line();
    const prefix = ["nsenter", `--target=${keeper.pid}`, "--mount", "--"] as const;
    const run = async (more: string): Promise<void> => {
      const [file, ...args] = prefix;
      await startReady(file, [...args, "sh", "-euc", `cd '${folder}'\n${more}\necho done`]);
    };
    return { folder, prefix, run };
  } catch (error) {
    return String(error);
  }
}
