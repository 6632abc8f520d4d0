/** Draws sound: a take as a whole, or the last seconds of what the microphone hears. */

import { peaksOf } from "./signal.js";

const BAR = 3; // pixels, with the gap

/** Bars of peaks (0 to 1), in the colour of a CSS variable; quiet ones are lifted: speech fills the height. */
function draw(canvas, peaks, colour) {
  const style = getComputedStyle(canvas);
  const pen = canvas.getContext("2d");
  const middle = canvas.height / 2;
  pen.clearRect(0, 0, canvas.width, canvas.height);
  pen.fillStyle = style.getPropertyValue(colour);
  peaks.forEach((peak, place) => {
    const half = Math.max(1, Math.min(1, peak) ** 0.6 * (middle - 2));
    pen.fillRect(place * BAR * scale(), middle - half, (BAR - 1) * scale(), 2 * half);
  });
}

const scale = () => Math.max(1, Math.round(devicePixelRatio));

function fit(canvas) {
  const width = Math.round(canvas.clientWidth * scale());
  const height = Math.round(canvas.clientHeight * scale());
  if (canvas.width !== width) canvas.width = width;
  if (canvas.height !== height) canvas.height = height;
  return Math.floor(width / (BAR * scale()));
}

export function drawTake(canvas, pcm) {
  draw(canvas, peaksOf(pcm, fit(canvas)), "--soft");
}

export class Live {
  #peaks = [];

  constructor(canvas) {
    this.canvas = canvas;
  }

  restart() {
    this.#peaks = [];
  }

  hear(samples) {
    let peak = 0;
    for (const sample of samples) peak = Math.max(peak, Math.abs(sample));
    this.#peaks.push(peak);
    if (this.#peaks.length > 2000) this.#peaks.splice(0, 1000);
  }

  draw() {
    draw(this.canvas, this.#peaks.slice(-fit(this.canvas)), "--bad");
  }
}
