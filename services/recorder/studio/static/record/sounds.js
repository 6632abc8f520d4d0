/** Plays takes: those of this page and those that wait from the disk, others from the server. */

import { RpcError, takeUrl } from "../rpc.js";
import { wavOf } from "../pcm.js";
import * as store from "./store.js";

const REMEMBERED = 50; // about a minute of sound for each 5 MB

export class Sounds {
  #known = new Map(); // take id -> {pcm, rate}
  #player = new Audio();

  remember(id, pcm, rate) {
    this.#known.set(id, { pcm, rate });
    if (this.#known.size > REMEMBERED) this.#known.delete(this.#known.keys().next().value);
  }

  samplesOf(take) {
    return take && this.#known.get(take.id)?.pcm;
  }

  stop() {
    this.#player.pause();
  }

  async play(take) {
    const sound = this.#known.get(take.id) ?? (await store.get("outbox", take.id));
    if (!sound && !take.utterance) throw new RpcError("NOT_FOUND", "This take is no longer in this browser.");
    URL.revokeObjectURL(this.#player.src);
    this.#player.src = sound ? URL.createObjectURL(wavOf(sound.pcm, sound.rate)) : takeUrl(take);
    await this.#player.play().catch((error) => {
      if (error.name === "AbortError") return; // stopped before it began
      throw new RpcError("NOT_FOUND", "The studio has no sound of this take.");
    });
  }
}
