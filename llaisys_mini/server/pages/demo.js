// A small load, so that there is something to see: eight texts of different lengths, asked for in four requests (a
// browser opens six connections to a server at most). Most begin alike, and come once the first has stored its pages.

import { call, events, servedModel } from "./api.js";

const BEGINNING =
  "Once upon a time there was a little fox who lived by the river. Every morning the fox went down to the water and " +
  "looked at the boats. One day an old boat came by, and in the boat there sat ";
const LONG = BEGINNING.repeat(4);

const FIRST = { prompt: [`${BEGINNING}a bear`], max_tokens: 140 };
const LATER = [
  { prompt: [`${BEGINNING}an owl`, `${BEGINNING}two mice`], max_tokens: 90 },
  { prompt: [`${BEGINNING}a girl named Lily`, "The lake was frozen.", "Tom had a red ball."], max_tokens: 40 },
  { prompt: [`${LONG}nobody`, `It was winter. ${LONG}a hare`], max_tokens: 60 },
];

/** Ask for all of them; ends when all are written. Throws as `call` and `events` do. */
export async function demo(signal) {
  const model = (await servedModel()).id;
  const ask = async (request, begun = () => {}) => {
    const body = { model, stream: true, ignore_eos: true, ...request };
    for await (const _ of events(await call("/v1/completions", { body, signal }))) begun();
  };
  let begin;
  const begun = new Promise((resolve) => (begin = resolve));
  const first = ask(FIRST, begin);
  await Promise.race([begun, first]);
  await Promise.all([first, ...LATER.map((request) => ask(request))]);
}
