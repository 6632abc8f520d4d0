/** The models: the gate's last decision in words and figures, all of them, and what is done with them by hand. */

import { call } from "../rpc.js";
import { attempt, el, say } from "../shell.js";
import { percent, plural, size, wholePercent, when } from "../format.js";
import { badge, box, field, refill, table } from "../parts.js";
import { intervals } from "../plot.js";
import { verdict } from "./state.js";
import { ask } from "../dialog.js";

const SHOWN = 20;
const points = (share) => `${share >= 0 ? "+" : "−"}${Math.abs(100 * share).toFixed(1)}`;

/** Fills the card of the last decision. */
export function tellDecision(card, models, production) {
  const judged = models.find((model) => model.decision);
  const head = el("h2", {}, "Last decision");
  if (!judged) {
    return refill(
      card,
      head,
      el(
        "p",
        { class: "soft" },
        "Nothing was judged yet. Each model is measured on test sentences that no training has heard, and served only if it is better than the one before.",
      ),
    );
  }
  const { kind, told } = verdict(judged);
  const reasons = el("ul", { class: "reasons" }, ...judged.reasons.map((reason) => el("li", {}, reason)));
  refill(
    card,
    head,
    el(
      "p",
      { class: "row" },
      el("strong", {}, judged.id),
      badge(told, kind),
      el("span", { class: "soft" }, when(judged.created_at)),
    ),
    reasons,
    errorsOf(judged, production),
    comparisonsOf(judged),
  );
}

function errorsOf(judged, production) {
  const shown = [judged, ...(production && production.id !== judged.id ? [production] : [])].filter((model) =>
    Number(model.test?.reference_words),
  );
  if (!shown.length) return null;
  const rows = shown.map((model) => ({
    name: model.id,
    low: model.test.wer_low,
    at: model.test.wer,
    high: model.test.wer_high,
  }));
  const { utterances, reference_words: words } = judged.test;
  return intervals({
    title: `Word errors with 95 % intervals, ${words} words in ${plural(utterances, "sentence")}`,
    rows,
    told: percent,
    mark: wholePercent,
  });
}

function comparisonsOf(judged) {
  const found = JSON.parse(judged.decision_json || "{}").comparisons ?? [];
  if (!found.length) return null;
  const rows = found.map((each) => [
    each.group,
    each.utterances,
    each.candidate_errors,
    each.production_errors,
    `${points(each.delta)} (${points(each.low)} to ${points(each.high)})`,
  ]);
  const header = ["Group", "Sentences", "Its errors", "Errors before", "Difference in points"];
  return el(
    "details",
    { "data-key": "comparisons" },
    el("summary", {}, "Compared group by group"),
    table("The same sentences, heard by both models", header, rows, { class: "stack" }),
  );
}

/** The card of all models; `changed` is called after something was done. */
export class History {
  #card;
  #changed;

  constructor(card, changed) {
    this.#card = card;
    this.#changed = changed;
  }

  update(models) {
    const production = models.find((model) => model.production);
    const back = el(
      "button",
      {
        "data-key": "rollback",
        disabled: !production || production.pinned,
        onclick: () => this.#rollback(production),
      },
      "Roll back…",
    );
    const head = el("div", { class: "row spread" }, el("h2", {}, "Models"), back);
    if (!models.length)
      return refill(
        this.#card,
        head,
        el("p", { class: "soft" }, "None yet. One appears here when a training has ended."),
      );
    const rows = models.slice(0, SHOWN).map((model) => this.#row(model, production));
    const header = ["Model", "Decision", "Test WER", "Size", "Speed", "Made", "By hand"];
    refill(
      this.#card,
      head,
      this.#pinned(production),
      withdrawn(models),
      el("div", { class: "scroll" }, table("Models, newest first", header, rows, { class: "stack" })),
    );
  }

  #pinned(production) {
    if (!production?.pinned) return null;
    const why = production.pinned_why ? ` (${production.pinned_why})` : "";
    return box(
      "warn",
      `${production.id} is pinned since ${when(production.pinned_at)}${why}: better models are measured and held back until it is unpinned.`,
    );
  }

