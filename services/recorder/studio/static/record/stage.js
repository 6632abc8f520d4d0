/** What is seen while recording: the prompt, the sound, the buttons and what was found of a take. */

import { el } from "../shell.js";
import { drawTake, Live } from "./wave.js";

const QUIETEST_DB = -60;

/** [id, key that is shown, words, action] */
const BUTTONS = [
  ["retake", "R", "Re-take", "retake"],
  ["play", "P", "Play", "play"],
  ["edit", "E", "Edit text", "edit"],
  ["skip", "S", "Skip", "skip"],
  ["flag", "F", "Flag", "flag"],
  ["delete", "Del", "Delete", "remove"],
];

const button = (id, key, words, onclick, kind = "") =>
  el(
    "button",
    { id, class: kind, onclick, "aria-keyshortcuts": key === "Del" ? "Delete" : key },
    el("span", {}, words),
    el("kbd", { "aria-hidden": "true" }, key),
  );

export class Stage {
  #pending = 0;

  /** `actions`: the Desk, whose methods the buttons call. */
  constructor(actions) {
    this.actions = actions;
    this.counter = el("p", { class: "soft", id: "counter" });
    this.tags = el("p", { class: "row", id: "tags" });
    this.prompt = el("p", { class: "prompt", id: "prompt" }, "…");
    this.canvas = el("canvas", { id: "wave", "aria-hidden": "true" });
    this.bar = el("div", { class: "bar" });
    this.meter = el(
      "div",
      {
        id: "meter",
        role: "meter",
        "aria-label": "Input level in decibels",
        "aria-valuemin": QUIETEST_DB,
        "aria-valuemax": 0,
        "aria-valuenow": QUIETEST_DB,
      },
      this.bar,
    );
    this.verdict = el("span", { class: "soft", id: "level" });
    this.record = el("button", {
      id: "record",
      class: "primary",
      onclick: () => actions.toggle(),
      "aria-keyshortcuts": "Space",
    });
    this.state = el("span", { class: "unseen", role: "status", id: "state" });
    this.result = el("div", { id: "result", role: "status" });
    this.live = new Live(this.canvas);
    this.node = this.#build();
    this.setRecording(false);
    new ResizeObserver(() => this.redraw()).observe(this.canvas);
  }

