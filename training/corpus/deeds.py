"""Short texts about who did what, drawn from a table of verbs: practice in finding the one who did it, and what was done.

The plots of `plots/short_texts.txt` are few, and can be learned by heart. Here a hundred and fifty deeds are dealt out
anew to new people each time, so that only looking them up helps.
"""

from __future__ import annotations

from .plots import Line, Plot, PlotQuestion
from .text_queries import NOT_IN_TEXT
from .wordings import phrasings
from .writing import Writer

# past, base form > what it was done to
VERBS = """
watered, water > the roses, the beans, the young trees
swept, sweep > the floor, the stairs, the yard
washed, wash > the dishes, the windows, the socks
painted, paint > the fence, the door, the wall
repaired, repair > the roof, the clock, the gate
carried, carry > the wood, the suitcase, the chairs
cooked, cook > the rice, the peas, the dinner
baked, bake > the bread, the cookies, the pie
found, find > a coin, a key, a feather
lost, lose > a glove, a ring, a button
bought, buy > some milk, some butter, a stamp
sold, sell > the eggs, the old cart, the cheese
wrote, write > a letter, a poem, a list
sang, sing > a slow song, a merry song, two songs
counted, count > the stars, the stones, the steps
opened, open > the window, the box, the letter
closed, close > the shutters, the book, the cupboard
drew, draw > a house, a tree, a ship
built, build > a bridge, a tower, a hut
dug, dig > a hole, a ditch, a trench
planted, plant > an oak, some tulips, the potatoes
cut, cut > the grass, the hedge, the paper
heard, hear > a knock, a whisper, the thunder
saw, see > a rainbow, a comet, some smoke
drank, drink > the tea, the juice, some water
ate, eat > the last plum, two pears, the toast
forgot, forget > the date, the password, the answer
told, tell > a joke, a riddle, the truth
played, play > chess, the piano, the violin
hid, hide > the map, the sweets, the money
broke, break > a plate, a glass, the mirror
wore, wear > a mask, new shoes, a belt
missed, miss > the lesson, the concert, the bus
won, win > a prize, the first game, a medal
threw, throw > a snowball, a stone, the dice
tied, tie > the knot, the laces, the parcel
peeled, peel > the carrots, the onions, the apples
fetched, fetch > the doctor, the mail, the salt
visited, visit > the museum, the market, the miller
guarded, guard > the door, the camp, the treasure
mended, mend > the net, the sail, the chair
chose, choose > the music, the way, the smallest slice
moved, move > the table, the shelf, the stone
cleaned, clean > the stove, the attic, the mirror
caught, catch > the train, a cold, the ball of wool
stopped, stop > the cart, the music, the wheel
rang, ring > the doorbell, the alarm, the dinner gong
packed, pack > the bags, the trunk, the lunch
slept, sleep > late, badly, in the hay
waited, wait > outside, at the gate, for an hour
went, go > home, to the dentist, to the library
stayed, stay > in bed, at home, behind
danced, dance > on the table, all night, in the rain
climbed, climb > over the wall, onto the roof, up the tower
jumped, jump > into the pond, over the ditch, for joy
ran, run > to the station, around the house, away
sat, sit > in the back, by the fire, in the shade
arrived, arrive > late, first, by train
left, leave > early, at noon, in a hurry
laughed, laugh > loudly, at everything, the most
listened, listen > to the radio, at the door, to the birds
swam, swim > to the island, across the bay, under the bridge
"""
# What one of them did to another. past, base form > what follows the other's name
BETWEEN_TWO = """
helped, help > with the homework, with the luggage of the guests
asked, ask > the way, for advice
showed, show > a trick, the attic
taught, teach > to whistle, to juggle
woke, wake > at dawn, with a song
followed, follow > home, into the cellar
thanked, thank > twice, with a kiss
called, call > by telephone, from the balcony
lent, lend > some money, a raincoat
promised, promise > a surprise, a letter
sent, send > a postcard, some flowers
met, meet > at the bakery, on the bridge
invited, invite > to dinner, for the weekend
paid, pay > for the work, two coins
"""
TIMES = [
    "in the morning",
    "at noon",
    "in the afternoon",
    "in the evening",
    "at night",
    "before breakfast",
    "after lunch",
]


