/** The training: the run that goes on or the one that was chosen, live, with its curves; those before it; a new one. */

import { call, Stream } from "../rpc.js";
import { attempt, el, say } from "../shell.js";
import { clock, percent, wholePercent, when } from "../format.js";
import { badge, box, field, refill, select, table } from "../parts.js";
import { Curve, plot } from "../plot.js";
import { OPEN_RUN, shareOf } from "./state.js";
import { ask } from "../dialog.js";

const REDRAW_MS = 1000;
const AGAIN_MS = 5000;
const SHOWN_RUNS = 10;
const KINDS = { RUNNING: "good", DONE: "soft", FAILED: "bad", ACCEPTED: "warn" };
const RECIPES = [
  ["", "chosen from the hours of data"],
  ["tiny", "tiny: under 5 hours of speech"],
  ["small", "small: 5 to 50 hours"],
  ["base", "base: 50 to 1,000 hours"],
  ["large", "large: more, on a GPU"],
  ["smoke", "smoke: seconds, only to see that all is connected"],
];

const stateOf = (run) => run.state.replace("RUN_STATE_", "");
const stateBadge = (run) => badge(stateOf(run).toLowerCase(), KINDS[stateOf(run)]);

export class Training {
  #card;
  #runs = [];
  #chosen = ""; // empty: whichever is the newest
  #watched = null;
  #drawn = "";
  #due = 0;

  constructor(card, changed) {
    this.#card = card;
    this.#changed = changed;
  }

  #changed;

  /** With the runs, newest first. */
  update(runs) {
    this.#runs = runs;
    const run = runs.find((each) => each.id === this.#chosen) ?? runs.find((each) => OPEN_RUN.includes(each.state)) ?? runs[0];
    if (run && run.id !== this.#watched?.id) this.#watch(run);
    this.#draw();
  }

  /** Figures of the run's last step; an epoch's end tells neither step nor time left. */
  latest(run) {
    return this.#watched?.id === run.id ? this.#watched.latest : run.latest;
  }

  #watch(run) {
    this.#watched?.stop();
    this.#watched = new Watched(run, () => this.#soon());
    this.#watched.follow();
  }

  #soon() {
    this.#due ||= setTimeout(() => {
      this.#due = 0;
      this.#draw();
    }, REDRAW_MS);
  }

  /** Only what is new: a page that is read is not made anew under the reader. */
  #draw() {
    const seen = JSON.stringify([this.#runs.map((run) => [run.id, run.state, run.best_val_wer, run.error]), this.#watched?.seen]);
    if (seen === this.#drawn) return;
    this.#drawn = seen;
    const start = el("button", { "data-key": "start", class: "primary", onclick: () => this.#start() }, "Start a training…");
    const head = el("div", { class: "row spread" }, el("h2", {}, "Training"), start);
    refill(this.#card, head, ...(this.#watched ? this.#watched.pictures() : [nothing()]), this.#list());
  }

  #list() {
    if (this.#runs.length < 2) return null;
    const rows = this.#runs.slice(0, SHOWN_RUNS).map((run) => {
      const shown = run.id === this.#watched.id;
      const choose = () => {
        this.#chosen = run.id;
        this.update(this.#runs);
      };
      const open = el("button", { class: "link", "data-key": `run-${run.id}`, "aria-pressed": String(shown), onclick: choose }, run.id);
      return [open, stateBadge(run), run.recipe, when(run.created_at), run.best_val_wer ? percent(run.best_val_wer) : "–"];
    });
    const header = ["Run", "State", "Recipe", "Started", "Best val WER"];
    return el("details", { "data-key": "runs" }, el("summary", {}, `All ${this.#runs.length} trainings`), table("Trainings, newest first", header, rows, { class: "stack" }));
  }

  async #start() {
    const found = await attempt(() => call("ingest/ListDatasets"));
    if (!found) return;
    if (!found.datasets.length) return say("There is no dataset yet to train on; record or import speech first.", "bad");
    const names = found.datasets.slice(0, 50).map((each) => [each.id, `${each.id} (${each.splits.train?.utterances ?? 0} to train on)`]);
    const number = (id, attributes) => el("input", { id, name: id, type: "number", min: 0, value: 0, ...attributes });
    const content = [
      el("p", {}, "It starts at once and takes all processors it may use. What comes out is measured, and served only if it is better."),
      field("Dataset", select("dataset", names, names[0][0], { name: "dataset" })),
      field("Recipe", select("recipe", RECIPES, "", { name: "recipe" })),
      field("Minutes", number("minutes", { step: "any" }), "0: until it gets no better"),
      field("Seed", number("seed", { max: 2 ** 31 - 1 }), "Same data, recipe and seed: the same run. 0: as configured"),
    ];
    const given = await ask({ title: "Start a training", content, action: "Start" });
    if (!given) return;
    const request = { dataset: given.dataset, recipe: given.recipe, budget_minutes: Number(given.minutes), seed: Number(given.seed) };
    const run = await attempt(() => call("trainer/StartRun", request));
    if (!run) return;
    this.#chosen = run.id;
    if (OPEN_RUN.includes(run.state)) say(`${run.id} has been accepted.`, "good");
    else say(`This very training was done before: ${run.id}. Another seed or recipe makes a new one.`);
    this.#changed();
  }
}

const nothing = () =>
  el("p", { class: "soft" }, "No training yet. One starts by itself when a dataset is ready, or with the button above.");

/** One run as WatchRun tells of it: a stream that is opened again when it breaks. */
class Watched {
  #run;
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

  #told;

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
    if (metrics.message && this.#messages.at(-1) !== metrics.message) this.#messages = [...this.#messages, metrics.message].slice(-3);
    if (metrics.examples.length) this.#examples = metrics.examples;
    for (const each of metrics.examples) if (!this.#first.has(each.reference)) this.#first.set(each.reference, each.hypothesis);
  }

  pictures() {
    const run = this.#run;
    const head = el("p", { class: "row" }, el("strong", {}, run.id), stateBadge(run), el("span", { class: "soft" }, `recipe ${run.recipe}, dataset ${run.dataset}`));
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
    const ends = eta_s ? `, ready in ${clock(eta_s)}` : "";
    return el("div", {}, el("progress", { max: 1, value: share, "aria-label": "Training" }), el("p", {}, `${Math.round(100 * share)} %, ${told}${ends}`));
  }

  #curves() {
    const rates = [{ name: "val WER", points: this.#wer.points }, { name: "val CER", points: this.#cer.points }];
    return el(
      "div",
      { class: "plots" },
      plot({ title: "Loss", lines: [{ name: "loss", points: this.#loss.points }], along: "step", told: (value) => String(Number(value.toPrecision(3))) }),
      plot({ title: "Errors on unheard sentences", lines: rates, along: "epoch", told: percent, mark: wholePercent }),
    );
  }

  #heard() {
    if (!this.#examples.length) return null;
    const nothing = "(nothing)";
    const rows = this.#examples.map(({ reference, hypothesis }) => [reference, this.#first.get(reference) || nothing, hypothesis || nothing]);
    const content = table("Some sentences after the first epoch and after the last", ["Said", "Heard first", "Heard now"], rows, { class: "stack" });
    return el("details", { "data-key": "heard", open: true }, el("summary", {}, "What it hears"), content);
  }
}
