/** Who reads: several people on one machine, each with what they agreed to. */

import { attempt, el, find } from "../shell.js";
import { call } from "../rpc.js";
import { show } from "./dialogs.js";
import * as store from "./store.js";

const LICENCES = [
  ["CC0-1.0", "CC0: anyone may use the recordings for anything"],
  ["CC-BY-4.0", "CC BY: anyone may use them who names me"],
  ["private", "Private: only for training on this installation"],
];
const LANGUAGES = ["en", "de", "fr", "es", "it", "nl", "pl", "pt-BR", "cy", "ga-IE", "sv-SE", "uk", "zh-CN"];
const CONSENT =
  "I agree that my voice is recorded here and that the recordings are used to train and test speech " +
  "recognition. They are kept with my name as I enter it, and used under the licence that I choose. I may " +
  "stop at any time, delete each take, and ask whoever runs this studio to forget all of them.";

/** [{id, name, language, licence, minutes}], of the server, or as they were known last. */
export async function speakers() {
  const known = await store.recall("speakers", []);
  let found;
  try {
    found = (await call("recorder/ListSpeakers")).speakers;
  } catch (error) {
    if (!["OFFLINE", "UNIMPLEMENTED", "UNAVAILABLE"].includes(error.code)) throw error;
    return known;
  }
  const local = known.filter(({ here, name }) => here && !found.some((each) => each.name === name));
  await store.keep("speakers", [...found, ...local]);
  return [...found, ...local];
}

export const choose = (speaker) => store.keep("speaker", speaker.name);

/** Who read here last. */
export async function current(among) {
  const last = await store.recall("speaker");
  return among.find(({ name }) => name === last);
}

async function register(request) {
  let speaker = { ...request, id: request.name, here: true };
  try {
    speaker = await call("recorder/RegisterSpeaker", request);
  } catch (error) {
    if (error.code !== "UNIMPLEMENTED") throw error; // an older server takes takes without
  }
  const others = (await store.recall("speakers", [])).filter(({ name }) => name !== speaker.name);
  await store.keep("speakers", [...others, speaker]);
  return speaker;
}

/** Shows the studio's own text in a language, or this page's where it has none or does not answer; what `shown` says is
 *  what somebody agrees to. */
async function showConsent(shown, language) {
  let found = { text: "" };
  try {
    found = await call("recorder/GetConsentText", { language });
  } catch (error) {
    if (!["OFFLINE", "UNIMPLEMENTED", "UNAVAILABLE", "INVALID_ARGUMENT"].includes(error.code)) throw error;
  }
  const text = found.text || CONSENT;
  if (shown.textContent === text) return;
  shown.textContent = text;
  shown.lang = found.text ? found.language : "en";
  const agree = find("#agree");
  if (agree) agree.checked = false; // it was another text
}

/** Somebody with takes who never agreed to anything. */
export const isToAgree = (speaker) => speaker.consent === "";

/** Asks a new speaker, or one who is to agree; the speaker, once they agreed. `cancel`: there is somebody to go
 *  back to. */
export async function welcome(main, { cancel = false, known = {} } = {}) {
  const shown = el("p", { id: "consent-text", "aria-live": "polite" });
  await showConsent(shown, known.language || "en");
  return new Promise((resolve) => {
    const submit = (event) => {
      event.preventDefault();
      const { name, language, licence } = Object.fromEntries(new FormData(event.target));
      attempt(async () =>
        resolve(await register({ name: name.trim(), language, licence, consent: shown.textContent })),
      );
    };
    const back = cancel ? el("button", { type: "button", onclick: () => resolve(null) }, "Cancel") : null;
    main.replaceChildren(
      el(
        "form",
        { class: "card narrow stack", onsubmit: submit, "aria-labelledby": "welcome" },
        el("h1", { id: "welcome" }, "Who is reading?"),
        el(
          "p",
          { class: "soft" },
          "A few hundred sentences teach a recogniser your voice. Say first who you are.",
        ),
        el("label", { for: "name" }, "Name, as it stands beside the recordings"),
        el("input", {
          id: "name",
          name: "name",
          required: true,
          maxlength: 100,
          value: known.name,
          readonly: Boolean(known.name),
          pattern: ".*\\S.*",
          autocomplete: "off",
        }),
        el("label", { for: "language" }, "Language that you read, as a tag such as en or pt-BR"),
        el("input", {
          id: "language",
          name: "language",
          value: known.language || "en",
          list: "languages",
          required: true,
          pattern: "[A-Za-z]{2,3}(-[A-Za-z0-9]{2,8})*",
          size: 8,
          onchange: ({ target }) => attempt(() => showConsent(shown, target.value)),
        }),
        el("datalist", { id: "languages" }, ...LANGUAGES.map((tag) => el("option", { value: tag }))),
        licences(),
        el("div", { class: "box plain" }, el("h2", {}, "Consent"), shown),
        el(
          "label",
          { class: "row pick" },
          el("input", { type: "checkbox", required: true, id: "agree" }),
          "I have read this and agree",
        ),
        el("div", { class: "row" }, el("button", { class: "primary" }, "Begin"), back),
      ),
    );
    find(known.name ? "#agree" : "#name").focus();
  });
}

/** A link that lets somebody read in a browser of their own, and hear or delete nobody else's takes. */
export async function invite(speaker) {
  const { token } = await call("recorder/InviteSpeaker", { speaker: speaker.name });
  const link = el("input", { id: "link", readonly: true, value: `${location.origin}/#invite=${token}` });
  await show(
    `Invite ${speaker.name}`,
    el(
      "p",
      {},
      "Whoever opens this link reads as this person. It is shown once; a new one ends the one before.",
    ),
    el("label", { for: "link" }, "Link"),
    link,
  );
}

function licences() {
  const choice = ([value, words], place) =>
    el(
      "label",
      { class: "row pick" },
      el("input", { type: "radio", name: "licence", value, required: true, checked: place === 2 }),
      words,
    );
  return el("fieldset", {}, el("legend", {}, "What the recordings may be used for"), ...LICENCES.map(choice));
}
