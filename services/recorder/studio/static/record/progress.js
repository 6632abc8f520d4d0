/** How far somebody has come with a list. */

import { el } from "../shell.js";
import { call } from "../rpc.js";

const count = (number) => number.toLocaleString("en");

export class ProgressPanel {
  constructor() {
    this.node = el("section", { class: "card", "aria-labelledby": "progress-title", id: "progress" });
  }

  /** Asks anew; without a network what was known last stays. */
  async refresh({ speaker, list }) {
    const request = { speaker, list };
    const found = await call("recorder/GetProgress", request).catch(() => null);
    if (found) this.known = { ...found, speaker, list };
    if (this.known?.list !== list || this.known?.speaker !== speaker) this.known = null;
    this.#draw();
  }

  get words() {
    return this.known ? `${count(this.known.recorded)} of ${count(this.known.prompts)} recorded` : "";
  }

  #draw() {
    const known = this.known;
    this.node.hidden = !known;
    if (!known) return;
    const missing = known.recorded ? known.missing_characters.join(" ") : "";
    this.node.replaceChildren(
      el("h2", { id: "progress-title" }, "Progress"),
      el(
        "div",
        { class: "bars" },
        bar("Prompts", known.recorded, known.prompts),
        bar("Characters", known.characters_covered, known.characters),
        known.sounds ? bar("Pairs of sounds", known.sounds_covered, known.sounds) : null,
      ),
      el(
        "p",
        { class: "soft" },
        `${known.minutes.toFixed(1)} minutes, ${count(known.takes)} takes, ` +
          `${count(known.skipped)} skipped, ${count(known.flagged)} flagged`,
      ),
      el("p", { class: "soft", hidden: !missing }, "Not said yet: ", el("span", { id: "missing" }, missing)),
    );
  }
}

function bar(name, value, max) {
  return el(
    "div",
    {},
    el("span", {}, name),
    el("progress", { value, max: Math.max(max, 1), "aria-label": name }),
    el("span", { class: "soft" }, `${count(value)} of ${count(max)}`),
  );
}
