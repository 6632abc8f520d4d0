/** Takes that are not at the server: how many wait, and those that somebody has to decide about. */

import { el, find } from "../shell.js";
import { wavOf } from "../pcm.js";

export class WaitingPanel {
  constructor(outbox, shownElsewhere) {
    Object.assign(this, { outbox, shownElsewhere });
    this.node = el("section", {
      class: "card",
      "aria-labelledby": "refused-title",
      id: "refused",
      hidden: true,
    });
    outbox.addEventListener("changed", () => this.refresh());
    outbox.addEventListener("stuck", () => this.refresh());
  }

  async refresh() {
    const takes = (await this.outbox.items()).filter(({ kind }) => kind === "take");
    const refused = takes.filter(({ id, state }) => state === "refused" && id !== this.shownElsewhere());
    this.#count(takes.filter(({ state }) => state !== "refused").length);
    this.node.hidden = !refused.length;
    this.node.replaceChildren(
      el("h2", { id: "refused-title" }, "Takes that wait for your decision"),
      el("ul", { class: "plain-list" }, ...refused.map((take) => this.#take(take))),
    );
  }

  #count(waiting) {
    const words = waiting === 1 ? "1 take waits" : `${waiting} takes wait`;
    const text = waiting ? `${words}${this.outbox.stuck ? " for the network" : ""}` : "";
    const place = find("#waiting");
    if (place.textContent !== text) place.textContent = text;
    place.className = waiting ? "tag warn" : "";
  }

  #take(take) {
    const keep = () => this.outbox.change(take.id, { state: "waiting", policy: "FAULT_POLICY_ACCEPT_ALL" });
    const url = URL.createObjectURL(wavOf(new Int16Array(take.pcm), take.rate));
    return el(
      "li",
      { class: "stack" },
      el("strong", {}, `“${take.text}”`),
      el("span", { class: "soft" }, `${take.speaker}, ${new Date(take.at).toLocaleString()}`),
      el("ul", {}, ...take.reasons.map((reason) => el("li", {}, reason))),
      el(
        "div",
        { class: "row" },
        take.overrulable === false ? null : el("button", { onclick: keep }, "Keep it anyway"),
        el("a", { class: "button", href: url, download: `${take.prompt}.wav` }, "Download as WAV"),
        el("button", { class: "danger", onclick: () => this.outbox.remove(take.id) }, "Discard"),
      ),
    );
  }
}
