// Making and finding elements. Text of a model or a user becomes text nodes only, never markup.

export const find = (id) => document.getElementById(id);

/** A new element; `properties` are set on it, and those with a dash, or `role`, as attributes. */
export function make(tag, properties = {}, ...children) {
  const element = document.createElement(tag);
  for (const [name, value] of Object.entries(properties)) {
    if (name.includes("-") || name === "role") element.setAttribute(name, value);
    else element[name] = value;
  }
  element.append(...children);
  return element;
}

export const button = (text, onclick, properties = {}) =>
  make("button", { type: "button", textContent: text, onclick, ...properties });

/** Show a text in an element that is hidden while there is none. */
export function tell(element, text) {
  element.textContent = text || "";
  element.hidden = !text;
}

/** The text with a full stop, so that another sentence can follow. */
export const sentence = (text) => (/[.!?]$/.test(text) ? text : `${text}.`);

export const number = (value) => value.toLocaleString("en-GB");

/** Offer a text as a file to be saved. */
export function save(name, text) {
  const address = URL.createObjectURL(new Blob([text], { type: "text/plain" }));
  make("a", { href: address, download: name }).click();
  setTimeout(() => URL.revokeObjectURL(address), 60_000);
}
