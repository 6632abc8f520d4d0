/** Questions in a <dialog>: the browser keeps the focus in it, and gives it back. Each resolves to
 *  undefined when the person changes their mind. */

import { el, find } from "../shell.js";

function open(title, body, buttons) {
  return new Promise((resolve) => {
    const form = el(
      "form",
      { method: "dialog", class: "stack" },
      el("h2", { id: "asked" }, title),
      ...body.filter((each) => each != null),
      el("div", { class: "row" }, ...buttons),
    );
    const dialog = el("dialog", { class: "card", "aria-labelledby": "asked" }, form);
    dialog.addEventListener("close", () => {
      dialog.remove();
      resolve(dialog.returnValue ? new FormData(form) : undefined);
    });
    document.body.append(dialog);
    if (document.activeElement === document.body) find("#main").focus(); // there the focus goes back to
    dialog.showModal();
    dialog.querySelector("[autofocus]")?.focus();
  });
}

const cancel = () => el("button", { value: "", formnovalidate: true }, "Cancel");

/** A reason, from a few or in own words. */
export async function askReason(title, reasons, verb) {
  const list = reasons.map((reason, place) =>
    el(
      "label",
      { class: "row pick" },
      el("input", {
        type: "radio",
        name: "reason",
        value: reason,
        checked: place === 0,
        autofocus: place === 0,
      }),
      reason,
    ),
  );
  const own = [
    el("label", { for: "own" }, "Or in your own words"),
    el("input", { id: "own", name: "own", maxlength: 200, autocomplete: "off" }),
  ];
  const answer = await open(
    title,
    [...list, ...own],
    [el("button", { class: "primary", value: "ok" }, verb), cancel()],
  );
  return answer && (answer.get("own").trim() || answer.get("reason"));
}

export async function askText(title, text, hint) {
  const area = el(
    "textarea",
    { id: "said", name: "said", rows: 4, maxlength: 1000, required: true, autofocus: true },
    text,
  );
  area.addEventListener("keydown", (event) => {
    if (event.key !== "Enter" || event.shiftKey) return;
    event.preventDefault();
    area.form.requestSubmit(area.form.querySelector(".primary"));
  });
  const body = [el("label", { for: "said" }, hint), area];
  const answer = await open(title, body, [el("button", { class: "primary", value: "ok" }, "Save"), cancel()]);
  return answer?.get("said").replace(/\s+/g, " ").trim();
}

export async function confirmed(title, text, verb) {
  const buttons = [el("button", { class: "danger", value: "ok", autofocus: true }, verb), cancel()];
  return Boolean(await open(title, [el("p", {}, text)], buttons));
}

/** Shows something until it is closed. */
export const show = (title, ...body) =>
  open(title, body, [el("button", { class: "primary", value: "ok", autofocus: true }, "Close")]);
