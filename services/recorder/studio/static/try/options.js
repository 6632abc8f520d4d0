/** What may be asked for beside the text. */

import { el, find } from "../shell.js";
import { field, select } from "../parts.js";

const MAX_HOT_WORDS = 1000;

export function options() {
  const hot = el("input", { id: "hot", autocomplete: "off", placeholder: "Llanfair, Boris, gRPC" });
  const boost = el("input", { id: "boost", type: "range", min: 0.5, max: 10, step: 0.5, value: 2 });
  const count = select(
    "count",
    [
      ["1", "the best text only"],
      ["3", "three"],
      ["5", "five"],
      ["10", "ten"],
    ],
    "1",
  );
  const fields = [
    field("Words that it may hold", hot, "With commas between; each becomes likelier"),
    field("How much likelier", boost),
    field("Ways to hear it", count),
  ];
  return el(
    "details",
    { class: "options" },
    el("summary", {}, "Hot words and alternatives"),
    el("div", { class: "fields" }, ...fields),
  );
}

/** RecognitionOptions. */
export function asked() {
  const phrases = find("#hot")
    .value.split(",")
    .map((phrase) => phrase.trim())
    .filter(Boolean)
    .slice(0, MAX_HOT_WORDS);
  const boost = Number(find("#boost").value);
  return { hot_words: phrases.map((phrase) => ({ phrase, boost })), max_alternatives: Number(find("#count").value) };
}
