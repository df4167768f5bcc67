"""What can be asked about a text of people and what they have: the queries, in all their wordings, and what no text says."""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import cached_property

from .wordings import phrasings

NOT_IN_TEXT = "The text does not say that."


@dataclass(frozen=True)
class Query:
    """From what to what a question leads, and how it is asked: see `phrasings`."""

    given: str
    wanted: str
    answer: str
    direct: list[str] = field(repr=False)
    clauses: list[str] = field(repr=False)

    @property
    def name(self) -> str:
        return f"{self.given} to {self.wanted}"

    @cached_property
    def wordings(self) -> list[str]:
        return phrasings(self.direct, self.clauses)

    @property
    def needs(self) -> set[str]:
        return {"thing" if part == "color" else part for part in (self.given, self.wanted)} - {"name"}


# fmt: off
# An answer begins with what is known, so that what was looked up never is its first word (see conversations.py).
QUERIES = [
    Query("name", "thing", "{N} has {a_color_thing}.",
        ["What does {N} have?", "What has {N} got?", "Which thing does {N} have?", "What belongs to {N}?", "What does {N} own?", "{N} has what?", "What is the thing of {N}?", "Which thing belongs to {N}?", "What thing has {N}?"],
        ["what {N} has", "which thing {N} has", "what belongs to {N}", "which thing belongs to {N}"]),
    Query("thing", "name", "The {thing} belongs to {N}.",
        ["Who has the {thing}?", "Who owns the {thing}?", "Who has {a_color_thing}?", "Who has the {color} {thing}?", "To whom does the {thing} belong?", "Whose is the {thing}?", "Who is it that has the {thing}?", "Whose {thing} is {color}?", "Which of them has the {thing}?", "The {thing} belongs to whom?", "Who is the owner of the {thing}?", "Who of them owns the {thing}?", "With whom is the {thing}?", "The {color} {thing} is whose?"],
        ["who has the {thing}", "who owns the {thing}", "whose the {thing} is", "to whom the {thing} belongs", "who has {a_color_thing}"]),
    Query("thing", "color", "The {thing} is {color}.",
        ["What color is the {thing}?", "What color is the {thing} of {N}?", "Which color has the {thing} of {N}?", "What is the color of the {thing}?", "Which color is the {thing}?", "The {thing} is what color?", "What color does the {thing} have?", "Which color does the {thing} of {N} have?", "In what color is the {thing}?"],
        ["the color of the {thing}", "which color the {thing} has", "what color the {thing} of {N} is", "the color of the {thing} of {N}"]),
    Query("color", "thing", "The {color} thing is the {thing}.",
        ["What is {color}?", "Which thing is {color}?", "What thing is {color}?", "What has the color {color}?", "Which thing has the color {color}?", "What is the {color} thing?"],
        ["what is {color}", "what the {color} thing is", "which thing has the color {color}"]),
    Query("name", "color", "The {thing} of {N} is {color}.",
        ["What color is the thing that {N} has?", "Which color has the thing of {N}?", "What color does {N} have?", "What color is what {N} has?", "Which color does the thing of {N} have?"],
        ["the color of the thing of {N}", "what color the thing is that {N} has", "which color {N} has"]),
    Query("color", "name", "The {color} thing belongs to {N}.",
        ["Who has something {color}?", "Who has the {color} thing?", "To whom does the {color} thing belong?", "Whose thing is {color}?", "Which of them has something {color}?", "Who is the owner of the {color} thing?", "Whose is the {color} thing?"],
        ["who has something {color}", "whose thing is {color}", "to whom the {color} thing belongs", "who owns the {color} thing"]),
    Query("name", "place", "{N} is {place}.",
        ["Where is {N}?", "Where does {N} sit?", "Where can I find {N}?", "In what place is {N}?", "Where is {N} now?", "Where is {N} sitting?", "{N} is where?", "Where should I look for {N}?", "In which place is {N}?", "At what place does {N} wait?", "Where does {N} wait?"],
        ["where {N} is", "where I can find {N}", "in which place {N} is", "where {N} waits", "the place of {N}"]),
    Query("place", "name", "The one {place} is {N}.",
        ["Who is {place}?", "Who sits {place}?", "Who can I find {place}?", "Who is the one {place}?", "{Place} is who?", "Who waits {place}?", "Who is sitting {place}?", "Who of them is {place}?", "What is the name of the one {place}?", "Whom do I meet {place}?"],
        ["who is {place}", "who waits {place}", "whom I can find {place}", "the name of the one {place}", "who is sitting {place}"]),
    Query("name", "kind", "{N} is {a_kind}.",
        ["What kind of animal is {N}?", "What animal is {N}?", "What is {N}?", "Who is {N}?", "Which animal is {N}?", "What sort of animal is {N}?", "{N} is which animal?"],
        ["what {N} is", "which animal {N} is", "who {N} is", "what sort of animal {N} is"]),
    Query("kind", "name", "The {kind} is called {N}.",
        ["What is the name of the {kind}?", "What is the {kind} called?", "Who is the {kind}?", "How is the {kind} called?", "Which name has the {kind}?", "What name does the {kind} have?", "The {kind} is called what?", "Which of them is the {kind}?", "What do they call the {kind}?"],
        ["the name of the {kind}", "who the {kind} is", "which name the {kind} has", "how the {kind} is called"]),
    Query("name", "food", "{N} likes {food}.",
        ["What does {N} like?", "What does {N} eat?", "What is the favorite food of {N}?", "Which food does {N} like?", "What does {N} like to eat?", "{N} likes what?", "What is {N} eating?", "What tastes good to {N}?"],
        ["what {N} likes", "the favorite food of {N}", "which food {N} likes", "what {N} likes to eat"]),
    Query("food", "name", "The one who likes {food} is {N}.",
        ["Who likes {food}?", "Who eats {food}?", "Whose favorite food is {food}?", "Who of them likes {food}?", "Who is the one who likes {food}?", "Which of them eats {food}?", "Who is eating {food}?"],
        ["who likes {food}", "whose favorite food is {food}", "who is eating {food}"]),
    Query("name", "day", "{N} comes on {day}.",
        ["When does {N} come?", "On which day does {N} come?", "What is the day of {N}?", "Which day is the day of {N}?", "What day does {N} come on?", "{N} comes when?", "On which day can I meet {N}?"],
        ["on which day {N} comes", "the day of {N}", "on which day I can meet {N}"]),
    Query("day", "name", "The one who comes on {day} is {N}.",
        ["Who comes on {day}?", "Whose day is {day}?", "Who of them comes on {day}?", "Whom can I meet on {day}?", "Which of them comes on {day}?", "{Day} is whose day?"],
        ["who comes on {day}", "whose day {day} is", "whom I can meet on {day}"]),
    Query("kind", "thing", "The {kind} has {a_color_thing}.",
        ["What does the {kind} have?", "Which thing does the {kind} have?", "What has the {kind} got?", "What belongs to the {kind}?", "The {kind} has what?", "Which thing belongs to the {kind}?", "What does the {kind} own?"],
        ["what the {kind} has", "what belongs to the {kind}", "which thing belongs to the {kind}"]),
    Query("thing", "kind", "The {thing} belongs to the {kind}.",
        ["Which animal has the {thing}?", "What animal has the {thing}?", "To which animal does the {thing} belong?", "What kind of animal has the {thing}?", "Which animal has the {color} {thing}?", "The {thing} belongs to which animal?"],
        ["what animal has the {thing}", "to which animal the {thing} belongs", "which animal has the {color} {thing}"]),
    Query("place", "thing", "The thing {place} is the {thing}.",
        ["Which thing is {place}?", "What thing is {place}?", "What can I find {place}?", "What thing can I find {place}?", "Which thing can I see {place}?"],
        ["what thing is {place}", "which thing I can find {place}"]),
    Query("thing", "place", "The {thing} is {place}.",
        ["Where is the {thing}?", "In what place is the {thing}?", "Where can I find the {thing}?", "Where should I look for the {thing}?", "The {thing} is where?", "In which place is the {thing}?"],
        ["in which place the {thing} is", "where I can find the {thing}", "where the {color} {thing} is"]),
    Query("kind", "place", "The {kind} is {place}.",
        ["Where is the {kind}?", "Where does the {kind} sit?", "Where can I find the {kind}?", "In which place is the {kind}?", "The {kind} is where?", "Where should I look for the {kind}?"],
        ["in which place the {kind} is", "where I can find the {kind}", "where the {kind} waits"]),
    Query("place", "kind", "The animal {place} is the {kind}.",
        ["Which animal is {place}?", "What animal sits {place}?", "Which animal can I find {place}?", "What animal waits {place}?", "What animal is {place}?", "Which animal do I meet {place}?"],
        ["what animal is {place}", "which animal waits {place}", "which animal I can find {place}"]),
    Query("kind", "food", "The {kind} likes {food}.",
        ["What does the {kind} in the text like?", "Which food does the {kind} in the text like?", "What does the {kind} in the text eat?", "What is the favorite food of the {kind} in the text?"],
        ["which food the {kind} in the text likes", "what the {kind} in the text eats"]),
    Query("food", "kind", "The animal that likes {food} is the {kind}.",
        ["Which animal in the text likes {food}?", "Which animal in the text eats {food}?", "What animal in the text likes {food}?"],
        ["what animal in the text likes {food}", "which animal in the text eats {food}"]),
]
# fmt: on

