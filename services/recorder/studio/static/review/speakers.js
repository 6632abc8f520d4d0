/** Who speaks here: what they agreed to, and a link with which they record in a browser of their own. */

import { call } from "../rpc.js";
import { attempt, el, say } from "../shell.js";
import { minutes, when } from "../format.js";
import { refill, table } from "../parts.js";
import { ask, show } from "../dialog.js";

export class Speakers {
  element = el("section", { class: "card", "aria-label": "Speakers" });

  draw(speakers) {
    const header = ["Name", "Language", "Takes", "Speech", "Licence", "Consent", "Own browser"];
    const rows = speakers.map((each) => [
      each.name || each.id,
      each.language,
      each.takes,
      minutes(each.minutes),
      each.licence || "–",
      this.#consent(each),
      this.#invite(each),
    ]);
    const content = speakers.length
      ? el("div", { class: "scroll" }, table("By name", header, rows, { class: "stack" }))
      : el("p", { class: "soft" }, "Nobody yet. Whoever records is asked for a name first.");
    refill(this.element, el("h2", {}, "Speakers"), content);
  }

  #consent(speaker) {
    if (!speaker.consented_at) return el("span", { class: "soft" }, "not registered");
    const version = speaker.consent_version ? `, text ${speaker.consent_version}` : "";
    const open = () =>
      show(
        `What ${speaker.name} agreed to`,
        el("p", { class: "soft" }, `${when(speaker.consented_at)}${version}`),
        el("blockquote", {}, speaker.consent),
      );
    return el(
      "button",
      {
        class: "link",
        "data-key": `consent-${speaker.id}`,
        "aria-label": `Consent of ${speaker.name}`,
        onclick: open,
      },
      when(speaker.consented_at),
    );
  }

  #invite(speaker) {
    if (!speaker.consented_at) return "–";
    const label = speaker.invited ? "Invite anew…" : "Invite…";
    return el(
      "button",
      {
        "data-key": `invite-${speaker.id}`,
        "aria-label": `${label} ${speaker.name}`,
        onclick: () => attempt(() => this.#invited(speaker)),
      },
      label,
    );
  }

  async #invited(speaker) {
    const before = speaker.invited ? " The link that they have ends with it." : "";
    const content = [
      el(
        "p",
        {},
        `With the link that is made now, ${speaker.name} records in a browser of their own and hears and deletes their own takes, nobody else's.${before}`,
      ),
    ];
    if (!(await ask({ title: `Invite ${speaker.name}?`, content, action: "Make the link" }))) return;
    const { token } = await call("recorder/InviteSpeaker", { speaker: speaker.id });
    const link = el("input", {
      id: "link",
      readonly: true,
      "aria-label": "Link",
      value: `${location.origin}/#invite=${encodeURIComponent(token)}`,
    });
    const copy = async () => say((await navigator.clipboard.writeText(link.value), "Copied."), "good");
    await show(
      `The link for ${speaker.name}`,
      el("p", {}, "It is shown this once. Whoever has it can record in their name."),
      link,
      el("button", { type: "button", onclick: () => attempt(copy) }, "Copy"),
    );
  }
}
