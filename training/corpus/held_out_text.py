"""Writes the text that losses are measured on: as easy as training (another seed), or held out by template.

Of the second kind no sentence can come from a training template: plots, sentences about things and people, questions
and the form of the answers are all kept back.
"""

from __future__ import annotations

from . import facts, held_out, texts
from .conversations import END_OF_TEXT
from .stories import write_story
from .writing import Writer, capitalized

HELD_OUT_ANSWER = "The answer is: {value}."
SLOT_OF_ANSWER = {"name": "N", "thing": "a_color_thing", "kind": "a_kind"}


def _facts(writer: Writer) -> str:
    said = []
    for _ in range(6):
        relation = writer.choices(facts.RELATIONS, weights=facts.WEIGHTS)[0]
        subject = writer.choice(relation.subjects)
        question = writer.pick(f"fact: {relation.name}", relation.wordings, held_out.WORDINGS)
        answer = HELD_OUT_ANSWER if writer.held_out else relation.answer
        values = subject | {"value": subject[relation.wanted]} if writer.held_out else subject
        said += [capitalized(question.format_map(subject)), capitalized(answer.format_map(values))]
    return " ".join(said)


def _reading(writer: Writer) -> str:
    text = texts.write_text(writer)
    query = writer.choice(texts.queries_of(text))
    person = writer.choice(text.people).values
    question = writer.pick(f"text: {query.name}", query.wordings, held_out.WORDINGS)
    value = person[SLOT_OF_ANSWER.get(query.wanted, query.wanted)]
    answer = HELD_OUT_ANSWER.format(value=value) if writer.held_out else writer.write(query.answer, person)
    return f"{text.text} {capitalized(writer.write(question, person))} {capitalized(answer)}"


def held_out_documents(seed: int, count: int, by_template: bool) -> list[str]:
    """Half of them stories, a quarter short texts with a question, a quarter facts."""
    writer = Writer(seed, held_out=by_template)
    kinds = [lambda w: write_story(w).text, _reading, lambda w: write_story(w).text, _facts]
    return [kinds[index % len(kinds)](writer) for index in range(count)]


def held_out_text(seed: int, count: int, by_template: bool) -> str:
    """As one text, in the form of data/models/held_out.txt."""
    return f"\n{END_OF_TEXT}\n".join(held_out_documents(seed, count, by_template)) + "\n"