def _parse(table: str) -> list[tuple[str, str, list[str]]]:
    rows = []
    for line in table.strip().splitlines():
        verb, _, objects = line.partition(" > ")
        past, base = verb.split(", ")
        rows.append((past, base, objects.split(", ")))
    return rows


_VERBS, _BETWEEN_TWO = _parse(VERBS), _parse(BETWEEN_TWO)
PEOPLE = ("H", "F", "G")


def _who(deed: str) -> list[str]:
    return phrasings(
        [f"Who {deed}?", f"Who was it that {deed}?", f"Which of them {deed}?", f"By name, who {deed}?"],
        [f"who {deed}"],
    )


def _what(person: str) -> list[str]:
    return phrasings([f"What did {person} do?", f"What was done by {person}?"], [f"what {person} did"])


def deeds_plot(writer: Writer) -> Plot:
    """Each of three people does one thing; now and then at a time of day, or two of them something between them."""
    verbs = writer.sample(_VERBS, 3)
    if writer.chance(0.25):  # the same verb twice: then only what it was done to tells them apart
        verbs[1] = verbs[0]
    objects = [verb[2] for verb in verbs]
    if verbs[0] is verbs[1]:
        first, second = writer.sample(objects[0], 2)
        done = [first, second, writer.choice(objects[2])]
    else:
        done = [writer.choice(each) for each in objects]
    people = [f"{{{slot}}}" for slot in writer.sample(PEOPLE, 3)]
    times = writer.sample(TIMES, 3) if writer.chance(0.25) else None
    lines, questions = [], []
    for index, (person, (past, base, _), what) in enumerate(zip(people, verbs, done, strict=True)):
        deed = f"{past} {what}"
        forms = [
            f"{person} {deed}.",
            f"{person} {deed}.",
            f"It was {person} who {deed}.",
            f"The one who {deed} was {person}.",
        ]
        if times:
            forms = [f"{person} {deed} {times[index]}.", f"{times[index]}, {person} {deed}."]
            when = phrasings([f"When did {person} {base} {what}?"], [f"when {person} {deed}"])
            questions.append(PlotQuestion(tuple(when), f"{person} {deed} {times[index]}."))
        lines.append(Line(writer.choice(forms), optional=False))
        questions += [
            *[PlotQuestion(tuple(_who(deed)), f"It was {person} who {deed}.")] * 2,
            PlotQuestion(tuple(_what(person)), f"{person} {deed}."),
            # Of whoever is asked about, the answer is the one who did it.
            PlotQuestion(
                tuple(
                    wording
                    for asked in (person, people[index - 1])
                    for wording in (
                        f"Did {asked} {base} {what}?",
                        f"Was it {asked} who {deed}?",
                        f"Is it true that {asked} {deed}?",
                    )
                ),
                f"It was {person} who {deed}.",
            ),
        ]
    if not times and writer.chance(0.4):
        past, base, endings = writer.choice(_BETWEEN_TWO)
        one, other = writer.sample(people, 2)
        ending = writer.choice(endings)
        whom = [f"Whom did {one} {base} {ending}?", f"Who was it that {one} {past} {ending}?"]
        lines.insert(writer.randint(0, 3), Line(f"{one} {past} {other} {ending}.", optional=False))
        questions = [q for q in questions if "do?" not in q.wordings[0] or one not in q.answer]  # two deeds by now
        questions += [
            PlotQuestion(tuple(_who(f"{past} {other} {ending}")), f"It was {one} who {past} {other} {ending}."),
            PlotQuestion(tuple(whom), f"{one} {past} {other} {ending}."),
        ] * 2
    not_done = writer.choice([verb for verb in _VERBS if verb not in verbs])
    questions.append(PlotQuestion(tuple(_who(f"{not_done[0]} {not_done[2][0]}")), NOT_IN_TEXT))
    return Plot("deeds", [lines], {}, f"{people[0]} {verbs[0][0]} {done[0]}.", questions)
