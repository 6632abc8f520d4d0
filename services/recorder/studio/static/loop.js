/** The loop page: what the services do and wait for, and the levers. */

import { call, Stream } from "./rpc.js";
import { attempt, el, find, say, start } from "./shell.js";
import { plural, when, words } from "./format.js";
import { adminsOnly, announce, box, refill, table } from "./parts.js";
import { Loop, OPEN_RUN, stages } from "./loop/state.js";
import { flow, troubles } from "./loop/flow.js";
import { Training } from "./loop/training.js";
import { History, tellDecision } from "./loop/models.js";
import { ask } from "./dialog.js";

const EVERY_MS = 3000;

start(async (caller) => {
  if (adminsOnly(caller, "Loop", "This page shows and steers how models are trained and served.")) return;
  await new Page().run();
});

class Page {
  #loop = new Loop();
  #drawn = {};
  #training;
  #history;
  #moment = "";
  #wake = () => {};

  constructor() {
    const made = (id, label) => el("section", { class: "card", id, "aria-label": label });
    const head = el(
      "div",
      { class: "row spread" },
      el("h1", {}, "Loop"),
      el("p", { class: "soft", id: "summary" }, "Asking the services…"),
    );
    const right = el("div", { class: "column" }, made("decision", "Last decision"), made("data", "Data"));
    find("#main").replaceChildren(
      head,
      el("div", { id: "troubles", role: "status" }),
      el("div", { id: "flow" }),
      el("div", { class: "halves" }, made("training", "Training"), right),
      made("models", "Models"),
    );
    this.#training = new Training(find("#training"), () => this.again());
    this.#history = new History(find("#models"), () => this.again());
  }

  /** Asks while somebody looks. */
  async run() {
    document.addEventListener("visibilitychange", () => this.#wake());
    for (;;) {
      if (!document.hidden) await this.again(false);
      await new Promise((resolve) => {
        this.#wake = resolve;
        if (!document.hidden) setTimeout(resolve, EVERY_MS);
      });
    }
  }

  async again(all = true) {
    await this.#loop.ask(all);
    this.#draw();
  }

  #draw() {
    const loop = this.#loop;
    const now = stages(loop, (run) => this.#training.latest(run));
    this.#part("troubles", [loop.offline, loop.health, loop.faults], () =>
      refill(find("#troubles"), ...troubles(loop)),
    );
    this.#part("flow", now, () => refill(find("#flow"), flow(now)));
    this.#part("models", loop.models, () => {
      tellDecision(find("#decision"), loop.models, loop.production);
      this.#history.update(loop.models);
    });
    this.#part("data", loop.known.dataset ?? null, () => this.#data());
    this.#training.update(loop.runs);
    find("#summary").textContent = loop.known.policy?.summary ?? "";
    this.#tell();
  }

  #part(name, seen, draw) {
    const text = JSON.stringify(seen);
    if (this.#drawn[name] === text) return;
    this.#drawn[name] = text;
    draw();
  }

  /** What has changed since the last look and matters to whoever does not see the picture. */
  #tell() {
    const run = this.#loop.runs[0];
    const open = run && OPEN_RUN.includes(run.state);
    const parts = [
      run
        ? `Training ${run.id} ${open ? "is under way" : `has ended: ${run.state.replace("RUN_STATE_", "").toLowerCase()}`}.`
        : "",
      this.#loop.production ? `${this.#loop.production.id} is served.` : "",
    ];
    const moment = parts.join(" ");
    if (this.#moment && moment !== this.#moment) announce(moment);
    this.#moment = moment;
  }

  #data() {
    const { dataset } = this.#loop.known;
    const build = el("button", { "data-key": "build", onclick: () => this.#build() }, "Build a dataset now…");
    const head = el("div", { class: "row spread" }, el("h2", {}, "Data"), build);
    refill(find("#data"), head, dataset ? newest(dataset) : el("p", { class: "soft" }, "No dataset yet."));
  }

  async #build() {
    const content = [
      el(
        "p",
        {},
        "Everything that is stored so far becomes a dataset, without waiting for more recordings. A training on it starts by itself, unless that was turned off.",
      ),
    ];
    if (!(await ask({ title: "Build a dataset now?", content, action: "Build" }))) return;
    await attempt(async () => {
      const before = this.#loop.known.dataset?.id;
      const job = await followed(await call("ingest/BuildDataset"));
      if (job.error) say(`The dataset was not built: ${job.error}`, "bad");
      else if (job.dataset === before) say(`Nothing has changed since ${before} was built, so it stays the newest.`);
      else say(`${job.dataset} is built.`, "good");
      await this.again();
    });
  }
}

/** The job as it is at its end. */
async function followed(job) {
  const stream = new Stream("ingest/WatchJob");
  await stream.send({ id: job.id, kind: job.kind });
  for await (const each of stream) job = each;
  return job;
}

function newest(dataset) {
  const rows = ["train", "val", "test"]
    .filter((name) => dataset.splits[name])
    .map((name) => {
      const { utterances, speakers, hours } = dataset.splits[name];
      return [name, utterances, speakers, `${(60 * hours).toFixed(1)} min`];
    });
  const left = Object.entries(dataset.dropped_by_reason);
  const total = left.reduce((sum, [, count]) => sum + Number(count), 0);
  const sources = Object.entries(dataset.utterances_by_source).map(([name, count]) => `${count} ${words(name)}`);
  const dropped = left.length
    ? el(
        "details",
        { "data-key": "dropped" },
        el("summary", {}, `${plural(total, "utterance")} left out`),
        el("ul", {}, ...left.map(([why, count]) => el("li", {}, `${count}: ${words(why)}`))),
      )
    : null;
  const withdrawn = Number(dataset.withdrawn_utterances)
    ? box("warn", `${plural(dataset.withdrawn_utterances, "recording")} of it were withdrawn since.`)
    : null;
  return el(
    "div",
    {},
    el("p", {}, el("strong", {}, dataset.id), ` ${when(dataset.created_at)}: ${sources.join(", ")}`),
    withdrawn,
    table("The newest dataset", ["Part", "Utterances", "Speakers", "Speech"], rows),
    dropped,
  );
}
