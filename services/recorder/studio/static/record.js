/** The record page: puts its parts together. What a person does there is in record/desk.js. */

import { attempt, el, find, say, start } from "./shell.js";
import { addList } from "./record/add_list.js";
import { Desk } from "./record/desk.js";
import * as keys from "./record/keys.js";
import { Microphone, Trouble } from "./microphone.js";
import { Outbox } from "./record/outbox.js";
import * as people from "./record/people.js";
import { ProgressPanel } from "./record/progress.js";
import { checkRoom, lastRoom } from "./record/room.js";
import { Session } from "./record/session.js";
import { listFor, promptLists, settings, Setup } from "./record/setup.js";
import { WaitingPanel } from "./record/waiting.js";

const DAY_MS = 24 * 3600 * 1000;

class Page {
  constructor(caller) {
    this.caller = caller;
    this.outbox = new Outbox();
    this.desk = new Desk(this.outbox, settings, () => this.moved());
    this.progress = new ProgressPanel();
    this.waiting = new WaitingPanel(this.outbox, () => this.desk.held);
    this.notice = el("div", { id: "notice" });
    this.setup = new Setup({
      speaker: (name) => attempt(() => this.switchTo(name)),
      list: (name) => {
        settings.lists = { ...settings.lists, [this.speaker.name]: name };
        return attempt(() => this.openSession());
      },
      order: (name) => {
        settings.order = name;
        return attempt(() => this.openSession());
      },
      device: (id) => this.useDevice(id),
      room: () => this.checkRoom(),
      keys: keys.showKeys,
      add: caller.admin ? () => attempt(() => this.addList()) : undefined,
      invite: caller.admin && !caller.open ? () => attempt(() => people.invite(this.speaker)) : undefined,
    });
  }

  async open() {
    await this.outbox.start();
    keys.listen(this.desk);
    this.outbox.addEventListener("changed", () => this.soon());
    this.outbox.addEventListener(
      "stuck",
      ({ detail }) => detail.error.code === "UNAUTHENTICATED" && say(detail.error.message, "bad"),
    );
    this.outbox.addEventListener("refused", ({ detail }) =>
      say(`Not stored: ${detail.error.message}`, "bad"),
    );
    navigator.mediaDevices?.addEventListener("devicechange", () =>
      this.setup.showMicrophone(this.desk.microphone),
    );
    navigator.storage?.persist?.();
    await this.enter(await this.who());
  }

  /** Who reads: whoever was invited, who read here last, or somebody new. */
  async who() {
    const { speaker, name } = this.caller;
    if (speaker) return { name };
    this.people = await people.speakers();
    const last = await people.current(this.people);
    return last && !people.isToAgree(last) ? last : people.welcome(find("#main"), { known: last });
  }

  async switchTo(name) {
    this.desk.cancel();
    const known = this.people.find((each) => each.name === name);
    const chosen =
      known && !people.isToAgree(known)
        ? known
        : await people.welcome(find("#main"), { cancel: true, known });
    await this.enter(chosen ?? this.speaker);
  }

  async enter(speaker) {
    this.speaker = speaker;
    if (!this.caller.speaker) {
      await people.choose(speaker);
      this.people = await people.speakers();
      if (!this.people.some(({ name }) => name === speaker.name)) this.people.push(speaker);
    }
    this.lists = await promptLists();
    this.setup.draw(this.people ?? [], speaker, this.lists, listFor(speaker, this.lists));
    find("#main").replaceChildren(
      el("h1", { class: "unseen" }, "Record"),
      this.notice,
      this.desk.stage.node,
      this.waiting.node,
      this.setup.node,
      this.progress.node,
    );
    await this.openSession();
    if (this.desk.microphone) this.setup.showMicrophone(this.desk.microphone);
    else await this.offerMicrophone();
  }

  async addList() {
    const added = await addList(this.speaker.language || "en");
    if (!added) return;
    this.lists = await promptLists();
    settings.lists = { ...settings.lists, [this.speaker.name]: added };
    this.setup.draw(this.people ?? [], this.speaker, this.lists, added);
    await this.setup.showMicrophone(this.desk.microphone);
    await this.openSession();
    find("#list").focus();
  }

  /** The list that was chosen last is the one that is read, however long the answer about another took. */
  async openSession() {
    const session = new Session(this.speaker.name, listFor(this.speaker, this.lists), settings.order);
    this.opening = session;
    await session.open();
    if (this.opening !== session) return;
    this.desk.session = session;
    await this.refresh();
  }

  /** The microphone opens by itself once it was allowed; before that somebody is told why it is asked for. */
  async offerMicrophone() {
    const asked = await navigator.permissions?.query({ name: "microphone" }).catch(() => null);
    if (!window.isSecureContext || (asked && asked.state !== "prompt"))
      return this.useDevice(settings.device);
    return this.tell(
      "plain",
      "Your microphone",
      "The browser is going to ask whether this page may use it. Recordings go to this studio and nowhere else.",
      "Allow the microphone",
    );
  }

  async useDevice(id) {
    this.desk.cancel();
    this.desk.microphone?.close();
    try {
      const microphone = await Microphone.open(id);
      settings.device = microphone.device ?? "";
      microphone.lost = () => this.lost();
      this.desk.use(microphone);
      if (document.activeElement === document.body) this.desk.stage.record.focus();
      this.adviseRoom(microphone);
    } catch (error) {
      if (!(error instanceof Trouble)) throw error;
      this.desk.use(null);
      this.tell("bad", error.message, error.next, "Try again", error.kind);
    }
    await this.setup.showMicrophone(this.desk.microphone);
  }

  /** It was unplugged: what was said so far is a take, and the next microphone takes over. */
  async lost() {
    if (this.desk.recording) await this.desk.toggle();
    await this.useDevice(settings.device);
  }

  adviseRoom(microphone) {
    this.notice.replaceChildren();
    const last = lastRoom(microphone);
    if (last && Date.now() - new Date(last.at) < DAY_MS) return;
    const open = el("button", { id: "room-first", onclick: () => this.checkRoom() }, "Check the room");
    const words = last
      ? "A new session: check that it sounds as last time."
      : "Before the first take: is the room quiet, and the level right?";
    this.notice.replaceChildren(el("div", { class: "card row spread" }, el("p", {}, words), open));
  }

  async checkRoom() {
    await checkRoom(this.desk.microphone);
    this.adviseRoom(this.desk.microphone);
    this.desk.stage.record.focus();
  }

  tell(kind, title, words, verb, trouble = "ask") {
    const button = el(
      "button",
      { class: "primary", id: "microphone", onclick: () => this.useDevice(settings.device) },
      verb,
    );
    this.notice.replaceChildren(
      el(
        "section",
        { class: `card box ${kind} stack`, "data-trouble": trouble },
        el("h2", {}, title),
        el("p", {}, words),
        el("div", {}, button),
      ),
    );
  }

  /** After the outbox has changed: not for each of many at once. */
  soon() {
    clearTimeout(this.timer);
    this.timer = setTimeout(() => this.refresh(), 200);
  }

  async refresh() {
    if (!this.desk.session) return;
    await this.progress.refresh(this.desk.session);
    this.moved();
  }

  moved() {
    const { session } = this.desk;
    if (session) this.desk.stage.showPrompt(session.item, session.language, this.progress.words);
    this.waiting.refresh();
  }
}

start((caller) => new Page(caller).open());
