// Talking with the server: the API key, errors in the server's own words, and server-sent events.

import { find } from "./dom.js";

const KEY = "llaisys_mini.api_key";
let key = "";
try {
  key = sessionStorage.getItem(KEY) || ""; // forgotten with the tab
} catch {
  // a browser that keeps nothing: the key lives as long as the page
}

export class ServerError extends Error {
  constructor(message, status = 0) {
    super(message);
    this.status = status;
  }
}

/** The response to a GET, or to a POST of `body` as JSON. Throws ServerError, and AbortError where `signal` says so. */
export async function call(path, { body, signal } = {}) {
  const headers = {};
  if (key) headers.authorization = `Bearer ${key}`;
  if (body !== undefined) headers["content-type"] = "application/json";
  let response;
  try {
    const method = body === undefined ? "GET" : "POST";
    response = await fetch(path, { method, headers, signal, body: body && JSON.stringify(body), cache: "no-store" });
  } catch (problem) {
    if (problem.name === "AbortError") throw problem;
    throw new ServerError("The server does not answer. Is it still running?");
  }
  if (response.ok) return response;
  const problem = new ServerError(await wordsOf(response), response.status);
  if (problem.status === 401) askForKey(problem.message);
  throw problem;
}

async function wordsOf(response) {
  try {
    const words = (await response.json()).error.message;
    if (typeof words === "string") return words;
  } catch {
    // not one of the server's error objects: something stands between
  }
  return `The server answered ${response.status} ${response.statusText}`.trim();
}

/** The contents of a stream of events, up to [DONE]. Throws ServerError for an error in it, or an end before [DONE]. */
export async function* events(response) {
  const reader = response.body.pipeThrough(new TextDecoderStream()).getReader();
  let rest = "";
  try {
    for (;;) {
      const { value, done } = await reader.read().catch((problem) => {
        if (problem.name === "AbortError") throw problem;
        return { done: true };
      });
      if (done) throw new ServerError("The server went away.");
      const parts = (rest + value).split("\n\n");
      rest = parts.pop();
      for (const part of parts) {
        if (!part.startsWith("data: ")) continue; // a comment
        const data = part.slice(6);
        if (data === "[DONE]") return;
        const content = JSON.parse(data);
        if (content.error) throw new ServerError(content.error.message);
        yield content;
      }
    }
  } finally {
    reader.cancel().catch(() => {});
  }
}

/** The model that is served: its id, and max_model_len, the tokens of its context. */
export async function servedModel() {
  return (await (await call("/v1/models")).json()).data[0];
}

function askForKey(words) {
  find("key-words").textContent = key ? words : "This server asks for an API key.";
  find("key-form").hidden = false;
}

/** Call `again` whenever the reader has given a key. The page has a form `key-form` with `key` and `key-words`. */
export function whenKeyIsGiven(again) {
  find("key-form").addEventListener("submit", (event) => {
    event.preventDefault();
    const given = find("key").value.trim();
    if (!/^[\x20-\x7e]+$/.test(given)) {
      find("key-words").textContent = "A key has letters, digits and signs of ASCII only.";
      return;
    }
    key = given;
    try {
      sessionStorage.setItem(KEY, key);
    } catch {
      // see above
    }
    find("key").value = "";
    find("key-form").hidden = true;
    again();
  });
}
