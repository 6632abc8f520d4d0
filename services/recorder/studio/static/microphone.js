/** The microphone: uncompressed samples at the device's own rate, as nobody has made them nicer. */

import { decibels, toPcm16 } from "./pcm.js";

const RAW = { channelCount: 1, echoCancellation: false, noiseSuppression: false, autoGainControl: false };
const PRE_ROLL_S = 0.3; // kept from before the start, so that no beginning is cut
const POST_ROLL_S = 0.2;

/** Why there is no microphone, and what to do next. */
export class Trouble extends Error {
  constructor(kind, message, next) {
    super(message);
    this.kind = kind; // insecure, denied, none, busy
    this.next = next;
  }
}

const TROUBLES = {
  NotAllowedError: [
    "denied",
    "This page may not use the microphone.",
    "Press the icon beside the address, allow the microphone, then try again. " +
      "On a phone also look at the browser's own permission in the system's settings.",
  ],
  NotFoundError: [
    "none",
    "No microphone was found.",
    "Plug one in, or switch it on in the system's sound settings, then try again.",
  ],
  NotReadableError: [
    "busy",
    "The microphone cannot be read.",
    "Close other programs that use it (calls, recorders), then try again.",
  ],
};

function troubleOf(error) {
  const [kind, message, next] = TROUBLES[error.name] ?? [
    "busy",
    `The microphone does not start: ${error.message}`,
    "Choose another one, or reload the page.",
  ];
  return new Trouble(kind, message, next);
}

async function stream(device) {
  if (!window.isSecureContext || !navigator.mediaDevices) {
    throw new Trouble(
      "insecure",
      `Browsers give no microphone to ${location.origin}, because it is neither HTTPS nor localhost.`,
      "Open the studio as https://… (docs/studio.md shows a reverse proxy), or on its own machine as " +
        "http://localhost, or through ssh -L.",
    );
  }
  const ask = (deviceId) => navigator.mediaDevices.getUserMedia({ audio: { ...RAW, ...deviceId } });
  try {
    if (!device) return await ask({});
    return await ask({ deviceId: { exact: device } }).catch((error) => {
      if (error.name === "OverconstrainedError") return ask({}); // it was unplugged
      throw error;
    });
  } catch (error) {
    throw troubleOf(error);
  }
}

/** The microphones there are, by name; names are known only after one was opened. */
export async function devices() {
  const found = await navigator.mediaDevices.enumerateDevices();
  return found.filter(({ kind, deviceId }) => kind === "audioinput" && deviceId);
}

export class Microphone {
  #context;
  #stream;
  #node;
  #before = []; // blocks of the last moment
  #kept = null; // blocks of the take under way

  /** Each is called with (samples, level_db) of every block of about 20 ms. */
  listeners = new Set();

  /** Throws Trouble. */
  static async open(device) {
    const made = new Microphone();
    made.#stream = await stream(device);
    const [track] = made.#stream.getAudioTracks();
    const { sampleRate, deviceId } = track.getSettings();
    Object.assign(made, { device: deviceId ?? device, label: track.label || "Microphone" });
    made.#context = new AudioContext({ sampleRate, latencyHint: "interactive" });
    track.onended = () => made.lost?.();
    await made.#connect();
    return made;
  }

  async #connect() {
    await this.#context.audioWorklet.addModule(new URL("./capture.worklet.js", import.meta.url));
    const source = this.#context.createMediaStreamSource(this.#stream);
    this.#node = new AudioWorkletNode(this.#context, "capture", {
      numberOfOutputs: 0,
      channelCount: 1,
      channelCountMode: "explicit",
    });
    this.#node.port.onmessage = ({ data }) => this.#take(data);
    source.connect(this.#node);
    this.#context.resume().catch(() => {}); // some browsers wait for a click
  }

  get rate() {
    return this.#context.sampleRate;
  }

  get recording() {
    return this.#kept !== null;
  }

  #take(block) {
    if (this.#kept) this.#kept.push(block);
    this.#before.push(block);
    if (this.#before.length * block.length > PRE_ROLL_S * this.rate) this.#before.shift();
    let power = 0;
    for (const sample of block) power += sample * sample;
    for (const hear of this.listeners) hear(block, decibels(power / block.length));
  }

  async start() {
    await this.#context.resume();
    this.#kept = [...this.#before];
  }

  /** The take, as 16-bit samples. */
  async stop() {
    await new Promise((resolve) => setTimeout(resolve, POST_ROLL_S * 1000));
    const blocks = this.#kept ?? [];
    this.#kept = null;
    return toPcm16(blocks);
  }

  /** Forgets the take under way. */
  drop() {
    this.#kept = null;
  }

  close() {
    for (const track of this.#stream.getTracks()) track.stop();
    this.#context.close();
  }
}
