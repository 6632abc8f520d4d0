/** The review page: takes are found, heard, judged and exported. */

import { call } from "./rpc.js";
import { attempt, el, find, start } from "./shell.js";
import { minutes, plural } from "./format.js";
import { adminsOnly, refill } from "./parts.js";
import { asked, Filter, go, request } from "./review/filter.js";
import { Table } from "./review/table.js";
import { Detail } from "./review/detail.js";
import { Bulk, exporting } from "./review/bulk.js";
import { Speakers } from "./review/speakers.js";
import { isOpen } from "./dialog.js";

const PAGE = 50;
const KEYS = [
  ["↑ ↓", "the take before, the next one"],
  ["Space", "play or pause"],
  ["A", "accept, and on to the next"],
  ["X", "reject with a reason"],
  ["B", "use this take of its prompt"],
  ["E", "correct the text"],
  ["Del", "delete"],
  ["C", "select, for many at once"],
];

start(async (caller) => {
  if (adminsOnly(caller, "Review", "Here the takes of all speakers are heard and judged.")) return;
  await new Page().begin();
});

class Page {
  #table = new Table({ open: (take) => this.#detail.open(take), select: () => this.#bulk.draw() });
  #detail = new Detail({
    changed: (take) => this.#changed(take),
    next: () => this.#table.move(1),
    look: (take) => this.#look(take),
  });
  #bulk = new Bulk(this.#table, () => this.#changed(null));
  #speakers = new Speakers();
  #filter;
  #next = "";
  #round = 0;

  async begin() {
    const [{ speakers }, { lists }] = await Promise.all([
      call("recorder/ListSpeakers"),
      call("recorder/ListPromptLists"),
    ]);
    this.#filter = new Filter(speakers, lists, () => attempt(() => this.load()));
    this.#speakers.draw(speakers);
    const head = el(
      "div",
      { class: "row spread" },
      el("h1", {}, "Review"),
      el("p", { class: "soft", id: "count", role: "status" }),
      exporting(),
    );
    const list = el(
      "section",
      { class: "card", "aria-label": "Takes" },
      this.#bulk.element,
      this.#table.element,
      el("div", { id: "pages", class: "row spread" }),
    );
    const keys = el(
      "details",
      { class: "keys" },
      el("summary", {}, "Keys"),
      el("ul", { class: "plain" }, ...KEYS.map(([key, does]) => el("li", {}, el("kbd", {}, key), ` ${does}`))),
    );
    find("#main").replaceChildren(
      head,
      this.#filter.element,
      el("div", { class: "sides" }, list, el("div", { class: "aside" }, this.#detail.element, keys)),
      this.#speakers.element,
    );
    addEventListener("popstate", () => attempt(() => (this.#filter.follow(), this.load())));
    document.addEventListener("keydown", (event) => this.#key(event));
    await this.load();
  }

  /** The page of takes that the address asks for. The answer to an older question is not shown. */
  async load() {
    const round = ++this.#round;
    const found = await call("recorder/ListTakes", { ...request(asked()), limit: PAGE });
    if (round !== this.#round) return;
    this.#next = found.next;
    find("#count").textContent = `${plural(found.total, "take")}, ${minutes(found.minutes)}`;
    this.#table.show(found.takes);
    this.#bulk.draw(found.total);
    this.#pages();
    if (!found.takes.length)
      this.#table.element.append(
        el(
          "p",
          { class: "soft" },
          "No take is found. Ask for less above, or ",
          el("a", { href: "/" }, "record one"),
          ".",
        ),
      );
  }

  #pages() {
    const turn = (after) => () => attempt(() => (go({ ...asked(), after }), scrollTo(0, 0), this.load()));
    const first = asked().after ? el("button", { "data-key": "first", onclick: turn("") }, "Newest") : null;
    const back = asked().after ? el("button", { "data-key": "newer", onclick: () => history.back() }, "Back") : null;
    const more = this.#next ? el("button", { "data-key": "older", onclick: turn(this.#next) }, "Older takes") : null;
    refill(find("#pages"), el("div", { class: "row" }, ...[first, back].filter(Boolean)), more);
  }

  /** Shows what is there now; `take` is the one to stay on, as it is called now. */
  async #changed(take) {
    if (take) this.#table.follow(take);
    await this.load();
    this.#speakers.draw((await call("recorder/ListSpeakers")).speakers);
  }

  /** A take that may be on another page. */
  #look(take) {
    this.#table.follow(take);
    if (this.#table.current) this.#table.show(this.#table.takes);
    else this.#detail.open(take);
  }

  #key(event) {
    const target = event.target;
    const typing = target.matches("input:not([type=checkbox]), textarea, select");
    if (typing || isOpen() || event.ctrlKey || event.metaKey || event.altKey) return;
    const pressing = event.key === " " && target.matches("button, summary, input, a");
    const work = pressing ? null : this.#work(event.key);
    if (!work) return;
    event.preventDefault();
    work();
  }

  #work(key) {
    const detail = this.#detail;
    const known = {
      ArrowDown: () => this.#table.move(1),
      ArrowUp: () => this.#table.move(-1),
      " ": () => detail.play(),
      a: () => detail.accept(),
      x: () => detail.reject(),
      b: () => detail.choose(),
      e: () => detail.correct(),
      c: () => this.#toggle(),
      Delete: () => detail.remove(),
    };
    return known[key.length === 1 ? key.toLowerCase() : key];
  }

  #toggle() {
    const take = this.#table.current;
    if (!take) return;
    const box = this.#table.element.querySelector('tr[aria-current="true"] input');
    box.checked = !box.checked;
    this.#table.select(take, box.checked);
  }
}
