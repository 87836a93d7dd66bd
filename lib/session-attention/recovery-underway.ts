/** One recovery from the request to the answer: what it is about, and what would make its answer outdated. */
import type { OutcomeEffect } from "./recovery.js";

/** Whatever is newer than the request survives the answer. */
export class RecoveryUnderway {
  readonly stateGeneration: number;
  /** Of the works at the request; later ones have a greater order. */
  readonly latestOrder: number;
  /** The runs that the session was busy with at the request. */
  readonly runIds: ReadonlySet<string>;
  #hasProgressed = false;
  #hasWorkChanged = false;

  constructor(at: {
    readonly stateGeneration: number;
    readonly latestOrder: number;
    readonly runIds: ReadonlySet<string>;
  }) {
    this.stateGeneration = at.stateGeneration;
    this.latestOrder = at.latestOrder;
    this.runIds = at.runIds;
  }

  /** Something got on meanwhile. */
  noticeProgress(): void {
    this.#hasProgressed = true;
  }

  /**
   * Work of a run, null: of an unknown one, has begun or ended meanwhile. Work of another run says nothing about
   * those that are being recovered.
   */
  noticeWork(runId: string | null): void {
    if (runId === null || this.runIds.has(runId)) this.#hasWorkChanged = true;
  }

  /**
   * Whether the session has got on since the request. Works that begin and end while their run is aborted are part
   * of its end.
   */
  isOutdated(effect: OutcomeEffect): boolean {
    return this.#hasProgressed || (effect !== "reset" && this.#hasWorkChanged);
  }
}
