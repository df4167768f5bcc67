// The sampling fields: kept in the browser, and sent only where the reader has set them. What is not valid is sent as
// it is, so that the server can say what is wrong with it.

import { find } from "./dom.js";

const KEPT = "llaisys_mini.settings";
const NUMBERS = ["temperature", "top_p", "top_k", "min_p", "seed", "max_tokens"];
const ALL = [...NUMBERS, "thinking"];

export function prepareSettings() {
  try {
    const kept = JSON.parse(localStorage.getItem(KEPT)) ?? {};
    for (const name of ALL) if (typeof kept[name] === "string") find(name).value = kept[name];
  } catch {
    // nothing that can be read: all as the model asks
  }
  find("settings").addEventListener("change", keep);
  find("reset").addEventListener("click", () => {
    for (const name of ALL) find(name).value = "";
    keep();
  });
}

function keep() {
  try {
    localStorage.setItem(KEPT, JSON.stringify(Object.fromEntries(ALL.map((name) => [name, find(name).value]))));
  } catch {
    // they last as long as the page
  }
}

/** The fields of a request that the reader has set. */
export function chosenSettings() {
  const chosen = {};
  for (const name of NUMBERS) {
    const text = find(name).value.trim().replace(",", ".");
    if (text) chosen[name] = Number.isFinite(Number(text)) ? Number(text) : text;
  }
  const thinking = find("thinking").value;
  if (thinking) chosen.chat_template_kwargs = { enable_thinking: thinking === "on" };
  return chosen;
}
