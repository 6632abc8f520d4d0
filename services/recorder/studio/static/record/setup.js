/** The choices of a session: who reads, which list, in which order, which microphone. Kept in this browser. */

import { el } from "../shell.js";
import { call } from "../rpc.js";
import { devices } from "../microphone.js";
import * as store from "./store.js";

const KEPT = "voxloom-record";

/** {lists, order, device, autoStop, autoNext}; what is set in it is kept. */
export const settings = new Proxy(
  {
    lists: {}, // the last one of each speaker
    order: "useful",
    device: "",
    autoStop: true,
    autoNext: true,
    ...JSON.parse(localStorage.getItem(KEPT) ?? "{}"),
  },
  {
    set(all, name, value) {
      all[name] = value;
      localStorage.setItem(KEPT, JSON.stringify(all));
      return true;
    },
  },
);

/** [{name, language, prompts}], as they were known last where there is no network. */
export async function promptLists() {
  try {
    const { lists } = await call("recorder/ListPromptLists");
    await store.keep("lists", lists);
    return lists;
  } catch (error) {
    const known = await store.recall("lists");
    if (!known) throw error;
    return known;
  }
}

const select = (id, label, options, value, onchange) =>
  el(
    "div",
    { class: "field" },
    el("label", { for: id }, label),
    el(
      "select",
      { id, onchange: (event) => onchange(event.target.value) },
      ...options.map(([key, words]) => el("option", { value: key, selected: key === value }, words)),
    ),
  );

const tick = (id, words, name) =>
  el(
    "label",
    { class: "row pick" },
    el("input", {
      id,
      type: "checkbox",
      checked: settings[name],
      onchange: (event) => (settings[name] = event.target.checked),
    }),
    words,
  );

const ORDERS = [
  ["useful", "Most useful first"],
  ["list", "As in the list"],
];

/** The one that somebody read last, else one of their language. */
export function listFor(speaker, lists) {
  const last = lists.find(({ name }) => name === settings.lists[speaker.name]);
  return (last ?? lists.find(({ language }) => language === speaker.language) ?? lists[0]).name;
}

export class Setup {
  /** `on`: {speaker(name), list(name), order(name), device(id), room(), keys()}, perhaps `invite()` and `add()` */
  constructor(on) {
    this.on = on;
    this.microphones = el("span", {});
    this.room = el(
      "button",
      { id: "room", type: "button", disabled: true, onclick: () => on.room() },
      "Check the room",
    );
    this.node = el("section", { class: "card", "aria-label": "Session" });
  }

  /** `people` is empty for somebody who was invited: they read for themselves. */
  draw(people, speaker, lists, list) {
    const listed = lists.map(({ name, language, prompts }) => [name, `${name} (${language}, ${prompts})`]);
    const names = [...people.map(({ name }) => [name, name]), ["", "Somebody else…"]];
    this.node.replaceChildren(
      el(
        "div",
        { class: "row fields" },
        people.length
          ? select("speaker", "Who reads", names, speaker.name, this.on.speaker)
          : el("p", { class: "field" }, el("span", {}, "Who reads"), el("strong", {}, speaker.name)),
        select("list", "Prompts", listed, list, this.on.list),
        select("order", "Order", ORDERS, settings.order, this.on.order),
        this.microphones,
      ),
      el(
        "div",
        { class: "row" },
        tick("auto-stop", "Stop by itself after the sentence", "autoStop"),
        tick("auto-next", "Go on when the take is good", "autoNext"),
        this.room,
        this.on.add &&
          el("button", { type: "button", id: "add-list", onclick: () => this.on.add() }, "Add a list…"),
        this.on.invite &&
          el(
            "button",
            { type: "button", id: "invite", onclick: () => this.on.invite() },
            "Invite this person",
          ),
        el(
          "button",
          { type: "button", class: "quiet", onclick: () => this.on.keys() },
          "Keys ",
          el("kbd", { "aria-hidden": "true" }, "?"),
        ),
      ),
    );
  }

  async showMicrophone(microphone) {
    this.room.disabled = !microphone;
    if (!microphone) return this.microphones.replaceChildren();
    const found = (await devices()).map(({ deviceId, label }, place) => [
      deviceId,
      label || `Microphone ${place + 1}`,
    ]);
    return this.microphones.replaceChildren(
      select("device", "Microphone", found, microphone.device, this.on.device),
    );
  }
}