  #row(model, production) {
    const { kind, told } = verdict(model);
    const name = el("span", {}, el("strong", {}, model.id), " ", model.production ? badge("served", "good") : null);
    const { wer, wer_low: low, wer_high: high, reference_words: words } = model.test ?? {};
    const errors = Number(words) ? `${percent(wer)} (${(100 * low).toFixed(1)} to ${(100 * high).toFixed(1)})` : "–";
    const speed = model.real_time_factor ? `${Math.round(1 / model.real_time_factor)} × real time` : "–";
    const bytes = Number(model.served_bytes) ? size(model.served_bytes) : "–";
    return [name, badge(told, kind), errors, bytes, speed, when(model.created_at), this.#actions(model, production)];
  }

  #actions(model, production) {
    const act = (name, work, more = {}) =>
      el(
        "button",
        { "data-key": `${name}-${model.id}`, "aria-label": `${name} ${model.id}`, onclick: work, ...more },
        `${name}…`,
      );
    if (!model.production)
      return act("Promote", () => this.#promote(model, production), { disabled: production?.pinned });
    return model.pinned ? act("Unpin", () => this.#unpin(model)) : act("Pin", () => this.#pin(model));
  }

  async #do(dialog, method, request, told) {
    const given = await ask(dialog);
    if (!given) return;
    const done = await attempt(() => call(method, request(given)));
    if (!done) return;
    say(told(done), "good");
    this.#changed();
  }

  #promote(model, production) {
    const refused = model.decision !== "promoted" && model.decision !== "held";
    const why =
      refused && model.reasons.length
        ? [box("bad", el("strong", {}, "The gate rejected it: "), model.reasons.join("; "))]
        : [];
    const before = production
      ? `It takes the place of ${production.id}, which stays one rollback away.`
      : "Nothing was served before it.";
    const content = [
      el(
        "p",
        {},
        `From now on everybody who asks for text is answered by ${model.id}. ${before} Streams under way end with the model that they began with.`,
      ),
      ...why,
    ];
    const dialog = {
      title: `Promote ${model.id}?`,
      content,
      action: refused ? "Promote it all the same" : "Promote",
      danger: refused,
    };
    return this.#do(
      dialog,
      "optimizer/PromoteModel",
      () => ({ model: model.id, force: refused }),
      (done) => `${done.model} is in production, before it ${done.previous || "nothing"}.`,
    );
  }

  #rollback(production) {
    const content = [
      el(
        "p",
        {},
        `The model that was in production before ${production.id} is served again, for everybody, within seconds. ${production.id} stays in the list and can be promoted again.`,
      ),
    ];
    const dialog = { title: "Roll back?", content, action: "Roll back", danger: true };
    return this.#do(
      dialog,
      "optimizer/RollbackModel",
      () => ({}),
      (done) => `${done.model} is in production again, instead of ${done.previous}.`,
    );
  }

  #pin(model) {
    const why = field(
      "Why, for those who find it pinned",
      el("input", { id: "why", name: "why", maxlength: 200, autocomplete: "off" }),
    );
    const content = [
      el(
        "p",
        {},
        `${model.id} stays in production until somebody unpins it. Newer models are measured and judged, but take its place only by hand.`,
      ),
      why,
    ];
    const dialog = { title: `Pin ${model.id}?`, content, action: "Pin" };
    return this.#do(
      dialog,
      "optimizer/PinModel",
      (given) => ({ model: model.id, why: given.why }),
      (done) => `${done.model} is pinned.`,
    );
  }

  #unpin(model) {
    const content = [
      el(
        "p",
        {},
        `Better models take the place of ${model.id} by themselves again. Those that were held back meanwhile can be promoted by hand.`,
      ),
    ];
    const dialog = { title: `Unpin ${model.id}?`, content, action: "Unpin" };
    return this.#do(
      dialog,
      "optimizer/UnpinModel",
      () => ({}),
      (done) => `${done.model} may be replaced again.`,
    );
  }
}

function withdrawn(models) {
  const heard = models.filter((model) => Number(model.withdrawn_utterances));
  if (!heard.length) return null;
  const told = heard
    .map((model) => `${model.id} heard ${plural(model.withdrawn_utterances, "recording")}`)
    .join(", ");
  return box("warn", `${told} that were withdrawn since. Build a dataset and train a model without them.`);
}
