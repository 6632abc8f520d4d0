/** The microphone as a source of 16-bit samples. */

/** Why there is none, and what to do. */
export class NoMicrophone extends Error {}

const WHY = {
  NotAllowedError: "The browser may not use the microphone. Allow it beside the address, then press Speak again.",
  NotFoundError: "No microphone was found. Plug one in, or choose a file.",
  NotReadableError: "The microphone is taken by another program. Close that one, then press Speak again.",
};

export class Microphone {
  #stream;
  #context;

  /** Opens it; `heard(samples)` gets an Int16Array about 25 times a second. NoMicrophone if that cannot be. */
  static async open(heard) {
    if (!isSecureContext || !navigator.mediaDevices) {
      throw new NoMicrophone(
        "Browsers lend the microphone only to pages of this machine or over HTTPS. Open the studio as http://localhost, put it behind HTTPS, or choose a file.",
      );
    }
    const made = new Microphone();
    const plain = { channelCount: 1, echoCancellation: false, noiseSuppression: false, autoGainControl: false };
    try {
      made.#stream = await navigator.mediaDevices.getUserMedia({ audio: plain });
    } catch (error) {
      throw new NoMicrophone(
        WHY[error.name] ?? `The microphone cannot be opened (${error.message}). Choose a file instead.`,
      );
    }
    await made.#listen(heard);
    return made;
  }

  async #listen(heard) {
    this.#context = new AudioContext();
    await this.#context.audioWorklet.addModule("/static/try/capture.worklet.js");
    const node = new AudioWorkletNode(this.#context, "pcm16", {
      numberOfOutputs: 0,
      channelCount: 1,
      channelCountMode: "explicit",
    });
    node.port.onmessage = ({ data }) => heard(data);
    this.#context.createMediaStreamSource(this.#stream).connect(node);
    await this.#context.resume();
  }

  get rate_hz() {
    return this.#context.sampleRate;
  }

  close() {
    for (const track of this.#stream.getTracks()) track.stop();
    this.#context.close();
  }
}

/** 0 to 1, of a block's peak on a scale of 60 dB. */
export function level(samples) {
  let peak = 1;
  for (const sample of samples) peak = Math.max(peak, Math.abs(sample));
  return Math.max(0, 1 + (20 * Math.log10(peak / 32768)) / 60);
}

/** Blocks of samples as a WAV file. */
export function wav(blocks, rate_hz) {
  const bytes = blocks.reduce((sum, block) => sum + block.byteLength, 0);
  const header = new DataView(new ArrayBuffer(44));
  const text = (at, letters) => [...letters].forEach((letter, i) => header.setUint8(at + i, letter.charCodeAt(0)));
  (text(0, "RIFF"), header.setUint32(4, 36 + bytes, true), text(8, "WAVEfmt "));
  (header.setUint32(16, 16, true), header.setUint16(20, 1, true), header.setUint16(22, 1, true));
  (header.setUint32(24, rate_hz, true), header.setUint32(28, 2 * rate_hz, true));
  (header.setUint16(32, 2, true), header.setUint16(34, 16, true));
  (text(36, "data"), header.setUint32(40, bytes, true));
  return new Blob([header, ...blocks], { type: "audio/wav" });
}
