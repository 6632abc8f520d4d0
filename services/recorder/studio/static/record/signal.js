/** What is measured of samples, and which of it is a fault: the limits of services/recorder/checks.py, in
 *  brief. The server measures again and decides; this is for the eyes at once, and for when there is no
 *  network. */

import { decibels, FULL_SCALE } from "../pcm.js";

const LIMITS = {
  silence_db: -65,
  hiss_db: -35,
  moving_db: 6,
  shortest_s: 0.3,
  longest_s: 35,
  clipped: 0.002,
  quietest_db: -50,
  loudest_db: -8,
  snr_db: 12,
  edge_db: -23,
  dc: 0.05,
  letters_per_s: 25,
  slowest_letters_per_s: 0.7,
  rate_hz: 16000,
  silence_s: 1.5,
  guide_s: 16,
};
/** As people write it. */
export const decibel = (number) => `${number.toFixed(0).replace("-", "−")} dB`;
export const countLetters = (text) => (text.match(/\p{L}/gu) ?? []).length;

/** The largest magnitude (0 to 1) in each of `count` equal parts: a waveform. */
export function peaksOf(pcm, count) {
  return Float32Array.from({ length: count }, (_, part) => {
    let peak = 0;
    const end = Math.floor(((part + 1) * pcm.length) / count);
    for (let at = Math.floor((part * pcm.length) / count); at < end; at++)
      peak = Math.max(peak, Math.abs(pcm[at]));
    return peak / FULL_SCALE;
  });
}

function meanPower(pcm, from, to) {
  let sum = 0;
  for (let at = from; at < to; at++) sum += pcm[at] * pcm[at];
  return sum / Math.max(to - from, 1) / FULL_SCALE ** 2;
}

function percentile(sorted, share) {
  return sorted[Math.min(sorted.length - 1, Math.floor(share * sorted.length))];
}

/** Levels in dB of full scale, times in seconds; `pcm` is not empty. */
export function measure(pcm, rate) {
  const hop = Math.round(rate / 100);
  const powers = [];
  for (let at = 0; at + hop <= pcm.length; at += hop) powers.push(meanPower(pcm, at, at + hop));
  if (!powers.length) powers.push(meanPower(pcm, 0, pcm.length));
  const levels = powers.map(decibels);
  const sorted = [...levels].sort((a, b) => a - b);
  const floor = percentile(sorted, 0.1);
  const loud = percentile(sorted, 0.95);
  const threshold = Math.max(floor + 0.35 * (loud - floor), loud - 35);
  const first = levels.findIndex((level) => level >= threshold);
  const last = levels.findLastIndex((level) => level >= threshold);
  const speech = powers.filter((power) => decibels(power) > floor + 3);
  const speech_power = speech.reduce((sum, power) => sum + power, 0) / Math.max(speech.length, 1);
  let clipped = 0,
    sum = 0,
    peak = 0;
  for (const sample of pcm) {
    if (sample >= 32766 || sample <= -32767) clipped++;
    peak = Math.max(peak, Math.abs(sample));
    sum += sample;
  }
  const edge = Math.round(rate / 50);
  return {
    rate,
    duration_s: pcm.length / rate,
    level_db: decibels(speech_power),
    peak_db: decibels((peak / FULL_SCALE) ** 2),
    floor_db: floor,
    middle_db: percentile(sorted, 0.5),
    loudest_db: sorted.at(-1),
    snr_db: speech.length ? decibels(Math.max(speech_power - 10 ** (floor / 10), 1e-12)) - floor : 0,
    clipped: clipped / pcm.length,
    dc: sum / pcm.length / FULL_SCALE,
    leading_s: first / 100,
    trailing_s: (levels.length - 1 - last) / 100,
    speech_s: (last - first + 1) / 100,
    first_db: decibels(meanPower(pcm, 0, Math.min(edge, pcm.length))) - loud,
    last_db: decibels(meanPower(pcm, Math.max(0, pcm.length - edge), pcm.length)) - loud,
  };
}

/** Nothing is loud, or what is heard does not move as speech does. */
function isSilent({ loudest_db, floor_db }) {
  if (loudest_db < LIMITS.silence_db) return true;
  return loudest_db < LIMITS.hiss_db && loudest_db - floor_db < LIMITS.moving_db;
}

/** [{check, message, hint}] as CheckTake answers; `useless`: nobody can overrule it. */
export function findFaults(found, text) {
  const letters = countLetters(text);
  const whole = (number) => number.toFixed(0);
  const when = (holds, check, message, extra = {}) =>
    holds ? [{ check, message, hint: false, ...extra }] : [];
  const useless = { useless: true };
  const cut = [found.first_db > LIMITS.edge_db, found.last_db > LIMITS.edge_db];
  return [
    ...when(
      found.duration_s < LIMITS.shortest_s,
      "too_short",
      `the take is only ${found.duration_s.toFixed(1)} s long; read the whole sentence`,
      useless,
    ),
    ...when(
      found.duration_s > LIMITS.longest_s,
      "too_long",
      `the take is ${whole(found.duration_s)} s long, at most ${LIMITS.longest_s}; read one sentence at a time`,
      useless,
    ),
    ...when(isSilent(found), "silent", "nobody is heard; check the microphone and its level", useless),
    ...when(
      found.clipped > LIMITS.clipped,
      "clipped",
      `it is clipped (${(100 * found.clipped).toFixed(1)} % of the samples); lower the input level`,
    ),
    ...when(
      found.level_db < LIMITS.quietest_db,
      "too_quiet",
      `it is very quiet (${whole(found.level_db)} dB); raise the input level, or come nearer`,
    ),
    ...when(
      found.level_db > LIMITS.loudest_db,
      "too_loud",
      `it is very loud (${whole(found.level_db)} dB); lower the input level`,
    ),
    ...when(
      found.snr_db < LIMITS.snr_db,
      "noisy",
      `speech is only ${whole(found.snr_db)} dB above the noise; switch off fans, shut the window, come nearer`,
    ),
    ...when(
      cut[0] && cut[1],
      "no_quiet",
      "it is never quiet, or both ends are missing; wait a moment before and after reading",
    ),
    ...when(
      cut[0] && !cut[1],
      "beginning_cut",
      "it begins in the middle of a word; start, wait a moment, then read",
    ),
    ...when(!cut[0] && cut[1], "end_cut", "it ends in the middle of a word; wait a moment before you stop"),
    ...when(
      letters > LIMITS.letters_per_s * found.duration_s,
      "too_fast",
      `${found.duration_s.toFixed(1)} s are too short for ${letters} letters; read the whole sentence`,
    ),
    ...when(
      letters < LIMITS.slowest_letters_per_s * found.speech_s,
      "too_slow",
      `${found.speech_s.toFixed(0)} s are long for ${letters} letters; read the prompt alone`,
    ),
    ...when(
      found.rate < LIMITS.rate_hz,
      "low_rate",
      `the microphone gives ${found.rate} Hz, at least ${LIMITS.rate_hz} are needed; choose another one`,
    ),
    ...when(
      Math.abs(found.dc) > LIMITS.dc,
      "dc_offset",
      "the signal is off its middle: the sound card or its cable has a fault",
    ),
    ...when(
      Math.max(found.leading_s, found.trailing_s) > LIMITS.silence_s,
      "silence",
      "long silence around the words; less than a second is enough",
      { hint: true },
    ),
    ...when(
      found.duration_s > LIMITS.guide_s,
      "long",
      `${whole(found.duration_s)} s are long for a sentence; 5 to ${LIMITS.guide_s} s train best`,
      { hint: true },
    ),
  ];
}
