/**
 * Tracing channels of `node:diagnostics_channel` around operations of each kind. Nothing is gathered while a channel has
 * no subscriber.
 */
import type { TracingChannel } from "node:diagnostics_channel";

import { diagnosticsChannel } from "./node-modules.js";
import { type Routine, runAtOnce, runInTurns, type Wait } from "./routine.js";

export function tracingChannel<Message extends object>(
  name: string,
): TracingChannel<Message, Message> {
  return diagnosticsChannel().tracingChannel<Message, Message>(name);
}

/**
 * Runs an asynchronous operation as one trace of `channel`.
 *
 * @param context - Makes the message; only called when the channel has a subscriber.
 * @param resultOf - The message's `result`, from what the operation gave.
 */
export function traceAsync<Context extends { readonly result?: unknown }, T>(
  channel: TracingChannel<Context, Context>,
  context: () => NoInfer<Context>,
  operation: () => Promise<T>,
  resultOf: (value: T) => NoInfer<Context>["result"],
): Promise<T> {
  return channel.hasSubscribers
    ? traceSubscribed(channel, context(), operation, resultOf)
    : operation();
}

/** A routine as one trace, in either form. */
export function traced<Context extends { readonly result?: unknown }, T>(
  channel: TracingChannel<Context, Context>,
  context: () => NoInfer<Context>,
  routine: () => Routine<T>,
  resultOf: (value: T) => NoInfer<Context>["result"],
): Wait<T> {
  return {
    inTurns: () => traceAsync(channel, context, () => runInTurns(routine()), resultOf),
    atOnce: () => traceSync(channel, context, () => runAtOnce(routine()), resultOf),
  };
}

async function traceSubscribed<Context extends { readonly result?: unknown }, T>(
  channel: TracingChannel<Context, Context>,
  context: Context,
  operation: () => Promise<T>,
  resultOf: (value: T) => Context["result"],
): Promise<T> {
  const values: T[] = [];
  await channel.tracePromise(async () => {
    const value = await operation();
    values.push(value);
    return resultOf(value);
  }, context);
  return values[0] as T;
}

/** {@link traceAsync} for a synchronous operation. */
export function traceSync<Context extends { readonly result?: unknown }, T>(
  channel: TracingChannel<Context, Context>,
  context: () => NoInfer<Context>,
  operation: () => T,
  resultOf: (value: T) => NoInfer<Context>["result"],
): T {
  if (!channel.hasSubscribers) return operation();
  const values: T[] = [];
  channel.traceSync(() => {
    const value = operation();
    values.push(value);
    return resultOf(value);
  }, context());
  return values[0] as T;
}
