/** The take that is looked at: listened to, judged, corrected, chosen among others of its prompt, deleted. */

import { call, takeUrl } from "../rpc.js";
import { attempt, el, say } from "../shell.js";
import { when, words } from "../format.js";
import { badge, box, field, refill } from "../parts.js";
import { Wave } from "../wave.js";
import { qualityOf, verdictBadge } from "./table.js";
import { ask } from "../dialog.js";

const REASONS = ["misread", "noise", "cut off", "too quiet", "another voice"];
const name = ({ utterance, speaker }) => ({ utterance, speaker });

/** Asks why; an empty answer is none. */
export async function askReason(title) {
  const input = el("input", {
    id: "reason",
    name: "reason",
    required: true,
    maxlength: 200,
    list: "reasons",
    autocomplete: "off",
  });
  const common = el("datalist", { id: "reasons" }, ...REASONS.map((value) => el("option", { value })));
  const given = await ask({
    title,
    content: [field("Why", input, "It is kept with the take; datasets leave it out and count it"), common],
    action: "Reject",
    danger: true,
  });
  return given?.reason.trim();
}

export class Detail {
  element = el("section", { class: "card detail", "aria-label": "Take" });
  #wave = new Wave();
  #take = null;
  #on;

  /** `on.changed(take)` after something was done, with the take as it is called now; `on.next()` after a verdict. */
  constructor(on) {
    this.#on = on;
  }

  get take() {
    return this.#take;
  }

  open(take) {
    const other =
      !this.#take || !take || this.#take.utterance !== take.utterance || this.#take.speaker !== take.speaker;
    this.#take = take;
    if (!take) return refill(this.element, el("p", { class: "soft" }, "No take is chosen."));
    this.#draw();
    if (other) this.#load(take);
  }

  async #load(take) {
    this.element.querySelector(".siblings").replaceChildren();
    await Promise.all([
      this.#wave.open(takeUrl(take)).catch((error) => say(`The audio of this take: ${error.message}`, "bad")),
      attempt(() => this.#siblings(take)),
    ]);
  }

  play() {
    if (this.#take) this.#wave.toggle();
  }

  #draw() {
    const take = this.#take;
    const act = (key, label, work, more = {}) => el("button", { "data-key": key, onclick: work, ...more }, label);
    const facts = [
      take.speaker_name || take.speaker,
      when(take.created_at),
      take.prompt_list && `${take.prompt_list}, ${take.prompt_id}`,
      take.language,
    ]
      .filter(Boolean)
      .join(" · ");
    const siblings = this.element.querySelector(".siblings") ?? el("div", { class: "siblings" });
    refill(
      this.element,
      el("div", { class: "row spread" }, el("p", { class: "said" }, take.text), verdictBadge(take)),
      el("p", { class: "soft" }, facts),
      take.reason ? box("bad", `Rejected: ${take.reason}`) : null,
      this.#wave.element,
      el(
        "div",
        { class: "row" },
        act("accept", "Accept", () => this.accept(), { class: "primary" }),
        act("reject", "Reject…", () => this.reject()),
        this.#back(act),
      ),
      el(
        "div",
        { class: "row" },
        act("correct", "Correct the text…", () => this.correct()),
        act("delete", "Delete…", () => this.remove(), { class: "danger" }),
      ),
      take.accepted_anyway.length
        ? box("warn", el("strong", {}, "Accepted although: "), take.accepted_anyway.map(words).join(", "))
        : null,
      measured(take),
      siblings,
    );
  }

  #back(act) {
    return this.#take.verdict === "VERDICT_UNSPECIFIED"
      ? null
      : act("back", "Take the verdict back", () => this.#judge("VERDICT_UNSPECIFIED", ""));
  }

