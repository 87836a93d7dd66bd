// CommonJS in TypeScript: imports that become require().
import { type NativeStatus, nativeStatus } from "pidentity";
import { cleanStaleLockFiles, type CleanStaleLockFilesResult } from "pidentity/session-lock";

export const status: NativeStatus = nativeStatus();
export const swept: Promise<CleanStaleLockFilesResult> = cleanStaleLockFiles({ sessionsDir: "." });
// @ts-expect-error: a directory is text
export const wrong = cleanStaleLockFiles({ sessionsDir: 1 });
