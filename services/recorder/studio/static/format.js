/** Figures and times in words for people. */

export const percent = (share) => (share == null ? "–" : `${(100 * share).toFixed(1)} %`);

/** For scales. */
export const wholePercent = (share) => `${Math.round(100 * share)} %`;

export const plural = (count, one, many = `${one}s`) =>
  `${Number(count).toLocaleString("en")} ${count == 1 ? one : many}`;

/** 42 s, 7:05 min, 2:03 h */
export function clock(seconds) {
  const whole = Math.max(0, Math.round(seconds));
  const two = (number) => String(number).padStart(2, "0");
  if (whole < 60) return `${whole} s`;
  if (whole < 3600) return `${Math.floor(whole / 60)}:${two(whole % 60)} min`;
  return `${Math.floor(whole / 3600)}:${two(Math.floor((whole % 3600) / 60))} h`;
}

export function minutes(value) {
  return value < 90 ? `${value.toFixed(1)} min` : `${(value / 60).toFixed(1)} h`;
}

export function size(bytes) {
  const mib = Number(bytes) / 2 ** 20;
  return mib < 0.1 ? `${Math.ceil(Number(bytes) / 1024)} KiB` : `${mib.toFixed(1)} MiB`;
}

/** just now, 5 min ago, 3 h ago, else the day. */
export function ago(timestamp, now = Date.now()) {
  const at = Date.parse(timestamp);
  if (Number.isNaN(at)) return "";
  const past = (now - at) / 1000;
  if (past < 60) return "just now";
  if (past < 3600) return `${Math.floor(past / 60)} min ago`;
  if (past < 24 * 3600) return `${Math.floor(past / 3600)} h ago`;
  return new Date(at).toLocaleDateString("en", { day: "numeric", month: "short", year: "numeric" });
}

/** Day and time, for tables. */
export function when(timestamp) {
  const at = new Date(timestamp);
  if (Number.isNaN(at.getTime())) return "";
  return at.toLocaleString("en-GB", { day: "numeric", month: "short", hour: "2-digit", minute: "2-digit" });
}

/** `sentence_in_val` as words. */
export const words = (name) => name.replaceAll("_", " ");
