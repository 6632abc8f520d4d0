/** In the audio thread: what the microphone gives, as 16-bit samples at the device's rate, 40 ms at a time. */

const BLOCK_S = 0.04;

class Pcm16 extends AudioWorkletProcessor {
  #block = new Int16Array(Math.round(sampleRate * BLOCK_S));
  #filled = 0;

  process([channels]) {
    for (const sample of channels[0] ?? []) this.#add(sample);
    return true;
  }

  #add(sample) {
    this.#block[this.#filled++] = Math.max(-1, Math.min(1, sample)) * 32767;
    if (this.#filled < this.#block.length) return;
    this.port.postMessage(this.#block.slice());
    this.#filled = 0;
  }
}

registerProcessor("pcm16", Pcm16);
