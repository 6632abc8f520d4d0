/** The transcript: final words by how sure the model is, and what it thinks it hears just now. */

import { el } from "../shell.js";
import { announce } from "../parts.js";

/** From which confidence on a word counts as such; told by a line below it as well as by its colour. */
const LEVELS = [
  [0.9, "sure", "90 % and more"],
  [0.6, "unsure", "60 to 90 %"],
  [0, "doubtful", "under 60 %"],
];
const levelOf = (confidence) => LEVELS.find(([from]) => confidence >= from)[1];
const seconds = (ms) => (ms / 1000).toFixed(2);
const KEYS = { ArrowRight: 1, ArrowLeft: -1 };

export const legend = () =>
  el(
    "ul",
    { class: "levels soft", "aria-label": "How sure the model is of a word" },
    ...LEVELS.map(([, name, range]) => el("li", {}, el("span", { class: `word ${name}` }, name), ` ${range}`)),
  );

export class Transcript {
  #finals = el("div", {
    class: "finals",
    role: "group",
    "aria-label": "Text, word by word: left and right go from word to word, Enter plays one",
  });
  #interim = el("p", { class: "interim" });
  #told = el("p", { class: "soft about", role: "status" });
  #before = []; // words of the interim result before
  #play;
  words = [];
  texts = [];

  /** `play(start_ms, end_ms)` lets a word be heard. */
  constructor(play) {
    this.#play = play;
    this.element = el("div", { class: "transcript" }, this.#finals, this.#interim, this.#told);
    this.#finals.addEventListener("keydown", (event) => this.#walk(event));
  }

  get text() {
    return this.texts.join("\n");
  }

  add(result) {
    if (!result.is_final) return this.#guess(result.words);
    this.#before = [];
    this.#interim.replaceChildren();
    if (!result.text) return;
    this.texts.push(result.text);
    this.words.push(...result.words);
    this.#finals.append(
      el(
        "p",
        {},
        el("span", { class: "at soft" }, seconds(result.start_ms)),
        ...result.words.flatMap((word) => [this.#word(word), " "]),
      ),
    );
    if (result.alternatives?.length > 1) this.#finals.append(others(result.alternatives));
    this.#finals.querySelector("button").tabIndex = 0;
    announce(result.text);
  }

  /** Words that the result before had in the same places are likely to stay. */
  #guess(words) {
    const texts = words.map((word) => word.text);
    const changed = texts.findIndex((text, at) => text !== this.#before[at]);
    const stable = changed < 0 ? texts.length : changed;
    this.#before = texts;
    const part = (name, from, to) => el("span", { class: name }, texts.slice(from, to).join(" "));
    this.#interim.replaceChildren(part("stable", 0, stable), " ", part("unstable", stable, texts.length));
  }

  #word(word) {
    const level = levelOf(word.confidence);
    const share = `${Math.round(100 * word.confidence)} %`;
    const tell = () =>
      (this.#told.textContent = `“${word.text}”: ${share} sure, ${seconds(word.start_ms)} to ${seconds(word.end_ms)} s`);
    const play = () => this.#play(word.start_ms, word.end_ms);
    const events = { onfocus: tell, onmouseenter: tell, onclick: play };
    return el(
      "button",
      { class: `word ${level}`, tabindex: -1, "aria-label": `${word.text}, ${share} sure`, ...events },
      word.text,
    );
  }

  /** All words are one stop of the tab key. */
  #walk(event) {
    const buttons = [...this.#finals.querySelectorAll(".word")];
    const at = buttons.indexOf(event.target);
    const to = { Home: 0, End: buttons.length - 1 }[event.key] ?? at + (KEYS[event.key] ?? NaN);
    if (at < 0 || !buttons[to]) return;
    event.preventDefault();
    buttons[at].tabIndex = -1;
    buttons[to].tabIndex = 0;
    buttons[to].focus();
  }
}

const others = (alternatives) =>
  el(
    "details",
    { class: "others" },
    el("summary", {}, `${alternatives.length - 1} other ways to hear it`),
    el(
      "ol",
      { start: 2 },
      ...alternatives
        .slice(1)
        .map(({ text, confidence }) =>
          el("li", {}, text || "(nothing)", el("span", { class: "soft" }, ` ${Math.round(100 * confidence)} %`)),
        ),
    ),
  );
