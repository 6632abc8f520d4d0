/** What the five services say of themselves: asked again and again, and put together as the stages of the loop. */

import { call, services } from "../rpc.js";
import { ago, clock, minutes, percent, plural } from "../format.js";

export const SERVICES = ["recorder", "ingest", "trainer", "optimizer", "inference"];
const OFTEN = {
  takes: ["recorder/ListTakes", { limit: 1 }],
  policy: ["ingest/GetRetrainPolicy", {}],
  runs: ["trainer/ListRuns", {}],
  serving: ["inference/GetServingModel", {}],
};
// Long answers, of things that seldom change.
const SELDOM = { dataset: ["ingest/GetDataset", {}], models: ["optimizer/ListModels", {}] };
const SELDOM_EVERY = 10;
const NOTHING_YET = ["NOT_FOUND", "FAILED_PRECONDITION"];
export const OPEN_RUN = ["RUN_STATE_ACCEPTED", "RUN_STATE_RUNNING"];

/** Asks, and keeps the last answer of whoever does not answer now. */
export class Loop {
  health = Object.fromEntries(SERVICES.map((name) => [name, "waiting"]));
  known = {};
  faults = {};
  heard = {}; // service -> when it answered last
  offline = "";
  #rounds = 0;
  #seen = "";

  /** One round; `all`: also what seldom changes. */
  async ask(all = false) {
    try {
      this.health = await services();
      this.offline = "";
    } catch (error) {
      this.offline = error.message;
      return;
    }
    await this.#put(OFTEN);
    const seen = [
      this.known.serving?.model,
      ...this.#runs().map((run) => run.id + run.state),
      this.known.policy?.latest_dataset,
    ].join();
    if (all || seen !== this.#seen || this.#rounds++ % SELDOM_EVERY === 0) await this.#put(SELDOM);
    this.#seen = seen;
  }

  #runs() {
    return this.known.runs?.runs ?? [];
  }

  async #put(questions) {
    await Promise.all(Object.entries(questions).map(([name, [method, request]]) => this.#one(name, method, request)));
  }

  async #one(name, method, request) {
    const service = method.split("/")[0];
    if (this.health[service] === "down") return;
    try {
      this.known[name] = await call(method, request);
      this.heard[service] = Date.now();
      delete this.faults[name];
    } catch (error) {
      if (NOTHING_YET.includes(error.code)) this.known[name] = null;
      else this.faults[name] = error.message;
    }
  }

  get runs() {
    return this.#runs();
  }

  get models() {
    return this.known.models?.models ?? [];
  }

  get production() {
    return this.models.find((model) => model.production);
  }
}

/** The five stages: {service, name, state, busy, figure, told: [lines], share}. `share`: 0 to 1 of what is awaited;
 *  `latest(run)`: the figures of its last step. */
export function stages(loop, latest) {
  const made = { recorder: recording, ingest: gathering, trainer: training, optimizer: checking, inference: serving };
  return SERVICES.map((service) => ({
    service,
    state: loop.health[service],
    busy: false,
    ...made[service](loop, latest),
  }));
}

function recording({ known }) {
  const takes = known.takes;
  if (!takes) return { name: "Record", figure: "–", told: ["no recordings known yet"] };
  const newest = takes.takes[0];
  const told = [
    `${minutes(takes.minutes)} of speech`,
    newest ? `the newest ${ago(newest.created_at)}` : "none so far",
  ];
  return { name: "Record", figure: plural(takes.total, "take"), told };
}

function gathering({ known }) {
  const { policy, dataset } = known;
  const told = dataset
    ? [
        `newest dataset ${ago(dataset.created_at)}: ${plural(dataset.splits.train?.utterances ?? 0, "utterance")} to train on`,
      ]
    : ["no dataset yet"];
  if (!policy) return { name: "Gather", figure: "–", told };
  const [fresh, needed] = [Number(policy.new_utterances), Number(policy.needed_utterances)];
  const busy = /being built|import/.test(policy.summary);
  const left = Math.max(0, needed - fresh);
  const figure = left ? `${plural(left, "recording")} to go` : busy ? "at work" : "due";
  return {
    name: "Gather",
    busy,
    figure,
    share: needed ? Math.min(1, fresh / needed) : 1,
    told: [`${fresh} of ${needed} new until the next training`, ...told],
  };
}

function training({ runs }, latest) {
  const run = runs.find((each) => OPEN_RUN.includes(each.state)) ?? runs[0];
  if (!run) return { name: "Train", figure: "nothing yet", told: ["starts by itself on the first dataset"] };
  const best = run.best_val_wer ? [`best val WER ${percent(run.best_val_wer)}`] : [];
  if (run.state === "RUN_STATE_FAILED") return { name: "Train", fault: true, figure: "failed", told: [run.error] };
  if (run.state === "RUN_STATE_DONE") return { name: "Train", figure: "done", told: [...best, ago(run.created_at)] };
  if (run.state === "RUN_STATE_ACCEPTED")
    return { name: "Train", busy: true, figure: "about to begin", told: [run.recipe] };
  return { name: "Train", busy: true, figure: progress(latest(run)), share: shareOf(latest(run)), told: best };
}

export const shareOf = (metrics) =>
  Number(metrics?.steps_total) ? Math.min(1, Number(metrics.step) / Number(metrics.steps_total)) : undefined;

function progress(metrics) {
  if (!metrics?.epochs) return "begins";
  if (shareOf(metrics) === 1 || (metrics.eta_s && metrics.eta_s < 1.5)) return "finishing";
  return metrics.eta_s ? `${clock(metrics.eta_s)} to go` : `epoch ${metrics.epoch} of ${metrics.epochs}`;
}

/** Models by what became of them: {kind for badges, told}. */
export function verdict(model) {
  const kind = { promoted: "good", held: "warn", rejected: "bad" }[model.decision];
  return { kind: kind ?? "soft", told: model.decision || "being measured" };
}

function checking({ models, runs }) {
  const model = models[0];
  const made = new Set(models.map((each) => each.run));
  const waits = runs[0]?.state === "RUN_STATE_DONE" && !made.has(runs[0].id);
  if (waits || (model && !model.decision))
    return { name: "Check", busy: true, figure: "being measured", told: [`what ${runs[0]?.id ?? model.run} made`] };
  if (!model) return { name: "Check", figure: "nothing yet", told: ["every model is measured before it is served"] };
  const wer = model.test?.reference_words ? `WER ${percent(model.test.wer)} on the test set` : "";
  return { name: "Check", figure: model.decision, told: [wer, ago(model.created_at)].filter(Boolean) };
}

function serving({ known, production }) {
  const model = known.serving?.model;
  if (!model)
    return { name: "Serve", figure: "nothing yet", told: ["waits for the first model that passes the check"] };
  const wer = production?.test?.reference_words ? [`WER ${percent(production.test.wer)}`] : [];
  const pinned = production?.pinned ? ["pinned"] : [];
  return {
    name: "Serve",
    figure: model,
    told: [`since ${ago(known.serving.since) || "the start"}`, ...wer, ...pinned],
  };
}
