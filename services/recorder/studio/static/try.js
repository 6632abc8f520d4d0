/** The try page: speak, or hand over a file, and see what the served model makes of it. */

import { call } from "./rpc.js";
import { attempt, el, find, say, start } from "./shell.js";
import { ago, clock, plural } from "./format.js";
import { box, download, refill } from "./parts.js";
import { Microphone, Trouble } from "./microphone.js";
import { toPcm16, wavOf } from "./pcm.js";
import { asked, options } from "./try/options.js";
import { Recognition } from "./try/recognition.js";
import { legend, Transcript } from "./try/transcript.js";
import { srt, vtt } from "./try/subtitles.js";

const LOOK_MS = 3000;
const LONG_S = 120;
const LONG_BYTES = 8 << 20;
const METER_DB = 60; // of the level
const KEPT_S = 600; // of speech, to be played back

start(async (caller) => new Page(caller).begin());

class Page {
  #caller;
  #audio = el("audio", { controls: true, hidden: true, "aria-label": "What was heard" });
  #running = null; // {finish, stop}
  #transcript = null;

  constructor(caller) {
    this.#caller = caller;
    this.#audio.onerror = () => (this.#audio.hidden = true); // a file that the service can read and this browser cannot
    const speak = el(
      "button",
      {
        id: "speak",
        class: "primary big",
        onclick: () => attempt(() => (this.#running ? this.#running.finish() : this.#speak())),
      },
      "Speak",
    );
    const choose = el("input", {
      id: "file",
      type: "file",
      accept: "audio/*,.wav,.flac,.ogg,.opus,.mp3",
      class: "unseen",
      onchange: () => this.#take(choose.files[0]),
    });
    const label = el("label", { for: "file", class: "button big", id: "choose" }, "Choose a file");
    const meter = el("meter", {
      id: "level",
      min: 0,
      max: 1,
      low: 0.35,
      high: 0.98,
      optimum: 0.7,
      "aria-label": "Level of the microphone",
      hidden: true,
    });
    const stop = el("button", { id: "stop", hidden: true, onclick: () => this.#running?.stop() }, "Cancel");
    const card = el(
      "section",
      { class: "card drop", "aria-label": "Speech" },
      el("div", { class: "row" }, speak, choose, label, stop, el("span", { class: "soft hint" }, "or drop one here")),
      meter,
      el("progress", { id: "share", max: 1, hidden: true, "aria-label": "Done" }),
      el("p", { id: "state", role: "status" }),
      options(),
    );
    this.#dropping(card);
    find("#main").replaceChildren(
      el("div", { class: "row spread" }, el("h1", {}, "Try"), el("p", { class: "soft", id: "model" })),
      el("div", { id: "none" }),
      card,
      el("section", { class: "card", id: "result", "aria-label": "Text", hidden: true }),
    );
  }

  /** Looks for a model until there is one. */
  async begin() {
    for (;;) {
      const found = await this.#serving();
      if (found) return;
      await new Promise((resolve) => setTimeout(resolve, LOOK_MS));
    }
  }

  async #serving() {
    let told = this.#caller.admin
      ? el(
          "p",
          {},
          "One appears when a training has ended and its model has passed the check. See ",
          el("a", { href: "/loop" }, "the loop"),
          " for how far it is.",
        )
      : el("p", {}, "One appears when enough was recorded and a training has ended.");
    try {
      const { model, language, since } = await call("inference/GetServingModel");
      if (model) {
        find("#model").textContent = `${model}${language ? ` (${language})` : ""}, served since ${ago(since)}`;
        find("#none").replaceChildren();
        return true;
      }
    } catch (error) {
      told = el("p", {}, error.message);
    }
    refill(find("#none"), box("warn", el("strong", {}, "No model is served at the moment"), told));
    return false;
  }

  #dropping(card) {
    const over = (on) => (event) => {
      event.preventDefault();
      card.classList.toggle("over", on);
    };
    card.addEventListener("dragover", over(true));
    card.addEventListener("dragleave", over(false));
    card.addEventListener("drop", (event) => {
      over(false)(event);
      this.#take(event.dataTransfer.files[0]);
    });
  }

  async #speak() {
    const kept = [];
    let [recognition, rate_hz, num] = [null, 0, 0];
    const heard = (samples, level_db) => {
      find("#level").value = Math.max(0, 1 + level_db / METER_DB);
      num += samples.length;
      if (num < KEPT_S * rate_hz) kept.push(samples);
      recognition?.send(toPcm16([samples]).buffer);
      this.#state(`Listening, ${clock(num / rate_hz)}`, false);
    };
    let microphone;
    try {
      microphone = await Microphone.open();
    } catch (error) {
      if (error instanceof Trouble) return say(`${error.message} ${error.next} Or choose a file.`, "bad");
      throw error;
    }
    microphone.listeners.add(heard);
    rate_hz = microphone.rate;
    recognition = Recognition.live(rate_hz, asked(), this.#fresh());
    const finish = async () => {
      microphone.close();
      find("#speak").disabled = true;
      this.#state("Listening to the last words");
      await recognition.end();
    };
    this.#begin("Stop", { finish, stop: () => recognition.stop() });
    find("#level").hidden = false;
    this.#state("Listening");
    await this.#until(recognition, () => `${clock(num / rate_hz)} of speech`);
    microphone.close();
    this.#playable(wavOf(toPcm16(kept), rate_hz));
  }

  async #take(file) {
    find("#file").value = "";
    if (!file || this.#running) return;
    await attempt(async () => {
      const length_s = await this.#playable(file);
      const long = this.#caller.admin && (length_s > LONG_S || file.size > LONG_BYTES);
      const recognition = Recognition.file(file, asked(), long, this.#fresh());
      this.#begin("Speak", { finish: () => {}, stop: () => recognition.stop() });
      find("#speak").disabled = true;
      this.#state(`Listening to ${file.name}`);
      find("#share").hidden = !long;
      find("#share").removeAttribute("value");
      await this.#until(recognition, () => (length_s ? `${file.name}, ${clock(length_s)}` : file.name));
    });
  }

  /** An empty result; what a recognition tells goes there. */
  #fresh() {
    this.#transcript = new Transcript((from, to) => this.#play(from, to));
    refill(find("#result"), el("h2", {}, "Text"), this.#transcript.element, el("div", { id: "after" }));
    find("#result").hidden = false;
    const transcript = this.#transcript;
    return { result: (answer) => transcript.add(answer), share: (share) => (find("#share").value = share) };
  }

  #begin(name, running) {
    this.#running = running;
    find("#speak").textContent = name;
    find("#stop").hidden = false;
    find("#choose").hidden = find("#file").disabled = true;
  }

  /** Waits for the last answer, whichever way it ends. */
  async #until(recognition, told) {
    try {
      const { model, compute_s, latency_s } = await recognition.done;
      const pace = compute_s
        ? `${compute_s.toFixed(1)} s of computing`
        : `the last words came ${latency_s.toFixed(1)} s after the end`;
      this.#state(
        model
          ? `${told()}: ${plural(this.#transcript.words.length, "word")} by ${model}; ${pace}.`
          : `${told()}: no answer.`,
      );
    } catch (error) {
      this.#state("");
      throw error;
    } finally {
      this.#running = null;
      find("#speak").disabled = false;
      find("#speak").textContent = "Speak";
      for (const id of ["#stop", "#level", "#share"]) find(id).hidden = true;
      find("#choose").hidden = find("#file").disabled = false;
      this.#after();
    }
  }

