/** Which takes are looked at: a form, and the same in the address, so that it can be shared and gone back to. */

import { el } from "../shell.js";
import { field, select } from "../parts.js";
import { words } from "../format.js";

const VERDICTS = [
  ["", "any verdict"],
  ["VERDICT_OPEN", "not judged yet"],
  ["VERDICT_ACCEPTED", "accepted"],
  ["VERDICT_REJECTED", "rejected"],
];
const CHECKS = [
  "clipped",
  "too_quiet",
  "too_loud",
  "noisy",
  "no_quiet",
  "beginning_cut",
  "end_cut",
  "too_fast",
  "too_slow",
  "other_pace",
  "other_sound",
  "low_rate",
  "dc_offset",
  "silence",
  "long",
  "narrow_band",
];
const NAMES = ["search", "speaker", "prompt_list", "verdict", "check"];
const TYPING_MS = 400;

/** The fields of a ListTakesRequest as the address has them. `after`: where the page begins. */
export function asked() {
  const query = new URLSearchParams(location.search);
  const found = Object.fromEntries([...NAMES, "after"].map((name) => [name, query.get(name) ?? ""]));
  if (!VERDICTS.some(([value]) => value === found.verdict)) found.verdict = "";
  return found;
}

/** Those fields as a request: an enum has no empty value. */
export function request({ verdict, ...filter }) {
  return verdict ? { ...filter, verdict } : filter;
}

/** Puts it into the address; `replace`: without a step for the back button. */
export function go(filter, replace = false) {
  const query = new URLSearchParams(Object.entries(filter).filter(([, value]) => value));
  const url = `${location.pathname}${query.size ? "?" : ""}${query}`;
  if (replace) history.replaceState(null, "", url);
  else history.pushState(null, "", url);
}

export class Filter {
  #changed;
  #typing = 0;

  /** `changed()` is called when the address has another filter. */
  constructor(speakers, lists, changed) {
    this.#changed = changed;
    const by = (all) => ["", all];
    const now = asked();
    const pick = (id, label, options) =>
      field(label, select(id, options, now[id], { onchange: () => this.#apply(false) }));
    const search = el("input", {
      id: "search",
      type: "search",
      value: now.search,
      autocomplete: "off",
      oninput: () => this.#typed(),
    });
    const known = (options, value) =>
      value && !options.some(([each]) => each === value) ? [...options, [value, value]] : options;
    const form = el(
      "form",
      { class: "filter", role: "search", onsubmit: (event) => (event.preventDefault(), this.#apply(false)) },
      field("Words", search),
      pick(
        "speaker",
        "Speaker",
        known([by("all speakers"), ...speakers.map(({ id, name }) => [id, name || id])], now.speaker),
      ),
      pick(
        "prompt_list",
        "List",
        known([by("all lists"), ...lists.map(({ name }) => [name, name])], now.prompt_list),
      ),
      pick("verdict", "Verdict", VERDICTS),
      pick("check", "Accepted despite", [
        by("any or nothing"),
        ["any", "any check"],
        ...CHECKS.map((name) => [name, words(name)]),
      ]),
    );
    const open = matchMedia("(min-width: 40rem)").matches || NAMES.some((name) => now[name]);
    this.element = el("details", { open }, el("summary", {}, "Filter"), form);
  }

  /** The form as the address has it, after the back button. */
  follow() {
    const now = asked();
    for (const name of NAMES) this.element.querySelector(`#${name}`).value = now[name];
  }

  #typed() {
    clearTimeout(this.#typing);
    this.#typing = setTimeout(() => this.#apply(true), TYPING_MS);
  }

  #apply(replace) {
    clearTimeout(this.#typing);
    go(Object.fromEntries(NAMES.map((name) => [name, this.element.querySelector(`#${name}`).value.trim()])), replace);
    this.#changed();
  }
}
