// The steps that the engine has told of, and which of them is shown: the newest, or an earlier one.

export const MOST = 1000; // steps that are remembered

/** Requests that wait are told by their number, or with their lengths. */
const withLengths = (waiting) => waiting.map((request) => (typeof request === "number" ? { id: request } : request));

export class Steps {
  constructor() {
    this.clear();
  }

  clear() {
    this.all = [];
    this.at = -1; // place of the step that is shown
    this.mode = "following"; // or "playing" towards the newest, or "paused"
    this._seen = new Set(); // requests that had rows before
  }

  get shown() {
    return this.all[this.at];
  }

  get isNewest() {
    return this.at === this.all.length - 1;
  }

  /** Take in a step as the server tells it. Numbers that go down mean that the server was started anew. The same number
   * again tells what came or was given up since that step: its rows stay as they were. */
  add(step) {
    const last = this.all.at(-1);
    if (last && step.step < last.step) this.clear();
    else if (last && step.step === last.step) {
      this.all[this.all.length - 1] = { ...step, turns: last.turns, waiting: withLengths(step.waiting) };
      return;
    }
    const running = new Map(step.running.map((request) => [request.id, request]));
    const turns = step.turns.map((turn) => ({ ...turn, reads: this._reads(turn, running.get(turn.id)) }));
    for (const turn of turns) this._seen.add(turn.id);
    this.all.push({ ...step, turns, waiting: withLengths(step.waiting) });
    if (this.all.length > MOST) {
      this.all.shift();
      this.at = Math.max(0, this.at - 1);
    }
    if (this.mode === "following") this.at = this.all.length - 1;
  }

  // A row that writes is the only one of its request, and comes after the prompt. A request that ended with the step
  // is no longer told of; then one row of a request that had rows before is taken for one that writes.
  _reads(turn, request) {
    if (turn.rows > 1) return true;
    return request ? request.length <= request.prompt : !this._seen.has(turn.id);
  }

  /** Show another step, and stay there. */
  goTo(at) {
    this.at = Math.min(Math.max(0, at), this.all.length - 1);
    this.mode = "paused";
  }

  /** Show the next step; having caught up, follow. */
  playOn() {
    if (!this.isNewest) this.at += 1;
  }

  play() {
    this.mode = this.isNewest ? "following" : "playing";
  }

  follow() {
    this.at = this.all.length - 1;
    this.mode = "following";
  }

  /** The steps up to the one that is shown, `most` at most. */
  window(most) {
    return this.all.slice(Math.max(0, this.at + 1 - most), this.at + 1);
  }
}
