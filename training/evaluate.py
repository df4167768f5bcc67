"""Measure the shipped model, through the project's own runtime: `python -m training.evaluate`.

Every check is automatic and strict; what a check demands of a sampled story holds for every story of the training text
by construction (`tests` may confirm that with `check_story`). Questions are asked in wordings that never occur in
training. Prints a table and writes `evaluation.json` beside the model.
"""

from __future__ import annotations

import argparse
import json
import multiprocessing
import re
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from .corpus import chat, questions, sums, tables
from .corpus.conversations import TURN_START
from .corpus.stories import write_story
from .corpus.writing import Writer, with_article

MODEL_FOLDER = Path(__file__).resolve().parents[1] / "data" / "models" / "mini"
SEED = 20_000
Message = dict[str, str]

# ---------------------------------------------------------------------------------------------------------------------
# Asking the model


@dataclass(frozen=True)
class Sampling:
    temperature: float = 0.0
    top_k: int | None = None
    top_p: float | None = None

    @classmethod
    def shipped(cls, folder: Path) -> Sampling:
        """The sampling that the model's own generation_config.json asks for."""
        config = json.loads((folder / "generation_config.json").read_text())
        return cls(config["temperature"], config["top_k"], config["top_p"])


GREEDY = Sampling()


@dataclass(frozen=True)
class Completion:
    text: str
    ended: bool  # by a stop token, not by the limit
    clean: bool  # wrote no role marker


def complete(model: Any, prompts: Sequence[str], sampling: Sampling, max_new_tokens: int) -> list[Completion]:
    """Complete every prompt. The seed of a sampled completion is its number."""
    turn_start = model.tokenizer.encode(TURN_START)
    completions = []
    for seed, prompt in enumerate(prompts):
        options = {} if sampling.temperature == 0 else {"top_k": sampling.top_k, "top_p": sampling.top_p, "seed": seed}
        ids = list(
            model.generate(
                model.tokenizer.encode(prompt),
                max_new_tokens=max_new_tokens,
                temperature=sampling.temperature,
                **options,
            )
        )
        completions.append(
            as_completion(model.tokenizer.decode(ids), len(ids) < max_new_tokens, not set(turn_start) & set(ids))
        )
    return completions


def as_completion(text: str, ended: bool, clean: bool) -> Completion:
    for marker in ("<|im_end|>", "<|endoftext|>"):  # in case the runtime shows the stop token
        text = text.removesuffix(marker)
    return Completion(text, ended, clean and not re.search(r"^(user|assistant|system)$", text, re.MULTILINE))


def answer_of(completion: Completion) -> str:
    """What was said after the thinking."""
    return completion.text.rpartition("</think>")[2].strip()


# ---------------------------------------------------------------------------------------------------------------------
# Does a story hang together?

KIND_OF_WORD = {
    form: kind for kind, plural in tables.PLURALS.items() for form in (kind, plural) if kind in tables.KINDS
}
GENDER = dict.fromkeys(tables.GIRL_NAMES + tables.RARE_GIRL_NAMES, "she") | dict.fromkeys(
    tables.BOY_NAMES + tables.RARE_BOY_NAMES, "he"
)
CAPITALIZED_WORDS = {"I", "Sunday", "Grandmother"}  # the only ones of the training text that are no names
_KIND = "(" + "|".join(sorted(tables.KINDS, key=len, reverse=True)) + ")"
_NAME = r"([A-Z]\w+)"
HERO_PATTERN = re.compile(rf"(?:an?|an? (?:little|small|young)) {_KIND} named {_NAME}\b")
INTRODUCTIONS = [
    (re.compile(rf"\ban? (?:little |small |young )?{_KIND} named {_NAME}\b"), 1, 2),
    (re.compile(rf"\b{_NAME}, an? {_KIND}\b"), 2, 1),
    (re.compile(rf"\b{_NAME} was an? {_KIND}\b"), 2, 1),
]


@dataclass(frozen=True)
class StoryCheck:
    """What became of one story. `problems` is empty when the story hangs together."""

    hero: str | None
    kind: str | None
    friend: str | None
    friend_kind: str | None
    thing: str | None
    color: str | None
    problems: list[str]
    pronouns_agree: bool | None  # None where hero and friend differ in pronoun, so that nothing can be said


