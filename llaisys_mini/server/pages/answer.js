// One answer of the model, written into a message as it arrives.
//
// The message: {role: "assistant", content, thoughts, state, note, stats, total}. state: "writing", "done", "stopped"
// or "failed". note: what the reader has to know about it. stats: tokens and speed, as text. total: tokens of the
// conversation up to here.

import { call, events } from "./api.js";
import { number, sentence } from "./dom.js";

/** A message that is about to be written. */
export const blank = () => ({ role: "assistant", content: "", thoughts: "", state: "writing", note: "", stats: "" });

/** The conversation as the server reads it; an answer of which nothing arrived is left out. */
export function asSent(messages) {
  return messages
    .filter((message) => message.role !== "assistant" || message.content || message.thoughts)
    .map(({ role, content, thoughts }) => (thoughts ? { role, content, reasoning_content: thoughts.trim() } : { role, content }));
}

/** Ask for an answer and write it into `message`. grown() is called for each piece. Never throws; see the state. */
export async function write(message, body, signal, grown) {
  const clock = { start: performance.now(), first: 0, last: 0, pieces: 0 };
  let usage = null;
  try {
    const response = await call("/v1/chat/completions", {
      body: { ...body, stream: true, stream_options: { include_usage: true } },
      signal,
    });
    for await (const chunk of events(response)) {
      usage = chunk.usage ?? usage;
      const [choice] = chunk.choices;
      if (choice === undefined) continue;
      const { content, reasoning_content: thoughts } = choice.delta;
      if (content || thoughts) {
        message.content += content ?? "";
        message.thoughts += thoughts ?? "";
        clock.last = performance.now();
        clock.first ||= clock.last;
        clock.pieces += 1;
        message.stats = soFar(clock);
        grown();
      }
      if (choice.finish_reason === "length") message.note = "Cut off: the most tokens, or the end of the context, is reached.";
    }
    message.state = "done";
    message.stats = told(usage, clock);
    message.total = usage?.total_tokens;
  } catch (problem) {
    const arrived = message.content || message.thoughts;
    message.stats = clock.pieces ? soFar(clock) : "";
    if (problem.name === "AbortError") {
      message.state = "stopped";
      message.note = "Stopped.";
    } else {
      message.state = "failed";
      message.note = arrived ? `${sentence(problem.message)} What had arrived is kept.` : problem.message;
    }
  }
}

// The server counts tokens at the end only; a piece is a token, but for characters that take several.
function soFar({ first, last, pieces }) {
  const rate = last > first ? `, about ${((pieces - 1) / ((last - first) / 1000)).toFixed(1)} per second` : "";
  return `about ${number(pieces)} ${pieces === 1 ? "token" : "tokens"}${rate}`;
}

function told(usage, { start, first, last }) {
  if (!usage) return "";
  const written = usage.completion_tokens;
  const parts = [`${number(written)} ${written === 1 ? "token" : "tokens"}`];
  if (written > 1 && last > first) parts.push(`${((written - 1) / ((last - first) / 1000)).toFixed(1)} per second`);
  if (first) parts.push(`first after ${((first - start) / 1000).toFixed(2)} s`);
  const shared = usage.prompt_tokens_details?.cached_tokens;
  if (shared) parts.push(`${number(shared)} of the prompt's ${number(usage.prompt_tokens)} were stored already`);
  return parts.join(", ");
}
