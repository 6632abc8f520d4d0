/** Questions before something is done that others will feel. */

import { el } from "./shell.js";

/** Opens a dialog and waits. `content` are elements, among them perhaps fields; the answer is the form's data, or
 *  null if the person thought better of it. The first field has the focus, else the button that does nothing. */
export function ask({ title, content = [], action, danger = false, cancel = "Cancel" }) {
  const stay = el("button", { type: "button", onclick: () => dialog.close("") }, cancel);
  const go = el("button", { class: danger ? "danger" : "primary" }, action);
  const form = el("form", { method: "dialog" }, el("h2", { id: "dialog-title" }, title), ...content);
  form.append(el("div", { class: "row end" }, stay, go));
  const dialog = el("dialog", { "aria-labelledby": "dialog-title" }, form);
  const opener = document.activeElement;
  document.body.append(dialog);
  dialog.returnValue = "";
  go.value = "go";
  dialog.showModal();
  (form.querySelector("input, select, textarea") ?? stay).focus();
  return new Promise((resolve) => {
    dialog.onclose = () => {
      const done = dialog.returnValue === "go";
      dialog.remove();
      if (opener?.isConnected) opener.focus({ preventScroll: true });
      resolve(done ? Object.fromEntries(new FormData(form)) : null);
    };
  });
}

/** Shows something that is read and closed. */
export function show(title, ...content) {
  return ask({ title, content, action: "Done", cancel: "Close" });
}

export const isOpen = () => document.querySelector("dialog[open]") !== null;
