/** Hears when a sentence is over: some speech, then quiet. Fed with levels of short blocks. */

const QUIET_S = 0.9; // longer than pauses within a sentence
const SPEECH_S = 0.25;
const ABOVE_DB = 10; // of the room's noise
const FLOOR_S = 4; // of levels, whose quieter ones are taken for the room

export class Ending {
  #levels = [];
  #speech_s = 0;
  #quiet_s = 0;

  /** For each block, also between takes: that is how the room is known. */
  hear(level_db, seconds) {
    this.#levels.push(level_db);
    if (this.#levels.length * seconds > FLOOR_S) this.#levels.shift();
    if (level_db > this.floor_db + ABOVE_DB && level_db > -55) {
      this.#speech_s += seconds;
      this.#quiet_s = 0;
    } else {
      this.#quiet_s += seconds;
    }
  }

  get floor_db() {
    const sorted = [...this.#levels].sort((a, b) => a - b);
    return sorted[Math.floor(sorted.length / 10)] ?? -100;
  }

  restart() {
    this.#speech_s = this.#quiet_s = 0;
  }

  get over() {
    return this.#speech_s >= SPEECH_S && this.#quiet_s >= QUIET_S;
  }

  get quiet_s() {
    return this.#quiet_s;
  }
}
