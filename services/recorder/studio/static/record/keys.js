/** Keys of the record page. While somebody types, or a dialog is open, they do nothing. */

import { el } from "../shell.js";
import { show } from "./dialogs.js";

/** [keys, as they are shown, what they do, action of the Desk] */
const KEYS = [
  [[" ", "Enter"], ["Space", "Enter"], "start and stop", "toggle"],
  [["Escape"], ["Esc"], "give a recording up", "cancel"],
  [["ArrowLeft"], ["←"], "prompt before", "back"],
  [["ArrowRight"], ["→"], "prompt after", "next"],
  [["r"], ["R"], "record this prompt, or the one just read, again", "retake"],
  [["p"], ["P"], "play the take", "play"],
  [["e"], ["E"], "edit the text to what is said", "edit"],
  [["s"], ["S"], "skip the prompt, with a reason; again: take that back", "skip"],
  [["f"], ["F"], "flag the prompt, with a reason; again: take that back", "flag"],
  [["Delete"], ["Del"], "delete the last take", "remove"],
];

export function showKeys() {
  const rows = KEYS.map(([, shown, what]) =>
    el(
      "tr",
      {},
      el("th", { scope: "row" }, ...shown.flatMap((key, place) => [place ? " or " : "", el("kbd", {}, key)])),
      el("td", {}, what),
    ),
  );
  return show("Keys", el("table", {}, el("tbody", {}, ...rows)));
}

export function listen(desk) {
  addEventListener("keydown", (event) => {
    if (
      event.ctrlKey ||
      event.metaKey ||
      event.altKey ||
      event.repeat ||
      document.querySelector("dialog[open]")
    )
      return;
    if (event.target.closest("input, select, textarea, [contenteditable]")) return;
    const pressing = event.key === " " || event.key === "Enter";
    if (pressing && event.target.closest("button, a, summary")) return; // they press what has the focus
    const found = KEYS.find(([keys]) =>
      keys.includes(event.key.length === 1 ? event.key.toLowerCase() : event.key),
    );
    if (!found && event.key !== "?") return;
    event.preventDefault();
    if (found) desk[found[3]]();
    else showKeys();
  });
  // After a click Space records again, and does not press that button once more.
  addEventListener("click", (event) => {
    if (event.detail > 0 && event.target.closest(".main-buttons button, .more-buttons button"))
      desk.stage.record.focus();
  });
}