  #after() {
    const { text, words } = this.#transcript;
    const copy = async () => say((await navigator.clipboard.writeText(text), "Copied."), "good");
    const save = (name, make, type) =>
      el("button", { onclick: () => download(`voxloom.${name}`, make(words), type) }, `Save ${name.toUpperCase()}`);
    const empty = el("p", { class: "soft" }, "Nothing was heard. Was it speech, and loud enough?");
    const row = el(
      "div",
      { class: "row" },
      el("button", { onclick: () => attempt(copy) }, "Copy the text"),
      save("srt", srt, "application/x-subrip"),
      save("vtt", vtt, "text/vtt"),
    );
    refill(find("#after"), ...(words.length ? [legend(), this.#audio, row] : [empty, this.#audio]));
  }

  /** Puts it into the player; its length in seconds, 0 if this browser cannot tell. */
  #playable(blob) {
    this.#audio.hidden = true;
    URL.revokeObjectURL(this.#audio.src);
    this.#audio.src = URL.createObjectURL(blob);
    return new Promise((resolve) => {
      this.#audio.addEventListener(
        "loadedmetadata",
        () => {
          this.#audio.hidden = false;
          resolve(Number.isFinite(this.#audio.duration) ? this.#audio.duration : 0);
        },
        { once: true },
      );
      this.#audio.addEventListener("error", () => resolve(0), { once: true });
    });
  }

  #play(from_ms, to_ms) {
    if (this.#audio.hidden) return;
    this.#audio.currentTime = from_ms / 1000;
    this.#audio.play();
    this.#audio.ontimeupdate = () =>
      this.#audio.currentTime >= to_ms / 1000 && (this.#audio.pause(), (this.#audio.ontimeupdate = null));
  }

  /** `aloud`: screen readers too. */
  #state(text, aloud = true) {
    find("#state").setAttribute("role", aloud ? "status" : "none");
    find("#state").textContent = text;
  }
}