  async #judge(verdict, reason, next = false) {
    const take = this.#take;
    await attempt(async () => {
      await call("recorder/ReviewTakes", { takes: [name(take)], verdict, reason });
      await this.#on.changed({ ...take, verdict, reason });
      if (next) this.#on.next();
    });
  }

  accept() {
    if (this.#take) return this.#judge("VERDICT_ACCEPTED", "", true);
  }

  async reject() {
    if (!this.#take) return;
    this.#wave.pause();
    const reason = await askReason(`Reject “${this.#take.text}”?`);
    if (reason) await this.#judge("VERDICT_REJECTED", reason, true);
  }

  async correct() {
    const take = this.#take;
    if (!take) return;
    const text = el("textarea", { id: "text", name: "text", rows: 3, required: true });
    text.value = take.text;
    const content = [
      field("What was said", text, "The same audio is kept under a new name; the take as it was goes"),
    ];
    const given = await ask({ title: "Correct the text", content, action: "Save" });
    if (!given || given.text.trim() === take.text) return;
    await attempt(async () => {
      const made = await call("recorder/CorrectTake", { ...name(take), text: given.text.trim() });
      say("Corrected.", "good");
      await this.#on.changed({ ...take, utterance: made.utterance, text: given.text.trim() });
    });
  }

  async remove() {
    const take = this.#take;
    if (!take) return;
    this.#wave.pause();
    const content = [
      el(
        "p",
        {},
        `“${take.text}” by ${take.speaker_name || take.speaker} leaves the store and all later datasets. There is no way back.`,
      ),
    ];
    if (!(await ask({ title: "Delete this take?", content, action: "Delete for good", danger: true }))) return;
    await attempt(async () => {
      await call("recorder/DeleteRecording", name(take));
      say("Deleted.", "good");
      await this.#on.changed(null);
    });
  }

  /** Other takes of the same prompt, of which one is used. */
  async #siblings(take) {
    if (!take.prompt_id) return;
    const { speaker, prompt_list, prompt_id } = take;
    const { takes } = await call("recorder/ListTakes", { speaker, prompt_list, prompt_id });
    if (takes.length < 2 || this.#take.utterance !== take.utterance) return;
    const lines = takes.map((each) => this.#sibling(each, take));
    const undo = takes.some((each) => each.chosen)
      ? el(
          "button",
          {
            "data-key": "unchoose",
            onclick: () =>
              this.choose(
                takes.find((each) => each.chosen),
                true,
              ),
          },
          "Back to the best by its checks",
        )
      : null;
    refill(
      this.element.querySelector(".siblings"),
      el("h3", {}, `${takes.length} takes of this prompt`),
      el("p", { class: "soft" }, "Datasets have one of them."),
      el("ul", { class: "plain" }, ...lines),
      undo,
    );
  }

  #sibling(each, shown) {
    const here = each.utterance === shown.utterance;
    const used = each.best
      ? badge(each.chosen ? "used, chosen" : "used", "good")
      : el("button", { "data-key": `choose-${each.utterance}`, onclick: () => this.choose(each) }, "Use this one");
    const told = `${when(each.created_at)}, ${qualityOf(each)}`;
    const open = here
      ? el("strong", {}, told)
      : el(
          "button",
          { class: "link", "data-key": `sibling-${each.utterance}`, onclick: () => this.#on.look(each) },
          told,
        );
    return el("li", { class: "row spread" }, open, used);
  }

  choose(take = this.#take, undo = false) {
    if (!take?.prompt_id) return;
    return attempt(async () => {
      await call("recorder/ChooseTake", { ...name(take), undo });
      say(undo ? "The best by its checks is used again." : "This take is used.", "good");
      await this.#on.changed(this.#take);
      await this.#siblings(this.#take);
    });
  }
}

function measured({ checks, quality }) {
  const facts = [];
  if (quality)
    facts.push(
      ["Signal to noise", `${quality.snr_db.toFixed(0)} dB`],
      ["Loudness", `${quality.loudness_lufs.toFixed(1)} LUFS`],
      [
        "Silence",
        `${quality.leading_silence_s.toFixed(1)} s before, ${quality.trailing_silence_s.toFixed(1)} s after`,
      ],
      ["Pace", `${quality.letters_per_s.toFixed(1)} letters a second`],
    );
  if (checks)
    facts.push(
      ["Peak", `${checks.peak_dbfs.toFixed(1)} dBFS`],
      ["Clipped", `${(100 * checks.clipped_fraction).toFixed(2)} %`],
      ["Recorded at", `${checks.source_sample_rate_hz} Hz`],
    );
  return el(
    "dl",
    { class: "facts" },
    ...facts.map(([term, value]) => el("div", {}, el("dt", { class: "soft" }, term), el("dd", {}, value))),
  );
}
