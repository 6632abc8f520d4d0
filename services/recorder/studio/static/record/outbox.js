/** Takes and marks on their way to the server. Each is on the disk before it is sent, and leaves it only after
 *  the server has it. A take is in one of three states:
 *
 *    checking   nobody has judged it yet (a page that died leaves it so; the server then judges)
 *    waiting    to be sent
 *    refused    `reasons` say why; a person reads it again, keeps it anyway or discards it
 */

import { call, me, upload } from "../rpc.js";
import * as store from "./store.js";

const LOCK = "voxloom-outbox"; // of all tabs one sends
const FIRST_PAUSE_S = 2;
const LONGEST_PAUSE_S = 60;
const FOR_GOOD = ["INVALID_ARGUMENT", "PERMISSION_DENIED", "NOT_FOUND", "UNIMPLEMENTED"];

const AWAY = ["OFFLINE", "UNAVAILABLE", "UNAUTHENTICATED"];

/** Tells `changed`, `sent` ({id, prompt, queue, answer, here}), `refused` ({item, error}), `stuck` ({error}). */
export class Outbox extends EventTarget {
  stuck = false; // the last try did not reach the server
  #tabs = new BroadcastChannel(LOCK);
  #pause_s = FIRST_PAUSE_S;
  #timer = 0;
  #sending = null;
  #again = false;

  /** Takes up what an earlier page has left. */
  async start() {
    this.#tabs.onmessage = ({ data }) => (data ? this.#tell("sent", data) : this.#changed(false));
    addEventListener("online", () => this.retry());
    addEventListener("pagehide", () => clearTimeout(this.#timer));
    for (const take of await store.all("outbox")) {
      if (take.state === "checking") await store.change("outbox", take.id, { state: "waiting" });
    }
    this.#changed();
    this.send();
  }

  async items() {
    return (await store.all("outbox")).sort((one, other) => one.at - other.at);
  }

  async add(item) {
    await store.put("outbox", item);
    this.#changed();
  }

  async change(id, fields) {
    await store.change("outbox", id, fields);
    this.#changed();
    if (fields.state === "waiting") this.send();
  }

  /** False if it was sent already. */
  async remove(id) {
    const was = await store.get("outbox", id);
    await store.remove("outbox", id);
    this.#changed();
    return Boolean(was);
  }

  retry() {
    this.#pause_s = FIRST_PAUSE_S;
    this.send();
  }

  /** Sends all that waits, in this tab or whichever has the lock; tries again later what did not arrive. */
  async send() {
    clearTimeout(this.#timer);
    if (this.#sending) return void (this.#again = true);
    const work = () => this.#sendAll();
    this.#sending = navigator.locks ? navigator.locks.request(LOCK, work) : work();
    const arrived = await this.#sending.catch(() => false);
    this.#sending = null;
    if (arrived) this.#pause_s = FIRST_PAUSE_S;
    else this.#later();
    if (this.#again && arrived) this.send();
    this.#again = false;
  }

  #later() {
    this.#timer = setTimeout(() => this.send(), this.#pause_s * 1000);
    this.#pause_s = Math.min(2 * this.#pause_s, LONGEST_PAUSE_S);
  }

  async #sendAll() {
    let all = true;
    for (const { id, state } of await this.items()) {
      if (state !== "waiting") continue;
      const item = await store.get("outbox", id); // it may have changed while others were sent
      if (item?.state === "waiting") all = (await this.#sendOne(item)) && all;
      if (this.stuck) return false;
    }
    return all;
  }

  /** False when it is to be tried again. */
  async #sendOne(item) {
    try {
      await me(); // tells a lost network from a lost key, which a WebSocket does not
      this.stuck = false;
      const answer =
        item.kind === "mark" ? await call("recorder/MarkPrompt", item.mark) : await sendTake(item);
      const now = await store.get("outbox", item.id);
      await store.remove("outbox", item.id);
      if (item.kind === "take") this.#sent(item, await catchUp(item, now, answer));
    } catch (error) {
      if (!FOR_GOOD.includes(error.code)) return this.#stick(error);
      if (item.kind === "mark")
        await store.remove("outbox", item.id); // the list is gone, or the server too old
      else await store.change("outbox", item.id, { state: "refused", reasons: [error.message] });
      this.#tell("refused", { item, error });
    }
    this.#changed();
    return true;
  }

  #sent({ id, prompt, queue }, answer) {
    const detail = { id, prompt, queue, answer };
    this.#tabs.postMessage(detail);
    this.#tell("sent", { ...detail, here: true });
  }

  /** A take that cannot be stored now does not hold up the others; a server that is away does. */
  #stick(error) {
    this.stuck = AWAY.includes(error.code);
    this.#tell("stuck", { error });
    return false;
  }

  #tell(type, detail) {
    this.dispatchEvent(new CustomEvent(type, { detail }));
  }

  #changed(tell = true) {
    if (tell) this.#tabs.postMessage(null);
    this.#tell("changed", {});
  }
}

/** The labels of a take, as UploadTake and CheckTake want them first. */
export function labels(take) {
  return {
    prompt: take.text,
    speaker: take.speaker,
    language: take.language,
    format: { encoding: "AUDIO_ENCODING_PCM16", sample_rate_hz: take.rate, channels: 1 },
    audio_bytes: take.pcm.byteLength,
    prompt_list: take.list,
    prompt_id: take.prompt,
    faults: take.policy,
  };
}

const sendTake = (take) => upload("recorder/UploadTake", { take: labels(take) }, take.pcm);

/** What a person did to a take while it was on its way: took it back, or wrote down other words. */
async function catchUp(sent, now, answer) {
  const name = { speaker: answer.speaker, utterance: answer.utterance };
  if (!now) await call("recorder/DeleteRecording", name);
  else if (now.text !== sent.text) return call("recorder/CorrectTake", { ...name, text: now.text });
  return answer;
}
