/** One training as the trainer tells of it, live, in pictures. */

import { Stream } from "../rpc.js";
import { el } from "../shell.js";
import { clock, percent, wholePercent } from "../format.js";
import { badge, box, table } from "../parts.js";
import { Curve, plot } from "../plot.js";
import { OPEN_RUN, shareOf } from "./state.js";

const AGAIN_MS = 5000;
const KINDS = { RUNNING: "good", DONE: "soft", FAILED: "bad", ACCEPTED: "warn" };

export function stateBadge(run) {
  const state = run.state.replace("RUN_STATE_", "");
  return badge(state.toLowerCase(), KINDS[state]);
}

/** Follows WatchRun: a stream that is opened again when it breaks. */
export class Watched {
  #run;
  #told;
  #latest;
  #stream = null;
  #stopped = false;
  #loss = new Curve();
  #wer = new Curve();
  #cer = new Curve();
  #messages = [];
  #examples = [];
  #first = new Map(); // what was said -> what was heard first
  #lines = 0;

  constructor(run, told) {
    this.#run = run;
    this.#latest = run.latest;
    this.#told = told;
  }

  get id() {
    return this.#run.id;
  }

  get latest() {
    return this.#latest;
  }

  get seen() {
    return [this.#run.id, this.#run.state, this.#lines];
  }

  stop() {
    this.#stopped = true;
    this.#stream?.close();
  }

  async follow() {
    while (!this.#stopped) {
      this.#stream = new Stream("trainer/WatchRun");
      try {
        await this.#stream.send({ run: this.#run.id });
        this.#forget();
        for await (const update of this.#stream) this.#add(update);
        return; // the run has ended
      } catch {
        await new Promise((again) => setTimeout(again, AGAIN_MS)); // the page tells of services that are down
      }
    }
  }

  #forget() {
    [this.#loss, this.#wer, this.#cer] = [new Curve(), new Curve(), new Curve()];
    this.#messages = [];
  }

  #add({ run, metrics }) {
    this.#run = run;
    if (metrics) this.#measure(metrics);
    this.#lines += metrics ? 1 : 0;
    this.#told();
  }

  #measure(metrics) {
    if (Number(metrics.steps_total)) {
      this.#latest = metrics;
      this.#loss.add(Number(metrics.step), metrics.loss);
    }
    if (metrics.val_wer !== undefined) this.#wer.add(metrics.epoch, metrics.val_wer);
    if (metrics.val_cer !== undefined) this.#cer.add(metrics.epoch, metrics.val_cer);
    if (metrics.message && this.#messages.at(-1) !== metrics.message)
      this.#messages = [...this.#messages, metrics.message].slice(-3);
    if (metrics.examples.length) this.#examples = metrics.examples;
    for (const each of metrics.examples)
      if (!this.#first.has(each.reference)) this.#first.set(each.reference, each.hypothesis);
  }

  pictures() {
    const run = this.#run;
    const head = el(
      "p",
      { class: "row" },
      el("strong", {}, run.id),
      stateBadge(run),
      el("span", { class: "soft" }, `recipe ${run.recipe}, dataset ${run.dataset}`),
    );
    const why = run.recipe_reason ? el("p", { class: "soft" }, run.recipe_reason) : null;
    const fault = run.error ? box("bad", el("strong", {}, "This training failed. "), run.error) : null;
    const messages = this.#messages.map((text) => box("warn", text));
    return [head, why, fault, this.#progress(), ...messages, this.#curves(), this.#heard()].filter(Boolean);
  }

  #progress() {
    if (!OPEN_RUN.includes(this.#run.state)) return null;
    const share = shareOf(this.#latest);
    if (share === undefined) return el("p", {}, "It is about to begin: the data is read first.");
    const { epoch, epochs, eta_s, audio_s_per_s, loss } = this.#latest;
    const told = `epoch ${epoch} of ${epochs}, loss ${loss.toFixed(2)}, ${Math.round(audio_s_per_s)} times real time`;
    const ends = eta_s >= 1.5 ? `, ready in ${clock(eta_s)}` : ", now it is measured and exported";
    return el(
      "div",
      {},
      el("progress", { max: 1, value: share, "aria-label": "Training" }),
      el("p", {}, `${Math.round(100 * share)} %, ${told}${ends}`),
    );
  }

  #curves() {
    const rates = [
      { name: "val WER", points: this.#wer.points },
      { name: "val CER", points: this.#cer.points },
    ];
    return el(
      "div",
      { class: "plots" },
      plot({
        title: "Loss",
        lines: [{ name: "loss", points: this.#loss.points }],
        along: "step",
        told: (value) => String(Number(value.toPrecision(3))),
      }),
      plot({ title: "Errors on unheard sentences", lines: rates, along: "epoch", told: percent, mark: wholePercent }),
    );
  }

  #heard() {
    if (!this.#examples.length) return null;
    const nothing = "(nothing)";
    const rows = this.#examples.map(({ reference, hypothesis }) => [
      reference,
      this.#first.get(reference) || nothing,
      hypothesis || nothing,
    ]);
    const content = table(
      "Some sentences after the first epoch and after the last",
      ["Said", "Heard first", "Heard now"],
      rows,
      { class: "stack" },
    );
    return el("details", { "data-key": "heard", open: true }, el("summary", {}, "What it hears"), content);
  }
}
