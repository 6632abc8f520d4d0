/** What every page has: navigation, theme, the key if one is wanted, messages, and uploads that wait. */

import { enter, leave, me, RpcError } from "./rpc.js";

const PAGES = [
  ["/", "Record"],
  ["/review", "Review"],
  ["/loop", "Loop"],
  ["/try", "Try"],
];

/** Element with attributes and children: `el("button", {class: "primary", onclick: f}, "Save")`. Text is never HTML. */
export function el(tag, attributes = {}, ...children) {
  const made = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) {
    if (name.startsWith("on")) made.addEventListener(name.slice(2), value);
    else if (value === true) made.setAttribute(name, "");
    else if (value !== false && value != null) made.setAttribute(name, value);
  }
  made.append(...children.filter((child) => child != null));
  return made;
}

export const find = (selector) => document.querySelector(selector);

/** Says something to eyes and screen readers: `kind` is info, good or bad. Bad ones stay until they are closed. */
export function say(text, kind = "info") {
  const line = el("div", { class: `toast ${kind}`, role: kind === "bad" ? "alert" : "status" }, el("span", {}, text));
  const close = el("button", { class: "quiet", "aria-label": "Close message", onclick: () => line.remove() }, "×");
  line.append(close);
  find("#toasts").append(line);
  if (kind !== "bad") setTimeout(() => line.remove(), 6000);
}

/** Runs what a person asked for; what fails is said, not lost. */
export async function attempt(work) {
  try {
    return await work();
  } catch (error) {
    say(error instanceof RpcError ? error.message : `Something went wrong in the page: ${error}`, "bad");
    if (!(error instanceof RpcError)) console.error(error);
    return undefined;
  }
}

function header(caller) {
  const links = PAGES.filter(([path]) => caller?.admin !== false || path === "/" || path === "/try").map(([path, name]) =>
    el("a", { href: path, "aria-current": location.pathname === path ? "page" : null }, name),
  );
  const theme = el("button", { class: "quiet", id: "theme", "aria-label": "Light or dark", onclick: toggleTheme }, "◐");
  const out = caller && !caller.open ? el("button", { class: "quiet", onclick: signOut }, "Sign out") : null;
  return el(
    "header",
    { class: "top" },
    el("a", { class: "skip", href: "#main" }, "Skip to the content"),
    el("strong", {}, "voxloom"),
    el("nav", { "aria-label": "Pages" }, ...links),
    el("span", { id: "waiting", role: "status" }),
    out,
    theme,
  );
}

function toggleTheme() {
  const dark = matchMedia("(prefers-color-scheme: dark)").matches;
  const now = document.documentElement.dataset.theme ?? (dark ? "dark" : "light");
  document.documentElement.dataset.theme = now === "dark" ? "light" : "dark";
  localStorage.setItem("theme", document.documentElement.dataset.theme);
}

async function signOut() {
  await attempt(leave);
  location.reload();
}

async function whoever() {
  const invited = new URLSearchParams(location.hash.slice(1)).get("invite");
  if (invited) {
    history.replaceState(null, "", location.pathname); // a secret does not stay in the address bar
    await enter(invited);
  }
  return me();
}

function askForKey(message) {
  const key = el("input", { id: "key", type: "password", autocomplete: "current-password", required: true });
  const fault = el("p", { class: "bad", role: "alert" }, message);
  const submit = async (event) => {
    event.preventDefault();
    try {
      await enter(key.value);
      location.reload();
    } catch (error) {
      fault.textContent = error.message;
      key.focus();
    }
  };
  const form = el(
    "form",
    { class: "card narrow", onsubmit: submit },
    el("h1", {}, "This studio wants a key"),
    el("label", { for: "key" }, "API key, or the secret of your invitation"),
    key,
    fault,
    el("button", { class: "primary" }, "Enter"),
  );
  find("#main").replaceChildren(form);
  key.focus();
}

/** Sets the page up and calls `page(caller)`, once somebody is let in. Without a network the last caller counts. */
export async function start(page) {
  const theme = localStorage.getItem("theme");
  if (theme) document.documentElement.dataset.theme = theme;
  document.body.prepend(header(null));
  document.body.append(el("div", { id: "toasts" }));
  if ("serviceWorker" in navigator) navigator.serviceWorker.register("/sw.js").catch(() => {});
  let caller;
  try {
    caller = await whoever();
    localStorage.setItem("caller", JSON.stringify(caller));
  } catch (error) {
    if (error.code === "UNAUTHENTICATED") return askForKey(error.message);
    caller = error.code === "OFFLINE" && JSON.parse(localStorage.getItem("caller") ?? "null");
    if (!caller) return say(error.message, "bad");
  }
  find("header.top").replaceWith(header(caller));
  await attempt(() => page(caller));
}
