/** The takes of a page as a table, on a phone as cards: one is current, any number is selected. */

import { el } from "../shell.js";
import { ago, clock, words } from "../format.js";
import { badge, refill } from "../parts.js";

const VERDICTS = { VERDICT_ACCEPTED: ["accepted", "good"], VERDICT_REJECTED: ["rejected", "bad"] };

export const keyOf = (take) => `${take.speaker}/${take.utterance}`;

export function verdictBadge(take) {
  const [word, kind] = VERDICTS[take.verdict] ?? ["open", "soft"];
  return badge(word, kind);
}

/** SNR and loudness in short. */
export function qualityOf(take) {
  if (!take.quality) return "not measured";
  return `${Math.round(take.quality.snr_db)} dB SNR, ${Math.round(take.quality.loudness_lufs)} LUFS`;
}

export class Table {
  element = el("div", {});
  takes = [];
  selected = new Map(); // key -> take, of this page and of those before
  #current = "";
  #on;

  /** `on` has `open(take)` when another take becomes the current one, and `select()`. */
  constructor(on) {
    this.#on = on;
  }

  get current() {
    return this.takes.find((take) => keyOf(take) === this.#current);
  }

  /** A page. The current take stays if it is on it, else the first one is. */
  show(takes) {
    this.takes = takes;
    if (!this.current) this.#current = takes.length ? keyOf(takes[0]) : "";
    const all = el("input", {
      type: "checkbox",
      id: "all",
      "data-key": "all",
      "aria-label": "Select all on this page",
      onchange: () => this.selectPage(all.checked),
    });
    all.checked = takes.length > 0 && takes.every((take) => this.selected.has(keyOf(take)));
    const names = ["Said", "Length", "SNR", "Verdict"];
    const head = el(
      "tr",
      {},
      el("th", { scope: "col" }, all),
      ...names.map((name) => el("th", { scope: "col" }, name)),
    );
    refill(
      this.element,
      el(
        "table",
        { class: "takes" },
        el("caption", { class: "unseen" }, "Takes, newest first"),
        el("thead", {}, head),
        el("tbody", {}, ...takes.map((take) => this.#row(take))),
      ),
    );
    this.#on.open(this.current);
  }

  #row(take) {
    const key = keyOf(take);
    const box = el("input", {
      type: "checkbox",
      "data-key": `select-${key}`,
      "aria-label": `Select “${take.text}”`,
      onchange: () => this.select(take, box.checked),
    });
    box.checked = this.selected.has(key);
    const open = el(
      "button",
      { class: "link", "data-key": `open-${key}`, onclick: () => this.#open(key) },
      take.text,
    );
    const marks = [
      ...take.accepted_anyway.map((name) => badge(words(name), "warn")),
      take.chosen ? badge("chosen", "good") : null,
      take.best || !take.prompt_id ? null : badge("another is used"),
    ];
    const told = `${take.speaker_name || take.speaker} · ${ago(take.created_at)}`;
    return el(
      "tr",
      { "data-take": key, "aria-current": key === this.#current ? "true" : null },
      el("td", {}, box),
      el(
        "td",
        {},
        open,
        el("div", { class: "row marks" }, el("span", { class: "soft" }, told), ...marks.filter(Boolean)),
      ),
      el("td", {}, clock(take.checks?.duration_s ?? 0)),
      el("td", {}, take.quality ? `${Math.round(take.quality.snr_db)} dB` : "–"),
      el("td", {}, verdictBadge(take), take.reason ? el("div", { class: "soft reason" }, take.reason) : null),
    );
  }

  #open(key) {
    this.#current = key;
    for (const row of this.element.querySelectorAll("tbody tr")) {
      if (row.dataset.take === key) row.setAttribute("aria-current", "true");
      else row.removeAttribute("aria-current");
    }
    this.#on.open(this.current);
  }

  /** The take `by` further down becomes the current one; whether there is one. */
  move(by) {
    const at = this.takes.findIndex((take) => keyOf(take) === this.#current) + by;
    if (!this.takes[at]) return false;
    this.#open(keyOf(this.takes[at]));
    const button = this.element.querySelector(`[data-key="${CSS.escape(`open-${this.#current}`)}"]`);
    button.focus({ preventScroll: true });
    button.scrollIntoView({ block: "center" });
    return true;
  }

  follow(take) {
    this.#current = keyOf(take);
  }

  select(take, on) {
    if (on) this.selected.set(keyOf(take), take);
    else this.selected.delete(keyOf(take));
    this.#on.select();
  }

  selectPage(on) {
    for (const take of this.takes) {
      if (on) this.selected.set(keyOf(take), take);
      else this.selected.delete(keyOf(take));
    }
    for (const box of this.element.querySelectorAll("input[type=checkbox]")) box.checked = on;
    this.#on.select();
  }

  unselect() {
    this.selected.clear();
    for (const box of this.element.querySelectorAll("input[type=checkbox]")) box.checked = false;
    this.#on.select();
  }
}
