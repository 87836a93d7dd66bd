import type { TestContext } from "vitest";

import type { ProcessBackend } from "../../../lib/process/backends/backend.js";
import { createNativeBackend } from "../../../lib/process/backends/native.js";
import { createProcfsBackend } from "../../../lib/process/backends/procfs.js";
import { requireBinding, requireLinux } from "../require.js";

/** The two that must answer alike on Linux. */
export const LINUX_BACKENDS = ["native", "procfs"] as const;

/** Those that can identify a process on this platform. */
export const BACKENDS = process.platform === "linux" ? LINUX_BACKENDS : (["native"] as const);

/** A fresh backend of that name, or the test is skipped. */
export function backendNamed(
  name: (typeof LINUX_BACKENDS)[number],
  context: TestContext,
): ProcessBackend {
  requireLinux(context, "its own backend");
  if (name === "procfs") return createProcfsBackend();
  return createNativeBackend(requireBinding(context));
}

/** What a child process needs in its environment to answer with that backend. */
export function environmentFor(name: (typeof LINUX_BACKENDS)[number]): NodeJS.ProcessEnv {
  const { PIDENTITY_NO_NATIVE: _, ...environment } = process.env;
  return name === "procfs" ? { ...environment, PIDENTITY_NO_NATIVE: "1" } : environment;
}
