/** One request for text: audio goes in, results come out. */

import { Stream } from "../rpc.js";

const CHUNK_BYTES = 60_000;
const AHEAD_BYTES = 1 << 20;
const BLINK_MS = 20;

/** `told` has `result(answer)` for finals and interim ones alike; `share(0..1)` of the work, where it is known. */
export class Recognition {
  #stream;
  #told;
  #ended = 0; // when all audio was there

  constructor(method, told) {
    this.#stream = new Stream(`inference/${method}`);
    this.#told = told;
  }

  /** As it is spoken: first this, then `send`, then `end`. Resolves with {model, latency_s} after the last answer. */
  static live(rate_hz, options, told) {
    const made = new Recognition("StreamingRecognize", told);
    made.#stream.send({
      config: {
        format: { encoding: "AUDIO_ENCODING_PCM16", sample_rate_hz: rate_hz, channels: 1 },
        interim_results: true,
        options,
      },
    });
    made.done = made.#results();
    return made;
  }

  /** A whole file; `long`: piece by piece with the progress told, for recordings of minutes to hours. */
  static file(file, options, long, told) {
    const made = new Recognition(long ? "BatchRecognize" : "StreamingRecognize", told);
    const config = long ? { options } : { interim_results: true, options };
    made.done = Promise.all([made.#upload(file, config), made.#results()]).then(([, last]) => last);
    return made;
  }

  send(samples) {
    return this.#stream.send(samples);
  }

  async end() {
    await this.#stream.end();
    this.#ended = performance.now();
  }

  stop() {
    this.#stream.close();
  }

  async #upload(file, config) {
    await this.#stream.send({ config });
    for (let at = 0; at < file.size; at += CHUNK_BYTES) {
      await this.#stream.send(await file.slice(at, at + CHUNK_BYTES).arrayBuffer());
      while (this.#stream.buffered > AHEAD_BYTES) await new Promise((go) => setTimeout(go, BLINK_MS));
    }
    await this.end();
  }

  async #results() {
    let [model, compute_s] = ["", 0];
    for await (const answer of this.#stream) {
      if (answer.summary) [model, compute_s] = [answer.summary.model, answer.summary.compute_s];
      else if (answer.piece) this.#piece(answer.piece);
      else {
        model = answer.model;
        this.#told.result(answer);
      }
    }
    const latency_s = this.#ended ? (performance.now() - this.#ended) / 1000 : 0;
    return { model, compute_s, latency_s };
  }

  #piece(piece) {
    if (Number(piece.total_ms)) this.#told.share(Number(piece.end_ms) / Number(piece.total_ms));
    if (piece.text) this.#told.result({ ...piece, is_final: true });
  }
}
