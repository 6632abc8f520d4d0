/** The room check: three seconds of silence, then a sentence. Kept for each microphone, so that the next
 *  session can be made to sound like this one. */

import { el } from "../shell.js";
import { Ending } from "./ending.js";
import { toPcm16 } from "../pcm.js";
import { decibel, measure } from "./signal.js";

const SILENCE_S = 3;
const LONGEST_S = 12;
const SENTENCE = "The room is quiet now, and this is how loud I am going to read.";
const OTHER_DB = 6; // such a difference between sessions is heard
const key = (microphone) => `voxloom-room ${microphone.label}`;

export const lastRoom = (microphone) => JSON.parse(localStorage.getItem(key(microphone)) ?? "null");

/** {noise_db, level_db, snr_db, peak_db, clipped}: advice as [kind, words], the most urgent first. */
export function advise(room, before) {
  const found = [];
  if (room.clipped > 0 || room.peak_db > -1)
    found.push([
      "bad",
      "It is too loud and breaks up. Lower the input level, or go a hand's width further away.",
    ]);
  else if (room.level_db > -12) found.push(["warn", "It is rather loud. Lower the input level a little."]);
  if (room.level_db < -45)
    found.push(["bad", "You are hardly heard. Raise the input level, or come nearer to the microphone."]);
  else if (room.level_db < -36)
    found.push(["warn", "You are rather quiet. A hand's width from the microphone is best."]);
  if (room.snr_db < 12)
    found.push([
      "bad",
      "The room is too noisy. Switch off fans, shut the window, come nearer to the microphone.",
    ]);
  else if (room.snr_db < 22)
    found.push(["warn", "Some noise is heard. A softer room, or a nearer microphone, makes it better."]);
  return [...found, ...compare(room, before)];
}

function compare(room, before) {
  if (!before) return [];
  const words = (now, then, more, less) => {
    const difference = Math.round(now - then);
    if (Math.abs(difference) < OTHER_DB) return [];
    return [["warn", `${Math.abs(difference)} dB ${difference > 0 ? more : less} than last time.`]];
  };
  return [
    ...words(room.noise_db, before.noise_db, "noisier", "less noise"),
    ...words(room.level_db, before.level_db, "louder", "quieter"),
  ];
}

/** Hears for so long, or until `over()`; what was heard. */
function listen(microphone, longest_s, hear = () => {}, over = () => false) {
  return new Promise((resolve) => {
    const blocks = [];
    let seconds = 0;
    const listener = (samples, level_db) => {
      blocks.push(samples.slice());
      seconds += samples.length / microphone.rate;
      hear(level_db, samples.length / microphone.rate, seconds);
      if (seconds < longest_s && !over()) return;
      microphone.listeners.delete(listener);
      resolve(toPcm16(blocks));
    };
    microphone.listeners.add(listener);
  });
}

async function hearRoom(microphone, tell) {
  const ending = new Ending();
  tell("Be silent", "Listening to the room for three seconds.");
  const silence = await listen(microphone, SILENCE_S, (level_db, seconds) => ending.hear(level_db, seconds));
  tell(SENTENCE, "Now read this sentence, as you are going to read all others.");
  ending.restart();
  const hear = (level_db, seconds) => ending.hear(level_db, seconds);
  const speech = await listen(microphone, LONGEST_S, hear, () => ending.over);
  const noise_db = measure(silence, microphone.rate).middle_db;
  const { level_db, peak_db, clipped } = measure(speech, microphone.rate);
  return { noise_db, level_db, peak_db, clipped, snr_db: level_db - noise_db, at: new Date().toISOString() };
}

function report(room, before) {
  const advice = advise(room, before);
  const lines = advice.length
    ? advice
    : [["good", "Good. It is quiet, and your voice is well above the noise."]];
  const figure = (name, value, was) =>
    el(
      "tr",
      {},
      el("th", { scope: "row" }, name),
      el("td", {}, decibel(value)),
      before ? el("td", {}, decibel(was)) : null,
    );
  return el(
    "div",
    { class: "stack" },
    ...lines.map(([kind, words]) =>
      el("p", { class: `box ${kind}` }, { good: "✓ ", warn: "! ", bad: "✗ " }[kind] + words),
    ),
    el(
      "table",
      {},
      el(
        "thead",
        {},
        el(
          "tr",
          {},
          el("td", {}),
          el("th", { scope: "col" }, "now"),
          before ? el("th", { scope: "col" }, "last time") : null,
        ),
      ),
      el(
        "tbody",
        {},
        figure("Noise of the room", room.noise_db, before?.noise_db),
        figure("Your voice", room.level_db, before?.level_db),
        figure("Voice above noise", room.snr_db, before?.snr_db),
      ),
    ),
  );
}

/** Opens the check in a dialog; resolves when it is closed. */
export function checkRoom(microphone) {
  return new Promise((resolve) => {
    const title = el("h2", { id: "room-title" }, "Room check");
    const words = el(
      "div",
      { role: "status", class: "stack" },
      el(
        "p",
        {},
        "Three seconds of silence, then one sentence. It shows whether the room and the level are good, " +
          "and whether they are as last time.",
      ),
    );
    const close = el("button", { type: "button", onclick: () => dialog.close() }, "Close");
    const begin = el("button", { type: "button", class: "primary", id: "room-begin" }, "Begin");
    const dialog = el(
      "dialog",
      { class: "card room", "aria-labelledby": "room-title" },
      title,
      words,
      el("div", { class: "row" }, begin, close),
    );
    const tell = (large, small) =>
      words.replaceChildren(el("p", {}, small), el("p", { class: "prompt" }, large));
    begin.addEventListener("click", async () => {
      begin.disabled = true;
      const before = lastRoom(microphone);
      const room = await hearRoom(microphone, tell);
      localStorage.setItem(key(microphone), JSON.stringify(room));
      words.replaceChildren(report(room, before));
      begin.textContent = "Once more";
      begin.disabled = false;
      close.focus();
    });
    dialog.addEventListener("close", () => {
      dialog.remove();
      resolve();
    });
    document.body.append(dialog);
    dialog.showModal();
    begin.focus();
  });
}
