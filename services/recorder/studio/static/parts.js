/** Pieces that several pages are made of. */

import { el, find } from "./shell.js";

/** An element of SVG; `el` makes those of HTML. */
export function svg(tag, attributes, ...children) {
  const made = document.createElementNS("http://www.w3.org/2000/svg", tag);
  for (const [name, value] of Object.entries(attributes)) made.setAttribute(name, value);
  made.append(...children);
  return made;
}

/** A short word with a colour: `kind` is good, bad, warn or soft. */
export const badge = (text, kind = "soft") => el("span", { class: `tag ${kind}` }, text);

export const box = (kind, ...children) => el("div", { class: `box ${kind}` }, ...children);

/** A control with its label, and what helps to fill it in. */
export function field(label, control, hint = "") {
  const help = hint ? el("small", { class: "soft", id: `${control.id}-hint` }, hint) : null;
  if (help) control.setAttribute("aria-describedby", help.id);
  return el("div", { class: "field" }, el("label", { for: control.id }, label), control, help);
}

export function select(id, options, chosen, attributes = {}) {
  const made = ([value, name]) => el("option", { value, selected: value === chosen }, name);
  return el("select", { id, ...attributes }, ...options.map(made));
}

/** `rows` are lists of cells; a cell is a text or an element. */
export function table(caption, header, rows, attributes = {}) {
  const cell = (tag, value, more = {}) => el(tag, more, value instanceof Node ? value : String(value ?? ""));
  const labelled = (row) => row.map((value, at) => cell("td", value, { "data-label": header[at] }));
  return el(
    "table",
    attributes,
    el("caption", {}, caption),
    el("thead", {}, el("tr", {}, ...header.map((name) => cell("th", name, { scope: "col" })))),
    el("tbody", {}, ...rows.map((row) => el("tr", {}, ...labelled(row)))),
  );
}

/** New children in place of the old ones. The focus stays on what has the same `data-key`, and what was open stays open. */
export function refill(container, ...children) {
  const key = container.contains(document.activeElement) && document.activeElement.dataset.key;
  const open = [...container.querySelectorAll("details[open][data-key]")].map((each) => each.dataset.key);
  container.replaceChildren(...children.filter((child) => child != null));
  const named = (name) => container.querySelector(`[data-key="${CSS.escape(name)}"]`);
  for (const name of open) named(name)?.setAttribute("open", "");
  if (key) named(key)?.focus({ preventScroll: true });
}

/** Tells screen readers, once and when they are free. */
export function announce(text) {
  const line =
    find("#announce") ?? document.body.appendChild(el("div", { id: "announce", class: "unseen", role: "status" }));
  if (line.textContent !== text) line.textContent = text;
}

/** What somebody who was invited finds on a page for those who run the studio; whether that is so. */
export function adminsOnly(caller, name, why) {
  if (caller.admin) return false;
  const way = el(
    "p",
    {},
    "You can ",
    el("a", { href: "/" }, "record"),
    " and ",
    el("a", { href: "/try" }, "try the model"),
    ".",
  );
  const told = el("p", {}, `${why} It opens with the studio's key; ask whoever runs it.`);
  find("#main").replaceChildren(el("h1", {}, name), el("div", { class: "card narrow" }, told, way));
  return true;
}

/** Hands a text over as a file. */
export function download(name, text, type = "text/plain") {
  const url = URL.createObjectURL(new Blob([text], { type }));
  el("a", { href: url, download: name }).click();
  setTimeout(() => URL.revokeObjectURL(url), 10_000);
}
