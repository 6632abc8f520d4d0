/** What a person does at the microphone: each action of the buttons and keys. */

import { attempt, say } from "../shell.js";
import { Corrections } from "./corrections.js";
import { Ending } from "./ending.js";
import { judgeHere, judgeThere } from "./judge.js";
import { decibel, measure } from "./signal.js";
import { differing, Stage } from "./stage.js";
import * as store from "./store.js";

const LONGEST_S = 34;

export class Desk extends Corrections {
  microphone = null;
  #session = null;
  #ending = new Ending();
  #held = null; // {take, item}: a take with faults, about which nobody has decided
  #busy = false;

  /** `settings`: {autoStop, autoNext}; `moved()` is called when a prompt or its takes have changed. */
  constructor(outbox, settings, moved) {
    super();
    Object.assign(this, { outbox, settings, moved });
    this.stage = new Stage(this);
    outbox.addEventListener("sent", ({ detail }) => this.#sent(detail));
  }

  get session() {
    return this.#session;
  }

  set session(session) {
    this.cancel();
    this.#session = session;
    this.#held = null;
    this.stage.clear();
    this.show();
  }

  get recording() {
    return Boolean(this.microphone?.recording);
  }

  /** The id of the take that waits on the stage for a decision. */
  get held() {
    return this.#held?.take.id;
  }

  use(microphone) {
    this.microphone = microphone;
    this.stage.setReady(Boolean(microphone));
    microphone?.listeners.add((samples, level_db) => this.#hear(samples, level_db));
  }

  #hear(samples, level_db) {
    const seconds = samples.length / this.microphone.rate;
    this.#ending.hear(level_db, seconds);
    this.stage.hear(samples, level_db, this.microphone.recording);
    if (!this.microphone.recording || this.#busy) return;
    this.recorded_s += seconds;
    if ((this.settings.autoStop && this.#ending.over) || this.recorded_s > LONGEST_S) this.toggle();
  }

  async toggle() {
    if (!this.microphone || !this.session.item || this.#busy) return;
    if (this.microphone.recording) await this.#stop();
    else await this.#start();
  }

  async #start() {
    this.sounds.stop();
    if (this.#held?.item === this.session.item) await this.#discardHeld();
    this.stage.clear();
    this.#ending.restart();
    this.recorded_s = 0;
    await this.microphone.start();
    this.stage.setRecording(true);
  }

  async #stop() {
    const { item } = this.session;
    this.#busy = true;
    const pcm = await this.microphone.stop();
    this.#busy = false;
    this.stage.setRecording(false);
    if (pcm.length) await attempt(() => this.#finish(pcm, item)); // else it was given up meanwhile
  }

  /** Gives the recording under way up. */
  cancel() {
    if (!this.recording) return;
    this.microphone.drop();
    this.stage.setRecording(false);
    this.stage.redraw();
  }

  async #finish(pcm, item) {
    const { speaker, list, language, key } = this.session;
    const take = {
      id: crypto.randomUUID(),
      kind: "take",
      state: "checking",
      at: Date.now(),
      queue: key,
      speaker,
      list,
      prompt: item.id,
      text: item.said ?? item.text,
      language,
      rate: this.microphone.rate,
      pcm: pcm.buffer,
      policy: "FAULT_POLICY_REFUSE_ALL",
    };
    await this.outbox.add(take); // first of all on the disk
    await this.session.addTake(item, take);
    this.sounds.remember(take.id, pcm, take.rate);
    this.show();
    await this.#judge(take, item, measure(pcm, take.rate));
  }

  async #judge(take, item, measured) {
    const figures = inWords(measured);
    const here = judgeHere(measured, take.text);
    if (here.faults.length) await this.#hold(take, item, here);
    else this.stage.say("plain", `Checking… ${figures}`);
    const verdict = this.outbox.stuck ? here : await judgeThere(take, here);
    const entry = await store.get("outbox", take.id);
    if (!entry) return; // deleted or read again meanwhile
    if (here.faults.length && entry.state !== "refused") return; // kept anyway meanwhile
    if (verdict.faults.length) return this.#hold(take, item, verdict);
    await this.#accept(take, item, verdict, figures);
  }

  async #accept(take, item, verdict, figures) {
    if (this.#held?.take.id === take.id) this.#held = null;
    const there = this.session.item === item && !this.recording;
    if (there) {
      const body = [
        ...verdict.hints.map((hint) => `Note: ${hint}. `),
        verdict.hearing ? differing(verdict.hearing) : "",
      ];
      this.stage.say("good", `✓ Good: ${figures}.`, ...body);
    }
    await this.outbox.change(take.id, { state: "waiting" });
    if (there && this.settings.autoNext) this.next();
  }

  async #hold(take, item, verdict) {
    await this.outbox.change(take.id, {
      state: "refused",
      reasons: verdict.faults,
      overrulable: verdict.overrulable,
    });
    if (this.session.item !== item || this.recording) {
      return say(`“${take.text}” had better be read again: ${verdict.faults[0]}`, "bad");
    }
    const renewed = this.#held?.take.id === take.id;
    this.#held = { take, item };
    this.stage.showFaults(verdict.faults, verdict.overrulable, renewed);
    return undefined;
  }

  async #discardHeld() {
    const { take, item } = this.#held;
    this.#held = null;
    await this.outbox.remove(take.id);
    await this.session.dropTake(item, take.id);
  }

  async keepAnyway() {
    if (!this.#held) return;
    const { take } = this.#held;
    this.#held = null;
    await this.outbox.change(take.id, { state: "waiting", policy: "FAULT_POLICY_ACCEPT_ALL" });
    this.stage.say("warn", "Kept, with what was found of it.");
    this.focus();
    if (this.settings.autoNext) this.next();
  }

  async #sent({ id, prompt, queue, answer, here }) {
    if (this.session?.itemOf(prompt)?.takes.some((take) => take.id === id))
      await this.session.name(prompt, id, answer);
    else if (here) await nameIn(queue, prompt, id, answer);
    this.moved();
  }

  /** The take with faults goes on waiting for a decision, in its list. */
  letGo() {
    this.#held = null;
  }

  back() {
    this.#go(-1);
  }

  next() {
    this.#go(1);
  }

  #go(steps) {
    if (this.recording) return;
    const left = this.session.item;
    this.session.go(steps);
    this.#held = null;
    const kept = steps > 0 && this.stage.settled && this.stage.settled === left?.id;
    if (left !== this.session.item && !kept) this.stage.clear();
    this.show();
    this.focus();
  }

  retake() {
    if (this.recording) return undefined;
    const item = this.session.item?.takes.length || this.#held ? this.session.item : this.session.latest;
    if (item) this.session.goTo(item);
    this.show();
    this.focus();
    return this.toggle();
  }

  show() {
    const take = this.session.item?.takes.at(-1);
    this.stage.showTake(this.sounds.samplesOf(take));
    this.moved();
  }

  focus() {
    this.stage.record.focus();
  }
}

const inWords = ({ duration_s, level_db, snr_db }) =>
  `${duration_s.toFixed(1)} s, level ${decibel(level_db)}, ${decibel(snr_db)} above the noise`;

/** Names a take of a session that is no longer on the page. */
async function nameIn(queue, prompt, id, { speaker, utterance }) {
  const kept = await store.get("queues", queue);
  const take = kept?.items.find((item) => item.id === prompt)?.takes.find((each) => each.id === id);
  if (!take) return;
  Object.assign(take, { speaker, utterance });
  await store.put("queues", kept);
}
