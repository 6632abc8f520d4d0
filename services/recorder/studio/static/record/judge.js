/** Is a take good? The server says; the page, where the server cannot be asked soon. */

import { upload } from "../rpc.js";
import { labels } from "./outbox.js";
import { findFaults } from "./signal.js";

const PATIENCE_S = 8;

/** {faults, hints: [messages], overrulable, hearing} of what was measured in the page. */
export function judgeHere(measured, text) {
  const found = findFaults(measured, text);
  return { ...sorted(found), overrulable: !found.some(({ useless }) => useless) };
}

/** The same from CheckTake, or `here` when no answer comes. */
export async function judgeThere(take, here) {
  try {
    const request = { take: { ...labels(take), listen: true } };
    const answer = await Promise.race([upload("recorder/CheckTake", request, take.pcm), impatience()]);
    return { ...sorted(answer.findings), overrulable: true, hearing: answer.hearing };
  } catch (error) {
    if (error.code !== "INVALID_ARGUMENT") return here;
    return { faults: [error.message], hints: [], overrulable: false };
  }
}

function sorted(findings) {
  const words = (hint) => findings.filter((finding) => finding.hint === hint).map(({ message }) => message);
  return { faults: words(false), hints: words(true) };
}

const impatience = () =>
  new Promise((_, reject) => setTimeout(reject, PATIENCE_S * 1000, new Error("no answer yet")));
