/** What a process loads with its first sweep: milliseconds each, so each has a turn of the event loop to itself. */
import { findLoader, loadNative } from "../../native/load.js";
import { hostFacts, tokenHost } from "../../process/identity.js";
import { crypto } from "../../util/node-modules.js";
import { isMainThread } from "../../util/thread.js";
import type { TimeSlice } from "../../util/time-slice.js";

const LOADS: readonly (() => unknown)[] = [
  findLoader,
  loadNative,
  hostFacts,
  crypto,
  tokenHost,
  isMainThread,
];

let isLoaded = false;

/** Ends with a new slice. The next sweep of this thread finds all of it loaded. */
export async function loadInTurns(slice: TimeSlice): Promise<void> {
  for (const load of isLoaded ? [] : LOADS) {
    load();
    await slice.next();
  }
  isLoaded = true;
}
