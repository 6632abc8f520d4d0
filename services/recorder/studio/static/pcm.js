/** 16-bit samples. */

export const FULL_SCALE = 32768;
export const decibels = (power) => 10 * Math.log10(Math.max(power, 1e-12));

/** Blocks of floats as one array of 16-bit samples. */
export function toPcm16(blocks) {
  const made = new Int16Array(blocks.reduce((sum, block) => sum + block.length, 0));
  let at = 0;
  for (const block of blocks) {
    for (const sample of block)
      made[at++] = Math.max(-32768, Math.min(32767, Math.round(sample * FULL_SCALE)));
  }
  return made;
}

/** A WAV file of 16-bit mono samples. */
export function wavOf(pcm, rate) {
  const view = new DataView(new ArrayBuffer(44));
  const write = (at, text) =>
    [...text].forEach((char, place) => view.setUint8(at + place, char.charCodeAt(0)));
  (write(0, "RIFF"), view.setUint32(4, 36 + pcm.byteLength, true), write(8, "WAVEfmt "));
  (view.setUint32(16, 16, true), view.setUint16(20, 1, true), view.setUint16(22, 1, true));
  (view.setUint32(24, rate, true), view.setUint32(28, rate * 2, true));
  (view.setUint16(32, 2, true), view.setUint16(34, 16, true));
  (write(36, "data"), view.setUint32(40, pcm.byteLength, true));
  return new Blob([view, pcm], { type: "audio/wav" });
}
