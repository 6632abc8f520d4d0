/** A list of prompts from files of this machine: chosen, sent, and told what became of each line. */

import { el, find } from "../shell.js";
import { RpcError, Stream } from "../rpc.js";
import { show } from "./dialogs.js";

const PART_BYTES = 45_000; // base64 makes four thirds of it
const REASONS = {
  bad_row: "fields are missing, or a quote is open",
  not_readable: "nobody can read it aloud",
  duplicate: "the sentence stands before",
  too_many: "beyond the longest list",
};

/** The name of the new list, or undefined. `language`: what most files hold, for those that do not say it. */
export async function addList(language) {
  const answer = await asked(language);
  if (answer) await tell(answer);
  return answer?.list.name;
}

/** As keys of the store may be: the file's own name, without what cannot stand in one. */
export const nameOf = (file) =>
  file
    .replace(/\.[^.]*$/, "")
    .normalize("NFKD")
    .toLowerCase()
    .replace(/[^a-z0-9]+/g, "-")
    .replace(/^-|-$/g, "")
    .slice(0, 60);

function asked(language) {
  const files = el("input", {
    id: "list-files",
    type: "file",
    accept: ".txt,.csv,.tsv",
    multiple: true,
    required: true,
    autofocus: true,
    "aria-describedby": "list-kinds",
    onchange: () => (name.value ||= nameOf(files.files[0]?.name ?? "")),
  });
  const name = el("input", { id: "list-name", required: true, maxlength: 100, autocomplete: "off" });
  const tag = el("input", { id: "list-language", value: language, size: 8, required: true });
  const fault = el("p", { class: "bad", role: "alert" });
  const add = el("button", { class: "primary" }, "Add the list");
  const form = el(
    "form",
    { class: "stack", onsubmit: (event) => submit(event) },
    el("h2", { id: "list-title" }, "Add a list of prompts"),
    el("label", { for: "list-files" }, "Files"),
    files,
    el(
      "p",
      { class: "soft", id: "list-kinds" },
      "A sentence a line (TXT), or a table with a column text, sentence or prompt (CSV, TSV): also those of Mimic, " +
        "Piper and Common Voice. A list of the same name is replaced; what was read of it stays.",
    ),
    el("label", { for: "list-name" }, "Name of the list"),
    name,
    el("label", { for: "list-language" }, "Language, as a tag such as en or pt-BR"),
    tag,
    fault,
    el("div", { class: "row" }, add, el("button", { type: "button", onclick: () => dialog.close() }, "Cancel")),
  );
  const dialog = el("dialog", { class: "card", "aria-labelledby": "list-title" }, form);
  let answer;

  async function submit(event) {
    event.preventDefault();
    add.disabled = true;
    fault.textContent = "";
    try {
      answer = await send(name.value.trim(), tag.value.trim(), [...files.files]);
      dialog.close();
    } catch (error) {
      if (!(error instanceof RpcError)) console.error(error);
      fault.textContent = error.message; // what was chosen stays, to be put right
    } finally {
      add.disabled = false;
    }
  }

  return new Promise((resolve) => {
    dialog.addEventListener("close", () => {
      dialog.remove();
      resolve(answer);
    });
    document.body.append(dialog);
    if (document.activeElement === document.body) find("#main").focus();
    dialog.showModal();
  });
}

async function send(name, language, files) {
  const stream = new Stream("recorder/ImportPrompts");
  await stream.send({ list: { name, language } });
  for (const file of files) {
    const bytes = new Uint8Array(await file.arrayBuffer());
    const path = file.webkitRelativePath || file.name;
    for (let at = 0; at === 0 || at < bytes.length; at += PART_BYTES) {
      await stream.send({ file: { path, data: base64(bytes.subarray(at, at + PART_BYTES)) } });
    }
  }
  await stream.end();
  for await (const answer of stream) return answer;
  throw new RpcError("OFFLINE", "The connection ended before the answer came.");
}

const base64 = (bytes) => btoa(Array.from(bytes, (byte) => String.fromCharCode(byte)).join(""));

/** Which prompts came, and which lines did not and why. */
function tell({ list, added, removed, replaced, refused, refused_lines: lines }) {
  const there = list.prompts - added;
  const parts = [`${added} new prompts, ${there} that were there`];
  if (replaced && removed) parts.push(`${removed} that were there are no more in it`);
  const left = Object.values(refused).reduce((sum, count) => sum + count, 0);
  const rows = lines.map(({ reason, where }) =>
    el("tr", {}, el("td", {}, where), el("td", {}, REASONS[reason] ?? reason)),
  );
  const head = el("tr", {}, el("th", { scope: "col" }, "Line"), el("th", { scope: "col" }, "Why not"));
  const caption = `${left} lines left out${left > lines.length ? `, the first ${lines.length} of them` : ""}`;
  const table = el(
    "div",
    { class: "scroll", tabindex: 0, role: "region", "aria-label": "Lines left out" },
    el("table", {}, el("caption", {}, caption), el("thead", {}, head), el("tbody", {}, ...rows)),
  );
  return show(
    `${list.name}: ${list.prompts} prompts`,
    el("p", { id: "list-told", role: "status" }, `${parts.join("; ")}; ${left || "no"} lines left out.`),
    left ? table : null,
  );
}
