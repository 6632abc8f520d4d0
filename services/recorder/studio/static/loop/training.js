/** The training: the run that goes on or the chosen one, those before it, and how a new one is started. */

import { call } from "../rpc.js";
import { attempt, el, say } from "../shell.js";
import { percent, when } from "../format.js";
import { field, refill, select, table } from "../parts.js";
import { OPEN_RUN } from "./state.js";
import { stateBadge, Watched } from "./watched.js";
import { ask } from "../dialog.js";

const REDRAW_MS = 1000;
const SHOWN_RUNS = 10;
const RECIPES = [
  ["", "chosen from the hours of data"],
  ["tiny", "tiny: under 5 hours of speech"],
  ["small", "small: 5 to 50 hours"],
  ["base", "base: 50 to 1,000 hours"],
  ["large", "large: more, on a GPU"],
  ["smoke", "smoke: seconds, only to see that all is connected"],
];

export class Training {
  #card;
  #changed;
  #runs = [];
  #chosen = ""; // empty: whichever is the newest
  #watched = null;
  #drawn = "";
  #due = 0;

  constructor(card, changed) {
    this.#card = card;
    this.#changed = changed;
  }

  /** With the runs, newest first. */
  update(runs) {
    this.#runs = runs;
    const run =
      runs.find((each) => each.id === this.#chosen) ?? runs.find((each) => OPEN_RUN.includes(each.state)) ?? runs[0];
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
    const seen = JSON.stringify([
      this.#runs.map((run) => [run.id, run.state, run.best_val_wer, run.error]),
      this.#watched?.seen,
    ]);
    if (seen === this.#drawn) return;
    this.#drawn = seen;
    const start = el(
      "button",
      { "data-key": "start", class: "primary", onclick: () => this.#start() },
      "Start a training…",
    );
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
      const open = el(
        "button",
        { class: "link", "data-key": `run-${run.id}`, "aria-pressed": String(shown), onclick: choose },
        run.id,
      );
      return [
        open,
        stateBadge(run),
        run.recipe,
        when(run.created_at),
        run.best_val_wer ? percent(run.best_val_wer) : "–",
      ];
    });
    const header = ["Run", "State", "Recipe", "Started", "Best val WER"];
    return el(
      "details",
      { "data-key": "runs" },
      el("summary", {}, `All ${this.#runs.length} trainings`),
      table("Trainings, newest first", header, rows, { class: "stack" }),
    );
  }

  async #start() {
    const found = await attempt(() => call("ingest/ListDatasets"));
    if (!found) return;
    if (!found.datasets.length)
      return say("There is no dataset yet to train on; record or import speech first.", "bad");
    const names = found.datasets
      .slice(0, 50)
      .map((each) => [each.id, `${each.id} (${each.splits.train?.utterances ?? 0} to train on)`]);
    const number = (id, attributes) => el("input", { id, name: id, type: "number", min: 0, value: 0, ...attributes });
    const content = [
      el(
        "p",
        {},
        "It starts at once and takes all processors it may use. What comes out is measured, and served only if it is better.",
      ),
      field("Dataset", select("dataset", names, names[0][0], { name: "dataset" })),
      field("Recipe", select("recipe", RECIPES, "", { name: "recipe" })),
      field("Minutes", number("minutes", { step: "any" }), "0: until it gets no better"),
      field(
        "Seed",
        number("seed", { max: 2 ** 31 - 1 }),
        "Same data, recipe and seed: the same run. 0: as configured",
      ),
    ];
    const given = await ask({ title: "Start a training", content, action: "Start" });
    if (!given) return;
    const request = {
      dataset: given.dataset,
      recipe: given.recipe,
      budget_minutes: Number(given.minutes),
      seed: Number(given.seed),
    };
    const run = await attempt(() => call("trainer/StartRun", request));
    if (!run) return;
    this.#chosen = run.id;
    if (OPEN_RUN.includes(run.state)) say(`${run.id} has been accepted.`, "good");
    else say(`This very training was done before: ${run.id}. Another seed or recipe makes a new one.`);
    this.#changed();
  }
}

const nothing = () =>
  el(
    "p",
    { class: "soft" },
    "No training yet. One starts by itself when a dataset is ready, or with the button above.",
  );