TWO_STEPS = {query.name for query in QUERIES if "name" not in (query.given, query.wanted)} - {
    "thing to color",
    "color to thing",
}

# fmt: off
# Half of these ask for what is absent, half for what no text ever tells of those who are there.
UNTOLD = phrasings([
        "Who has the {other_thing}?", "Who owns the {other_thing}?", "Whose is the {other_thing}?", "To whom does the {other_thing} belong?",
        "What does {other_name} have?", "Which thing does {other_name} have?", "Where is {other_name}?", "Where can I find {other_name}?",
        "Who is {other_name}?", "Who is {other_place}?", "Who sits {other_place}?", "Who can I find {other_place}?", "What color is the {other_thing}?",
        "What is the color of the {other_thing}?", "Where is the {other_thing}?", "What is the name of the {other_kind}?", "What is the {other_kind} called?",
        "Who is the {other_kind}?", "Where is the {other_kind}?", "Which animal is {other_name}?",
    ],
    [
        "who owns the {other_thing}", "whose the {other_thing} is", "where the {other_thing} is", "the color of the {other_thing}", "what {other_name} has",
        "who {other_name} is", "where I can find {other_name}", "where {other_name} is", "who has the {other_thing}", "the name of the {other_kind}", "who is {other_place}", "who the {other_kind} is", "how the {other_kind} is called",
    ],
)
UNTOLD += phrasings([
        "How old is {N}?", "Who is the brother of {N}?", "Who is the {relative} of {N}?", "What does {N} dream about?", "Why is {N} there?",
        "What is the last name of {N}?", "Does {N} have a sister?", "How tall is {N}?", "What did {N} do yesterday?", "How many {belongings} does {N} have?",
        "How many {belongings} has {N} got?", "How many {belongings} belong to {N}?", "How many {belongings} does {N} own?", "{N} has how many {belongings}?",
        "What is the favorite {favorite} of {N}?", "Where was {N} born?", "What does {N} {unknown_verb}?", "What did {N} {unknown_verb} last year?",
        "When does {N} go to bed?", "What will {N} do tomorrow?", "Is {N} happy?", "Who is the best friend of {N}?", "What is the name of the {relative} of {N}?",
        "When did {N} get up?", "How much does {N} weigh?", "Whom does {N} love?", "Where did {N} live before?", "What was {N} thinking?", "Why did {N} come?",
        "What is the {attribute} of {N}?", "What is the {attribute} of {N}?", "What does {N} say?", "What did {N} tell the others?", "What did {N} shout?", "What did {N} say?", "What did {N} say about it?", "To whom did {N} say something?", "What does {N} want to say?", "What did {N} say to the others?", "What does {N} tell them?", "What is the job of {N}?",
    ],
    [
        "how old {N} is", "how many {belongings} {N} has", "who the {relative} of {N} is", "the favorite {favorite} of {N}", "where {N} was born",
        "the {attribute} of {N}", "why {N} is there", "how tall {N} is", "the last name of {N}", "what {N} did yesterday",
    ],
)
# fmt: on
