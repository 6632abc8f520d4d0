/** Where somebody is in a list of prompts: what was read or skipped, the prompt on the page, and what
 *  comes. Kept on the disk, so that it goes on after a reload and without a network. Draws nothing. */

import { call } from "../rpc.js";
import * as store from "./store.js";

const BATCH = 100;
const FEW = 20; // ask for more when so few are left
const HISTORY = 200;
const ORDERS = { useful: "PROMPT_ORDER_USEFUL", list: "PROMPT_ORDER_UNSPECIFIED" };

export const isDone = (item) => item.takes.length > 0 || Boolean(item.skipped);

export class Session {
  items = []; // {id, text, because, skipped, flagged, takes: [{id, text, speaker, utterance}]}
  at = 0;
  language = "";
  #filling = null;

  constructor(speaker, list, order) {
    Object.assign(this, { speaker, list, order });
  }

  get key() {
    return `${this.speaker}/${this.list}/${this.order}`;
  }

  /** The prompt on the page; undefined after the last one. */
  get item() {
    return this.items[this.at];
  }

  /** Throws RpcError when nothing is kept and the server cannot be asked. */
  async open() {
    const kept = await store.get("queues", this.key);
    const done = kept?.items.filter(isDone).slice(-HISTORY) ?? [];
    this.items = [...done, ...(kept?.items.filter((item) => !isDone(item)) ?? [])];
    this.language = kept?.language ?? "";
    this.at = done.length;
    await this.fill(true).catch((error) => {
      if (!kept) throw error;
    });
    return this;
  }

  /** Asks for what comes next. `anew`: also in place of what was to come, whose order may have changed. */
  async fill(anew = false) {
    this.#filling ??= this.#fill(anew).finally(() => (this.#filling = null));
    return this.#filling;
  }

  async #fill(anew) {
    const request = { list: this.list, speaker: this.speaker, count: BATCH, order: ORDERS[this.order] };
    const answer = await call("recorder/NextPrompts", request);
    if (anew)
      this.items = this.items.filter((item, place) => isDone(item) || (place === this.at && this.at > 0));
    const known = new Set(this.items.map(({ id }) => id));
    const fresh = answer.prompts.filter(({ id }) => !known.has(id)).map(asItem);
    this.items.push(...fresh);
    this.language = answer.language;
    await this.save();
  }

  save() {
    return store.put("queues", { id: this.key, items: this.items, language: this.language });
  }

  /** To the prompt that lies so many away; past the last one is allowed, it says that all is read. */
  go(steps) {
    this.at = Math.max(0, Math.min(this.items.length, this.at + steps));
    const left = this.items.length - this.at;
    if (left < FEW) this.fill().catch(() => {}); // without a network, what there is must do
    return this.item;
  }

  goTo(item) {
    this.at = Math.max(0, this.items.indexOf(item));
  }

  itemOf(prompt) {
    return this.items.find(({ id }) => id === prompt);
  }

  /** The prompt whose take is the newest, if there is one. */
  get latest() {
    const taken = this.items.filter(({ takes }) => takes.length);
    return taken.sort((one, other) => one.takes.at(-1).at - other.takes.at(-1).at).at(-1);
  }

  async addTake(item, take) {
    item.takes.push({ id: take.id, text: take.text, at: take.at });
    await this.save();
  }

  async dropTake(item, id) {
    item.takes = item.takes.filter((take) => take.id !== id);
    await this.save();
  }

  /** The name that the server gave to a take. */
  async name(prompt, id, answer) {
    const take = this.itemOf(prompt)?.takes.find((each) => each.id === id);
    if (!take) return;
    Object.assign(take, { speaker: answer.speaker, utterance: answer.utterance });
    await this.save();
  }
}

const asItem = ({ id, text, because, flagged, takes }) => ({
  id,
  text,
  because,
  flagged,
  earlier: takes,
  skipped: "",
  takes: [],
});