def check_story(
    text: str, ended: bool = True, hero: str | None = None, kind: str | None = None, thing: str | None = None
) -> StoryCheck:
    """Check one story against itself and against what was asked for (`hero`, `kind`, `thing`)."""
    problems: list[str] = []
    paragraphs = text.strip().split("\n\n")
    opening, last = paragraphs[0], paragraphs[-1]
    words = re.findall(r"[A-Za-z]+", text)

    found = HERO_PATTERN.search(opening)
    told_kind, told_hero = (found[1], found[2]) if found else (None, None)
    if found is None:
        problems.append("no hero is introduced at the beginning")
    if hero and told_hero != hero:
        problems.append("the hero is not the one asked for")
    if kind and told_kind != kind:
        problems.append("the hero is not of the kind asked for")
    if told_hero and not re.search(rf"\b{told_hero}\b", last):
        problems.append("the hero is missing from the last paragraph")

    introduced: dict[str, set[str]] = {}
    for pattern, kind_group, name_group in INTRODUCTIONS:
        for match in pattern.finditer(text):
            introduced.setdefault(match[name_group], set()).add(match[kind_group])
    for match in re.finditer(rf"\b{_NAME} the {_KIND}\b", text):
        if match[1] not in introduced:
            problems.append(f"{match[1]} the {match[2]} was never introduced")
        introduced.setdefault(match[1], set()).add(match[2])
    if any(len(kinds) > 1 for kinds in introduced.values()):
        problems.append("somebody changes into another animal")
    # A capitalised word that does not begin a sentence is a name.
    names = {match[1] for match in re.finditer(r"[a-z,;] ([A-Z][a-z]+)\b", text)} - CAPITALIZED_WORDS
    names |= {word for word in words if word in GENDER}
    if names - set(introduced):
        problems.append("somebody appears who was never introduced")
    if len(introduced) > 2:
        problems.append("another hero takes over")
    allowed_kinds = set().union(*introduced.values()) if introduced else set()
    if {KIND_OF_WORD[word.lower()] for word in words if word.lower() in KIND_OF_WORD} - allowed_kinds:
        problems.append("an animal appears that was never introduced")

    things = [word.lower() for word in words if word.lower() in tables.THING_NAMES]
    told_thing = thing or (things[0] if things else None)
    if told_thing is None or told_thing not in things:
        problems.append("the thing is missing")
    elif not re.search(rf"\b{told_thing}\b", last):
        problems.append("the thing is missing from the last paragraph")
    if set(things) - {told_thing}:
        problems.append("another thing takes its place")
    colors = {word.lower() for word in words if word.lower() in tables.COLORS}
    if len(colors) > 1:
        problems.append("the color changes")
    if not ended:
        problems.append("it does not end by itself")

    others = [name for name in introduced if name != told_hero]
    friend = others[0] if len(others) == 1 else None
    pronouns = {GENDER[name] for name in introduced if name in GENDER}
    agree = None
    if len(pronouns) == 1 and all(name in GENDER for name in introduced) and "snowman" not in words:
        wrong = {"he", "him", "his", "himself"} if pronouns == {"she"} else {"she", "her", "hers", "herself"}
        agree = not wrong & {word.lower() for word in words}
    friend_kind = next(iter(introduced[friend])) if friend else None
    return StoryCheck(told_hero, told_kind, friend, friend_kind, told_thing, next(iter(colors), None), problems, agree)


# ---------------------------------------------------------------------------------------------------------------------
# The checks


FACTS = "facts, in held-out wordings"
READINGS = "reading a short text, in held-out wordings"
FOLLOW_UPS = "questions about the story just told"


@dataclass
class Result:
    """One line of the table: how many of how many, and what was demanded."""

    name: str
    right: int
    total: int
    required: float | None = None  # share
    details: dict[str, Any] = field(default_factory=dict)

    @property
    def share(self) -> float:
        return self.right / self.total if self.total else 0.0

    @property
    def passed(self) -> bool:
        return self.required is None or self.share >= self.required


