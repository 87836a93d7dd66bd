/** The messages of `pidentity:lease`, as a log would write them. */
import { subscribe, unsubscribe } from "node:diagnostics_channel";

import { onTestFinished } from "vitest";

import type { LeaseTrace } from "../../lib/lease/index.js";

export interface LeaseMessages {
  /** The end of every asynchronous operation and every loss from now on, those of this key only. */
  readonly of: (action: LeaseTrace["action"]) => LeaseTrace[];
}

export function listenToLeases(key: string): LeaseMessages {
  const seen: LeaseTrace[] = [];
  const record = (message: unknown): void => {
    const told = { ...(message as LeaseTrace) };
    if (told.key === key) seen.push(told);
  };
  const recordLoss = (message: unknown): void => {
    if ((message as LeaseTrace).action === "lost") record(message);
  };
  const asynchronous = "tracing:pidentity:lease:asyncEnd";
  const synchronous = "tracing:pidentity:lease:end";
  subscribe(asynchronous, record);
  subscribe(synchronous, recordLoss);
  onTestFinished(() => {
    unsubscribe(asynchronous, record);
    unsubscribe(synchronous, recordLoss);
  });
  return { of: (action) => seen.filter((message) => message.action === action) };
}
