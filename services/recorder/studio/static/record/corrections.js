/** What can be done about prompts, and about takes that are there. */

import { attempt, say } from "../shell.js";
import { call } from "../rpc.js";
import { askReason, askText, confirmed } from "./dialogs.js";
import { Sounds } from "./sounds.js";

const SKIP_REASONS = ["not now", "hard to pronounce", "makes no sense", "I do not want to say this"];
const FLAG_REASONS = ["spelling", "not this language", "makes no sense", "offensive"];
const MARKS = { skipped: "PROMPT_MARK_SKIP", flagged: "PROMPT_MARK_FLAG" };

/** Of the Desk, which has `session`, `outbox`, `stage`, `recording`, `letGo`, `show` and `focus`. */
export class Corrections {
  sounds = new Sounds();

  /** The take that an action is about: of this prompt, else the newest of all. */
  #take() {
    const item = this.session.item?.takes.length ? this.session.item : this.session.latest;
    return item ? { item, take: item.takes.at(-1) } : {};
  }

  play() {
    if (this.recording) return undefined;
    return attempt(async () => {
      const { take } = this.#take();
      if (!take) return say("There is no take yet.");
      return this.sounds.play(take);
    });
  }

  skip = () => this.#mark("skipped", "Skip this prompt", SKIP_REASONS, "Skip");
  flag = () => this.#mark("flagged", "What is wrong with this prompt?", FLAG_REASONS, "Flag");

  /** Marks the prompt, or takes the mark back. */
  #mark(field, title, reasons, verb) {
    const item = this.session.item;
    if (!item || this.recording) return undefined;
    return attempt(async () => {
      const undo = Boolean(item[field]);
      const reason = undo ? "" : await askReason(title, reasons, verb);
      if (reason === undefined) return;
      const mark = {
        list: this.session.list,
        speaker: this.session.speaker,
        prompt_id: item.id,
        mark: MARKS[field],
        reason,
        undo,
      };
      item[field] = reason;
      await this.session.save();
      await this.outbox.add({
        id: crypto.randomUUID(),
        kind: "mark",
        state: "waiting",
        at: Date.now(),
        mark,
      });
      this.outbox.send();
      if (field === "skipped" && !undo) this.session.go(1);
      this.show();
      this.focus();
    });
  }

  /** Before a take: what will be said. After it: what was said. */
  edit() {
    const item = this.session.item;
    if (!item || this.recording) return undefined;
    return attempt(async () => {
      const take = item.takes.at(-1);
      const hint = take
        ? "As it was said, word by word. The take gets this text."
        : "As you are going to say it. The take gets this text.";
      const text = await askText("Edit the text", take?.text ?? item.said ?? item.text, hint);
      if (!text) return;
      if (take) await this.#correct(take, text);
      item.said = text;
      await this.session.save();
      this.show();
      this.focus();
    });
  }

  async #correct(take, text) {
    if (take.utterance) {
      const { speaker, utterance } = take;
      Object.assign(take, {
        utterance: (await call("recorder/CorrectTake", { speaker, utterance, text })).utterance,
      });
    } else {
      await this.outbox.change(take.id, { text });
    }
    take.text = text;
    say("The take has the new text.", "good");
  }

  remove() {
    if (this.recording) return undefined;
    return attempt(async () => {
      const { item, take } = this.#take();
      if (!take) return say("There is no take to delete.");
      if (!(await confirmed("Delete this take?", `“${take.text}”`, "Delete"))) return undefined;
      const waited = await this.outbox.remove(take.id);
      if (!waited && take.utterance)
        await call("recorder/DeleteRecording", { speaker: take.speaker, utterance: take.utterance });
      this.letGo();
      await this.session.dropTake(item, take.id);
      this.session.goTo(item);
      this.stage.clear();
      this.show();
      this.focus();
      return say("The take is deleted.", "good");
    });
  }
}