class Evaluation:
    def __init__(self, model: Any, folder: Path) -> None:
        self.model = model
        self.sampling = Sampling.shipped(folder)
        self.results: list[Result] = []
        self.answers = self.well_formed = 0

    def ask(
        self,
        conversations: Sequence[list[Message]],
        sampling: Sampling = GREEDY,
        thinking: bool = True,
        limit: int = 400,
    ) -> list[Completion]:
        prompts = [self.model.tokenizer.render_chat(messages, enable_thinking=thinking) for messages in conversations]
        completions = complete(self.model, prompts, sampling, limit)
        self.answers += len(completions)
        self.well_formed += sum(completion.ended and completion.clean for completion in completions)
        return completions

    def add(self, name: str, verdicts: Sequence[bool], required: float | None = None, **details: Any) -> None:
        self.results.append(Result(name, sum(verdicts), len(verdicts), required, details))

    def ask_turns(
        self, name: str, turns: Sequence[Any], required: float | None, thinking: bool = True, groups: Sequence[str] = ()
    ) -> None:
        """Ask each question on its own and demand the very answer."""
        answers = [
            answer_of(c) for c in self.ask([[user(turn.question)] for turn in turns], thinking=thinking, limit=160)
        ]
        verdicts = [answer == turn.answer for answer, turn in zip(answers, turns, strict=True)]
        wrong = [
            {"question": t.question, "expected": t.answer, "answered": a}
            for t, a, ok in zip(turns, answers, verdicts, strict=True)
            if not ok
        ]
        details: dict[str, Any] = {"wrong": wrong[:12]}
        if groups:
            details["by_relation"] = {
                group: f"{sum(v for v, g in zip(verdicts, groups, strict=True) if g == group)} of {groups.count(group)}"
                for group in dict.fromkeys(groups)
            }
        self.add(name, verdicts, required, **details)

    # -- stories

    def asked_stories(self, count: int) -> None:
        writer = Writer(SEED)
        wanted = [write_story(writer) for _ in range(count)]
        requests = [
            f"Tell me a story about {with_article(s.hero.kind)} named {s.hero.name} and {with_article(s.thing)}."
            for s in wanted
        ]
        told = self.ask([[user(request)] for request in requests], self.sampling)
        checks = [
            check_story(answer_of(c), c.ended, s.hero.name, s.hero.kind, s.thing)
            for c, s in zip(told, wanted, strict=True)
        ]
        self._add_stories(
            "asked stories (named hero and thing): hero, kind and thing kept", checks, [answer_of(c) for c in told]
        )
        self._follow_ups(requests, told, checks)

    def plain_stories(self, count: int) -> None:
        told = complete(self.model, ["Once upon a time"] * count, self.sampling, 400)
        texts = ["Once upon a time" + completion.text for completion in told]
        checks = [check_story(text, completion.ended) for text, completion in zip(texts, told, strict=True)]
        self._add_stories('plain stories from "Once upon a time": hero, kind and thing kept', checks, texts)
        self.add("plain stories: each is different", [True] * len(set(texts)) + [False] * (count - len(set(texts))))

    def _add_stories(self, name: str, checks: list[StoryCheck], texts: list[str]) -> None:
        counts: dict[str, int] = {}
        for check in checks:
            for problem in set(check.problems):
                problem = re.sub(r"^\w+ the \w+ was", "somebody was", problem)
                counts[problem] = counts.get(problem, 0) + 1
        lengths = sorted(len(text.split()) for text in texts)
        self.add(
            name,
            [not check.problems for check in checks],
            0.9,
            problems=dict(sorted(counts.items(), key=lambda item: -item[1])),
            words={"shortest": lengths[0], "median": lengths[len(lengths) // 2], "longest": lengths[-1]},
        )
        sort = name.partition(" ")[0]
        agree = [check.pronouns_agree for check in checks if check.pronouns_agree is not None]
        self.add(f"{sort} stories: pronouns agree with the names (where both have the same)", agree)
        vocabulary: set[str] = set()
        writer = Writer(SEED + 9)
        for _ in range(6000):
            vocabulary |= set(re.findall(r"[A-Za-z]+", write_story(writer, rare_name=writer.random() < 0.3).text))
        known = [set(re.findall(r"[A-Za-z]+", text)) <= vocabulary for text in texts]
        self.add(f"{sort} stories: no word that is not in the training text", known)

    def _follow_ups(self, requests: list[str], told: list[Completion], checks: list[StoryCheck]) -> None:
        """Questions about the stories just told, as a conversation. Only those that hang together are asked about."""
        conversations, expected = [], []
        for request, completion, check in zip(requests, told, checks, strict=True):
            if check.problems or check.friend is None or check.color is None:
                continue
            asked = [
                (f"What color was the {check.thing}?", f"The {check.thing} was {check.color}."),
                (f"What was the name of the {check.kind}?", f"The {check.kind} was called {check.hero}."),
                (f"Who was {check.friend}?", f"{check.friend} was {with_article(check.friend_kind or '')}."),
            ]
            for question, answer in asked:
                conversations.append([user(request), assistant(answer_of(completion)), user(question)])
                expected.append(answer)
        conversations, expected = conversations[:150], expected[:150]
        answers = [answer_of(c) for c in self.ask(conversations, limit=60)]
        self.add(FOLLOW_UPS, [a == e for a, e in zip(answers, expected, strict=True)], 0.9)

    # -- questions, sums, talk

    def facts(self) -> None:
        asked = [
            (r.turn(subject, wording), r.name)
            for r in questions.RELATIONS
            for subject in r.subjects
            for wording in r.held_out
        ]
        self.ask_turns(FACTS, [turn for turn, _ in asked], 0.9, groups=[name for _, name in asked])

    def readings(self, count: int) -> None:
        writer = Writer(SEED + 1)
        names = [reading.name for reading in questions.READINGS]
        groups = [names[index % len(names)] for index in range(count)]
        turns = [questions.reading_turns(writer, 1, lambda reading: reading.held_out, name)[0] for name in groups]
        self.ask_turns(READINGS, turns, 0.9, groups=groups)

    def small_sums(self) -> None:
        pairs = [(a, b, "+") for a in range(11) for b in range(11 - a)] + [
            (a, b, "-") for a in range(11) for b in range(a + 1)
        ]
        for name, wordings in (
            ("in wordings learned from", sums.SMALL_WORDINGS[:3]),
            ("in held-out wordings", sums.HELD_OUT_SMALL_WORDINGS),
        ):
            turns = [sums.small_sum_turn(a, b, sign, wording) for a, b, sign in pairs for wording in wordings]
            self.ask_turns(f"all sums and differences within ten, {name}", turns, 0.95)

    def long_additions(self, count: int) -> None:
        for digits in (2, 3):
            writer = Writer(SEED + digits)
            low, high = 10 ** (digits - 1), 10**digits - 1
            turns = [
                sums.long_addition_turn(writer.randint(low, high), writer.randint(low, high), "What is {sum}?")
                for _ in range(count)
            ]
            self.ask_turns(f"{digits}-digit addition with <think>", turns, None)
            self.ask_turns(f"{digits}-digit addition, enable_thinking=False", turns, None, thinking=False)

    def talk(self) -> None:
        introductions = [
            "Hi! Who are you?",
            "Hello! What is your name?",
            "Please tell me who you are.",
            "Hello! What can you do?",
            "Hi, what are you called?",
        ]
        answers = [answer_of(c) for c in self.ask([[user(text)] for text in introductions], limit=60)]
        self.add("introduces itself, in held-out wordings", [answer == chat.INTRODUCTION for answer in answers], 0.8)
        names = tables.GIRL_NAMES + tables.BOY_NAMES + tables.RARE_GIRL_NAMES[:20] + tables.RARE_BOY_NAMES[:20]
        hellos = self.ask([[user(f"Hi, I am {name}.")] for name in names], limit=60)
        self.add("greets by name", [name in answer_of(c) for name, c in zip(names, hellos, strict=True)], 0.9)
        again = self.ask(
            [
                [user(f"Hi, I am {name}."), assistant(answer_of(c)), user("What is my name?")]
                for name, c in zip(names, hellos, strict=True)
            ],
            limit=60,
        )
        self.add(
            "remembers the name",
            [answer_of(c) == f"Your name is {name}." for name, c in zip(names, again, strict=True)],
            0.9,
        )


def user(text: str) -> Message:
    return {"role": "user", "content": text}


def assistant(text: str) -> Message:
    return {"role": "assistant", "content": text}


def table(results: Sequence[Result]) -> str:
    lines = ["| check | right | share | demanded | |", "|---|---|---|---|---|"]
    for result in results:
        demanded = f"{result.required:.0%}" if result.required is not None else "-"
        verdict = "" if result.required is None else "passed" if result.passed else "MISSED"
        lines.append(
            f"| {result.name} | {result.right} of {result.total} | {result.share:.1%} | {demanded} | {verdict} |"
        )
    return "\n".join(lines)


# The parts of the evaluation, in the order of the table. They are independent: several processes can share them.
PARTS: dict[str, Callable[[Evaluation, int], None]] = {
    "asked stories": lambda evaluation, count: evaluation.asked_stories(count),
    "plain stories": lambda evaluation, count: evaluation.plain_stories(count),
    "facts": lambda evaluation, _: evaluation.facts(),
    "readings": lambda evaluation, count: evaluation.readings(count),
    "small sums": lambda evaluation, _: evaluation.small_sums(),
    "long additions": lambda evaluation, count: evaluation.long_additions(count),
    "talk": lambda evaluation, _: evaluation.talk(),
}


def evaluate_part(folder: Path, part: str, count: int, load: Callable[[Path], Any] | None = None) -> Evaluation:
    if load is None:
        from llaisys_mini import load_model as load
    evaluation = Evaluation(load(folder), folder)
    PARTS[part](evaluation, count)
    evaluation.model = None  # what comes back from another process is only what was found out
    return evaluation


def evaluate(
    folder: Path = MODEL_FOLDER,
    count: int = 200,
    workers: int = 1,
    load: Callable[[Path], Any] | None = None,
    output: Path | None = None,
) -> list[Result]:
    """Run all checks, print the table, write evaluation.json. `count` stories, readings, additions of each sort."""
    started = time.perf_counter()
    if workers == 1:
        evaluations = [evaluate_part(folder, part, count, load) for part in PARTS]
    else:
        with ProcessPoolExecutor(workers, multiprocessing.get_context("spawn")) as pool:
            futures = [pool.submit(evaluate_part, folder, part, count, load) for part in PARTS]
            evaluations = [future.result() for future in futures]
    results = [result for evaluation in evaluations for result in evaluation.results]
    questions_asked = [result for result in results if result.name in (FACTS, READINGS, FOLLOW_UPS)]
    name = "all small questions: facts, readings and about the story"
    results.append(Result(name, sum(r.right for r in questions_asked), sum(r.total for r in questions_asked), 0.9))
    answers, well_formed = sum(e.answers for e in evaluations), sum(e.well_formed for e in evaluations)
    name = "all answers in a chat: end with <|im_end|> and hold no role marker"
    results.append(Result(name, well_formed, answers, 0.98))
    print(table(results))
    report = {
        "seconds": round(time.perf_counter() - started),
        "sampling_of_stories": asdict(Sampling.shipped(folder)),
        "checks": [
            {"name": r.name, "right": r.right, "total": r.total, "share": round(r.share, 4), "demanded": r.required}
            | r.details
            for r in results
        ],
    }
    (output or folder / "evaluation.json").write_text(
        json.dumps(report, indent=1, ensure_ascii=False) + "\n", encoding="utf-8"
    )
    return results


if __name__ == "__main__":
    parser = argparse.ArgumentParser(prog="python -m training.evaluate", description=__doc__)
    parser.add_argument("model", type=Path, nargs="?", default=MODEL_FOLDER)
    parser.add_argument("--count", type=int, default=200, help="stories, readings and long additions of each sort")
    parser.add_argument("--workers", type=int, default=1, help="processes that share the work")
    options = parser.parse_args()
    evaluate(options.model, options.count, options.workers)
