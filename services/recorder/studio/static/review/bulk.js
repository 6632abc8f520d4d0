/** What is done with many takes at once, and their export. */

import { call, exportUrl } from "../rpc.js";
import { attempt, el, say } from "../shell.js";
import { plural } from "../format.js";
import { refill, select } from "../parts.js";
import { askReason } from "./detail.js";
import { asked, request } from "./filter.js";
import { ask } from "../dialog.js";

const BATCH = 1000; // of ListTakes and ReviewTakes
const FORMATS = [
  ["EXPORT_FORMAT_CSV", "CSV"],
  ["EXPORT_FORMAT_JSONL", "JSON lines"],
  ["EXPORT_FORMAT_LJSPEECH", "LJSpeech"],
];
const name = ({ utterance, speaker }) => ({ utterance, speaker });

/** All takes that the filter finds, whatever page they are on. */
async function found(filter) {
  const takes = [];
  let after = "";
  do {
    const page = await call("recorder/ListTakes", { ...request(filter), after, limit: BATCH });
    takes.push(...page.takes);
    after = page.next;
  } while (after);
  return takes;
}

export class Bulk {
  element = el("div", { class: "bulk row", role: "region", "aria-label": "Selected takes", hidden: true });
  #table;
  #changed;
  #total = 0;

  constructor(table, changed) {
    this.#table = table;
    this.#changed = changed;
  }

  /** `total`: how many the filter finds. */
  draw(total = this.#total) {
    this.#total = total;
    const { selected, takes } = this.#table;
    this.element.hidden = !selected.size;
    const act = (key, label, work, more = {}) =>
      el("button", { "data-key": key, onclick: () => attempt(work), ...more }, label);
    const rest =
      total > takes.length && selected.size < total
        ? act("everything", `Select all ${total.toLocaleString("en")} found`, () => this.#everything())
        : null;
    refill(
      this.element,
      el("strong", { role: "status" }, `${plural(selected.size, "take")} selected`),
      rest,
      act("bulk-accept", "Accept", () => this.#judge("VERDICT_ACCEPTED", "")),
      act("bulk-reject", "Reject…", () => this.#reject()),
      act("bulk-back", "Take verdicts back", () => this.#judge("VERDICT_UNSPECIFIED", "")),
      act("bulk-delete", "Delete…", () => this.#remove(), { class: "danger" }),
      act("none", "Select none", () => this.#table.unselect()),
    );
  }

  async #everything() {
    for (const take of await found(asked())) this.#table.select(take, true);
    this.#table.show(this.#table.takes);
  }

  async #reject() {
    const reason = await askReason(`Reject ${plural(this.#table.selected.size, "take")}?`);
    if (reason) await this.#judge("VERDICT_REJECTED", reason);
  }

  async #judge(verdict, reason) {
    const takes = [...this.#table.selected.values()].map(name);
    let changed = 0;
    for (let at = 0; at < takes.length; at += BATCH) {
      changed += (await call("recorder/ReviewTakes", { takes: takes.slice(at, at + BATCH), verdict, reason }))
        .changed;
    }
    await this.#done(`${plural(changed, "take")} changed.`);
  }

  async #remove() {
    const takes = [...this.#table.selected.values()];
    const content = [el("p", {}, "They leave the store and all later datasets. There is no way back.")];
    if (
      !(await ask({
        title: `Delete ${plural(takes.length, "take")}?`,
        content,
        action: "Delete for good",
        danger: true,
      }))
    )
      return;
    let gone = 0;
    try {
      for (const take of takes) {
        await call("recorder/DeleteRecording", name(take));
        gone += 1;
      }
    } finally {
      await this.#done(`${plural(gone, "take")} deleted.`);
    }
  }

  async #done(told) {
    this.#table.unselect();
    say(told, "good");
    await this.#changed();
  }
}

/** A choice of format, and the link that downloads all takes that the filter finds. */
export function exporting() {
  const format = select("format", FORMATS, FORMATS[0][0], { "aria-label": "Format of the export" });
  const url = () =>
    exportUrl(`takes-${new Date().toISOString().slice(0, 10)}`, { takes: request(asked()), format: format.value });
  const link = el(
    "a",
    { class: "button", href: "#", download: "", onclick: () => (link.href = url()) },
    "Export these",
  );
  return el("div", { class: "row" }, format, link);
}
