/** Words with times into SubRip and WebVTT, by the rules of voxloom/subtitles.py. */

const MAX_CUE_MS = 6000;
const MAX_CUE_CHARACTERS = 80;
const MAX_GAP_MS = 800; // a longer silence ends the cue

/** Words that are shown together. */
export function cues(words) {
  const groups = [];
  for (const word of words) {
    const group = groups.at(-1);
    if (!group || endsBefore(group, word)) groups.push([word]);
    else group.push(word);
  }
  return groups.map((group) => ({
    text: group.map((word) => word.text).join(" "),
    start_ms: group[0].start_ms,
    end_ms: Math.max(...group.map((word) => word.end_ms)),
  }));
}

function endsBefore(group, word) {
  const characters = group.reduce((sum, each) => sum + each.text.length + 1, word.text.length);
  return (
    word.start_ms - group.at(-1).end_ms > MAX_GAP_MS ||
    word.end_ms - group[0].start_ms > MAX_CUE_MS ||
    characters > MAX_CUE_CHARACTERS
  );
}

export const srt = (words) =>
  cues(words)
    .map((cue, at) => `${at + 1}\n${time(cue.start_ms, ",")} --> ${time(cue.end_ms, ",")}\n${safe(cue.text)}\n`)
    .join("\n");

export const vtt = (words) =>
  [
    "WEBVTT\n",
    ...cues(words).map((cue) => `${time(cue.start_ms, ".")} --> ${time(cue.end_ms, ".")}\n${safe(cue.text)}\n`),
  ].join("\n");

function time(ms, separator) {
  const two = (number) => String(Math.floor(number)).padStart(2, "0");
  const seconds = Math.max(0, ms) / 1000;
  const rest = String(Math.max(0, ms) % 1000).padStart(3, "0");
  return `${two(seconds / 3600)}:${two((seconds / 60) % 60)}:${two(seconds % 60)}${separator}${rest}`;
}

/** No word may open a tag or look like a cue's time line. */
const safe = (text) => text.replaceAll("&", "&amp;").replaceAll("<", "&lt;").replaceAll(">", "&gt;");