  #build() {
    const more = BUTTONS.map(([id, key, words, action]) =>
      button(id, key, words, () => this.actions[action]()),
    );
    return el(
      "section",
      { class: "card stage", "aria-labelledby": "counter" },
      el("div", { class: "row spread" }, this.counter, this.tags),
      this.prompt,
      this.canvas,
      el("div", { class: "levels" }, this.meter, this.verdict),
      el(
        "div",
        { class: "main-buttons" },
        button("back", "←", "Back", () => this.actions.back()),
        this.record,
        button("next", "→", "Next", () => this.actions.next()),
      ),
      el("div", { class: "more-buttons" }, ...more),
      this.state,
      this.result,
    );
  }

  /** `counted`: words such as "12 of 1,852 recorded". */
  showPrompt(item, language, counted) {
    this.counter.textContent = counted;
    this.prompt.lang = language;
    this.prompt.dataset.id = item?.id ?? "";
    this.prompt.textContent = item
      ? (item.said ?? item.text)
      : "That was the last prompt of this list. Choose another list, or go back and listen.";
    const takes = item ? item.takes.length + (item.earlier ?? 0) : 0;
    const tag = (words, kind = "soft") => el("span", { class: `tag ${kind}` }, words);
    this.tags.replaceChildren(
      ...(item?.because ? [tag(item.because)] : []),
      ...(takes ? [tag(`✓ ${takes === 1 ? "1 take" : `${takes} takes`}`, "good")] : []),
      ...(item?.skipped ? [tag(`skipped: ${item.skipped}`, "warn")] : []),
      ...(item?.flagged ? [tag(`⚑ ${item.flagged}`, "warn")] : []),
    );
    const of = this.result.querySelector("[data-prompt]");
    if (of) of.hidden = of.dataset.prompt === item?.id;
    this.node.classList.toggle("long", (item?.text.length ?? 0) > 90);
    this.record.disabled = !item || !this.ready;
  }

  /** Whether there is a microphone. */
  setReady(ready) {
    this.ready = ready;
    this.record.disabled = !ready || !this.prompt.dataset.id;
  }

  setRecording(on) {
    this.node.classList.toggle("on", on);
    this.record.replaceChildren(
      el("span", { class: on ? "square" : "dot", "aria-hidden": "true" }),
      on ? "Stop" : "Record",
      el("kbd", { "aria-hidden": "true" }, "Space"),
    );
    this.state.textContent = on ? "Recording" : "";
    for (const other of this.node.querySelectorAll(".more-buttons button, #back, #next")) other.disabled = on;
    if (on) this.live.restart();
  }

  hear(samples, level_db, recording) {
    if (recording) this.live.hear(samples);
    const share = Math.max(0, Math.min(1, (level_db - QUIETEST_DB) / -QUIETEST_DB));
    this.loudest = Math.max(share, (this.loudest ?? 0) * 0.95);
    if (!this.#pending) this.#pending = requestAnimationFrame(() => this.#paint(recording));
  }

  #paint(recording) {
    this.#pending = 0;
    this.bar.style.transform = `scaleX(${this.loudest})`;
    const level_db = Math.round(QUIETEST_DB * (1 - this.loudest));
    this.meter.setAttribute("aria-valuenow", level_db);
    const words = level_db > -6 ? "too loud" : level_db > -34 ? "good level" : "quiet";
    if (this.verdict.textContent !== words) this.verdict.textContent = words;
    if (recording) this.live.draw();
  }

  showTake(pcm) {
    this.pcm = pcm;
    this.redraw();
  }

  redraw() {
    drawTake(this.canvas, this.pcm ?? new Int16Array(0));
  }

  /** Of the prompt on the page; once another one follows, it says of which it is. */
  say(kind, title, ...body) {
    const of = el(
      "p",
      { class: "soft", hidden: true, "data-prompt": this.prompt.dataset.id },
      `“${this.prompt.textContent}”`,
    );
    this.result.replaceChildren(
      el("div", { class: `box ${kind}`, "data-kind": kind }, of, el("p", {}, title), ...body),
    );
  }

  /** The id of the prompt whose take was found good, or kept, as the result says. */
  get settled() {
    return this.result.querySelector(".good [data-prompt], .warn [data-prompt]")?.dataset.prompt;
  }

  clear() {
    this.result.replaceChildren();
  }

  /** Reasons against a take, and what can be done about it. The focus goes to reading it again; when the
   *  reasons are `renewed`, it stays where somebody has moved it. */
  showFaults(faults, overrulable, renewed) {
    const on = this.result.contains(document.activeElement) ? document.activeElement.id : "";
    const again = el(
      "button",
      { id: "again", class: "primary", onclick: () => this.actions.retake() },
      "Read it again",
      el("kbd", { "aria-hidden": "true" }, "R"),
    );
    const keep = overrulable
      ? el("button", { id: "keep", onclick: () => this.actions.keepAnyway() }, "Keep it anyway")
      : null;
    const reasons = el("ul", {}, ...faults.map((reason) => el("li", {}, reason)));
    this.say("bad", "✗ Better read it again:", reasons, el("div", { class: "row" }, again, keep));
    if (on === "keep" && keep) keep.focus();
    else if (on || !renewed) again.focus();
  }
}

/** What the model heard: words it heard otherwise are struck out, and those in their place underlined. */
export function differing(hearing) {
  const words = hearing.words.flatMap(({ prompt, heard }) => {
    if (prompt === heard) return [prompt, " "];
    const read = prompt ? [el("del", {}, el("span", { class: "unseen" }, "instead of "), prompt), " "] : [];
    const said = heard ? [el("ins", {}, el("span", { class: "unseen" }, "heard "), heard), " "] : [];
    return [...read, ...said];
  });
  if (hearing.wer === 0) return el("p", { class: "soft" }, "The model heard just that.");
  return el(
    "div",
    { class: "heard" },
    el("p", { class: "soft" }, `The model (${hearing.model}) heard:`),
    el("p", {}, ...words),
  );
}
