/** A take as a waveform that is played, and searched by clicks and arrow keys. */

import { el } from "./shell.js";
import { clock } from "./format.js";

const STEP_S = 1;
const KEYS = { ArrowLeft: -STEP_S, ArrowRight: STEP_S };

/** Loudest and lowest sample of each column. */
export function peaks(samples, columns) {
  const each = samples.length / columns;
  return Array.from({ length: columns }, (_, column) => {
    let [low, high] = [0, 0];
    for (let at = Math.floor(column * each); at < Math.floor((column + 1) * each); at++) {
      if (samples[at] < low) low = samples[at];
      if (samples[at] > high) high = samples[at];
    }
    return [low, high];
  });
}

export class Wave {
  #canvas = el("canvas", {
    class: "wave",
    role: "slider",
    tabindex: 0,
    "aria-label": "Place in the recording",
    "aria-valuemin": 0,
  });
  #audio = el("audio", { preload: "auto" });
  #button = el("button", { "aria-label": "Play", onclick: () => this.toggle() }, "▶ Play");
  #time = el("span", { class: "soft time" });
  #samples = new Float32Array();
  #url = "";
  #peaks = [];

  constructor() {
    this.element = el(
      "div",
      { class: "player" },
      this.#canvas,
      el("div", { class: "row" }, this.#button, this.#time),
      this.#audio,
    );
    for (const name of ["play", "pause", "ended"]) this.#audio.addEventListener(name, () => this.#tell());
    this.#audio.addEventListener("seeked", () => this.#draw());
    this.#canvas.addEventListener("click", (event) =>
      this.#seek((event.offsetX / this.#canvas.clientWidth) * this.#length),
    );
    this.#canvas.addEventListener("keydown", (event) => this.#key(event));
    new ResizeObserver(() => this.#measure()).observe(this.#canvas);
  }

  get #length() {
    return Number.isFinite(this.#audio.duration) ? this.#audio.duration : 0;
  }

  /** Loads a WAV; rejects with the reason. Another `open` in the meantime wins. */
  async open(url) {
    this.#audio.pause();
    this.#url = url;
    this.#samples = new Float32Array();
    this.#measure();
    const response = await fetch(url);
    if (!response.ok) throw new Error((await response.json()).error?.message ?? `${url} answered ${response.status}`);
    const data = await response.arrayBuffer();
    const src = URL.createObjectURL(new Blob([data], { type: "audio/wav" }));
    const decoded = await new OfflineAudioContext(1, 1, 16_000).decodeAudioData(data);
    if (this.#url !== url) return URL.revokeObjectURL(src);
    URL.revokeObjectURL(this.#audio.src);
    this.#audio.src = src;
    this.#samples = decoded.getChannelData(0);
    this.#canvas.setAttribute("aria-valuemax", decoded.duration.toFixed(2));
    this.#audio.addEventListener("loadedmetadata", () => this.#tell(), { once: true });
    this.#measure();
  }

  toggle() {
    if (this.#audio.paused)
      this.#audio.play().catch(() => {}); // nothing is loaded yet
    else this.#audio.pause();
  }

  pause() {
    this.#audio.pause();
  }

  #seek(to_s) {
    this.#audio.currentTime = Math.max(0, Math.min(to_s, this.#length));
  }

  #key(event) {
    const by = KEYS[event.key];
    if (by === undefined) return;
    event.preventDefault();
    event.stopPropagation();
    this.#seek(this.#audio.currentTime + by);
  }

  #tell() {
    const playing = !this.#audio.paused;
    this.#button.textContent = playing ? "❚❚ Pause" : "▶ Play";
    this.#button.setAttribute("aria-label", playing ? "Pause" : "Play");
    this.#draw();
    if (playing) requestAnimationFrame(() => this.#tell());
  }

  #measure() {
    const { clientWidth, clientHeight } = this.#canvas;
    this.#canvas.width = clientWidth * devicePixelRatio;
    this.#canvas.height = clientHeight * devicePixelRatio;
    this.#peaks = peaks(this.#samples, Math.max(1, Math.floor(clientWidth)));
    this.#draw();
  }

  #draw() {
    const { width, height } = this.#canvas;
    const pen = this.#canvas.getContext("2d");
    const style = getComputedStyle(this.#canvas);
    const share = this.#length ? this.#audio.currentTime / this.#length : 0;
    const column = width / this.#peaks.length;
    const top = Math.max(0.05, ...this.#peaks.map(([low, high]) => Math.max(-low, high)));
    pen.clearRect(0, 0, width, height);
    this.#peaks.forEach(([low, high], at) => {
      pen.fillStyle = style.getPropertyValue(at / this.#peaks.length < share ? "--accent" : "--soft");
      const tall = Math.max(1, ((high - low) / (2 * top)) * height);
      pen.fillRect(at * column, height / 2 - (high / (2 * top)) * height, Math.max(1, column - 0.4), tall);
    });
    pen.fillStyle = style.getPropertyValue("--accent");
    pen.fillRect(share * width - 1, 0, 2, height);
    const at = this.#audio.currentTime;
    this.#time.textContent = this.#length ? `${at.toFixed(1)} of ${this.#length.toFixed(1)} s` : "";
    this.#canvas.setAttribute("aria-valuenow", at.toFixed(2));
    this.#canvas.setAttribute("aria-valuetext", `${clock(at)} of ${clock(this.#length)}`);
  }
}
