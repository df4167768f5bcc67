"""Stories: one hero, one thing, one friend, one trouble, and a good end.

A plot is written below as plain text: a line is a sentence (a template), a line that starts with "?" may be left out,
an empty line starts a new paragraph. The words of a plot never name an animal or a thing of the tables other than
through a slot, so every story keeps its hero and its thing by construction, and a check can demand the same of a model.
"""

from __future__ import annotations

from dataclasses import dataclass

from . import tables
from .writing import Writer, capitalized, with_article

OPENINGS = [
    "[Once upon a time|Once upon a time|Once upon a time|Long ago], there was a [little|small|young] {kind} named {H}.",
    "[Once upon a time|Once upon a time|Once upon a time|Not long ago], a [little|young|small] {kind} named {H} lived {at_place}.",
    "Once upon a time, {at_place}, there lived {a_kind} named {H}.",
]

HAS_THING = [
    "{H} had {a_color_thing}[, and {he} loved it more than pancakes|, and it was the best thing {he} owned||].",
    "{H} had {a_color_thing}, and every [morning|day] {he} went out to {play}.",
    "What {H} liked best was to {play}, and the {thing} was {color}.",
    "For {his} birthday, {H} had been given {a_color_thing}.",
]

CLOSINGS = [
    "That night {H} the {kind} fell asleep with the {thing} [beside {him}|next to the bed] and a smile on {his} face.",
    "And {H} the {kind} took the {color} {thing} home, [whistling|humming|singing] all the way.",
    "From that day on, {H} and {F} [shared the {color} {thing}|took turns with the {color} {thing}|were best friends, and the {thing} was never far away].",
    "{H} the {kind} looked at the {color} {thing} and [thought that it had been a very good day|was as happy as a {kind} can be].",
    "If you ever meet {H} the {kind}, ask about the {color} {thing}. {He} will tell you everything, twice.",
    "{H} put the {color} {thing} in {his} [safest|favorite] place and [invited {F} for pancakes|ate three pancakes with {F}].",
]

PLOTS = """
# lost helped
{OPENING}
{HAS_THING}
One [windy|bright|fine|cool] [day|morning|afternoon], {H} [was playing outside with the {thing}|went for a walk with the {thing}|was out with the {thing}] when {how}.
Soon the {thing} lay {where}.

"[Oh no|Oh dear|Goodness me]!" said {H}.
First {he} {attempt}.
?Then {he} {attempt2}.
?{H} sat down and [sighed|felt like crying a little].
Just then {a_fkind} named {F} came [along|by|down the path].
?"[What is wrong|Why the long face|Can I help you], {H}?" asked {F}.
"[My {thing} is gone|I cannot get my {thing}|My {thing}]!" said {H}. "It is {where}."
"[Leave it to me|That is easy|Just you wait|Watch this]," said {F}.
{F} the {fkind} {deed}.

"[Thank you|Thank you so much|You did it], {F}!" [cried|said] {H} and hugged the {thing}[| tightly| with both arms].
?"[Would you like to {play} with me|Do you want to {play} too]?" [Of course {F} did.|{F} nodded so hard that {fhis} ears shook.|{F} had been hoping for just that.]
{CLOSING}

# broken helped
{OPENING}
{HAS_THING}
One [day|morning|afternoon], with a loud crack, {breaks}.
"[Oh no|Oh dear], my [poor|lovely] {thing}!" cried {H}.

{H} tried to mend it [alone|all by {him}self], but [{his} paws got in the way|it only got worse|something always slipped].
So {he} took the {thing} to {F}, {a_fkind} who [could mend anything|lived next door and never threw anything away].
{F} the {fkind} looked at the {thing} from all sides and said, "[Hmm|Aha|I see]."
Then {F} {mend}.
?It took a long time, and {H} held {his} breath.

"Is it as good as new?" asked {H}.
"No," said {F}, "it is [better than new|as good as old, and that is better], because now we [both know it|mended it together]."
And that was true: {H} could {play} again.
{CLOSING}

# rescue rescued
{OPENING}
{HAS_THING}
"[Why do you take that {thing} everywhere|Do you really need that {thing} every day]?" [people|the neighbors] asked, and {H} said, "You never know."

One [day|evening|morning], {H} heard somebody [call|calling] for help.
It was {F}, {a_fkind} [from the other side of the village|who lived nearby|from the house at the corner].
{trouble}.
?"[Help|Please help me]!" called {F}.
{H} looked at the {color} {thing}.
"[I know what to do|I have an idea|Wait for me]!" said {H}.
{H} {rescue}.

"[You saved me|Thank you, {H}|How clever you are]!" said {F} the {fkind}.
"It was [really|mostly] the {thing}," said {H}, [and looked at {his} toes|but {he} was very proud].
{CLOSING}

# share quarrel
{OPENING}
{HAS_THING}
One day {F}, {a_fkind}, came to visit and [looked at the {thing} with big eyes.|asked, "May I have a turn?"]
"[No|Never]!" said {H}. "The {thing} is mine."
So {H} played alone, and {F} [sat on the step and counted clouds|went home with slow steps].

But [it is hard to laugh alone|playing alone was not much fun|somehow the {thing} was only half as nice].
?There was nobody to say "[oh|look|bravo]" and nobody to say "[again|one more time|my turn]".
{H} the {kind} looked at the {thing}, and the {thing} seemed to look back.
Then {he} [ran all the way to|went and knocked at] the door of {F}.
"I am sorry," said {H}. "[Would you like to {play}|Shall we {play} together]?"

{F} the {fkind} [smiled at once|was not angry for long].
They took turns until the [sun went down|stars came out], and [nobody counted whose turn it was|they laughed so much that their bellies hurt].
{CLOSING}

# found owner
{OPENING}
One [rainy|misty|sunny] morning, {H} found {a_color_thing} [right in the middle of the path|under a bench|beside the road].
"[Whose {thing} is this|Who has lost a {thing}]?" {H} wondered.
?{He} [would have liked|wanted very much] to keep it.

But somebody must be [missing it|looking for it], thought {H}, so {he} went from door to door.
The baker said, "[It is not mine. I only lose spoons.|Not mine. I have no time to {play}.]"
?The old miller said, "[I am far too old to {play}.|Not mine. Mine was eaten long ago.]"
At the last house {he} heard somebody crying, and it was {a_fkind} named {F}.
"[My {thing}|I have lost my {color} {thing}]!" sobbed {F}.
"[Is it this one|Does it look like this]?" asked {H}, and held up the {color} {thing}.

{F} the {fkind} stopped crying [in the middle of a sob|at once] and [danced around the table|gave {H} a big hug].
"[You are so honest|You brought it back], {H}! Come, let us {play} together."
{CLOSING}

# market worked
{OPENING}
At the market {H} saw {a_color_thing}, and {he} [could not stop looking at it|wanted it at once].
"It costs five coins," said the [baker's wife|old woman]. {H} had [only a button|one coin and a half|only a nice smile].

So {H} the {kind} went to look for work.
{F}, {a_fkind} with [a very messy house|a very large garden|very many dirty plates], [was glad to have help.|said, "You come at the right time."]
On the first day {H} swept the floor. On the second day {he} washed the plates. On the third day {he} [watered the beans|stacked the wood|peeled the potatoes].
"[You work like three|You have earned it]," said {F}, and gave {him} five [shiny|round] coins.

{H} ran to the market as fast as {he} could, and the {thing} was still there.
["I bought it with my own work!" {he} told everybody.|Nobody had ever carried a {thing} home so proudly.]
?{He} asked {F} the {fkind} to come and {play}.
{CLOSING}

# search silly
{OPENING}
{HAS_THING}
One [morning|evening], the {thing} was not there.
{H} looked [under the bed|behind the door], and there was only dust. {He} looked [in the kitchen|in the soup pot], and there was only soup.
?{He} even looked in {his} left shoe, and there was only a smell.
"My {thing} has been stolen!" cried {H}.

{He} ran to {F}, {a_fkind} who was [good at riddles|very clever].
"When did you last see the {thing}?" asked {F}.
"Last night," said {H}. "I [put it away very, very carefully|hid it so that nobody could ever find it]."
"And where do you put things very carefully?" asked {F} the {fkind}.
{H} [thought|thought for a long time]. Then {he} [felt hot behind the ears|began to laugh].

They went to look together, and there, [under {his} own pillowcase|in the big chest|on the highest shelf], was the {color} {thing}.
"[So the thief was|I have caught the thief, and it is] me," said {H}, and they both laughed until they had to sit down.
{CLOSING}

# noise night
{OPENING}
{HAS_THING}
One [dark|stormy] night, {H} [woke up|sat up in bed]. Bump, bump, bump, went something [outside|at the door].
"It is a [giant|monster|dragon]," whispered {H}, and pulled {his} nose under the covers.

Bump, bump, bump!
{H} ran [out of the back door|through the garden] to {F}, {a_fkind} who [was afraid of nothing|always stayed up late].
"A [giant|monster|dragon] is at my door!" cried {H}.
"[I have always wanted to meet one|Then let us say good evening to it]," said {F}.
Hand in hand they crept [back|around the house], and what did they see?
It was only the {color} {thing}! {H} had left it outside, and the wind was pushing it against the door.

"[Good evening, {thing}|What a scary {thing}]," said {F} the {fkind}, and they laughed so loudly that the moon looked out.
?"I was not really afraid," said {H}. "Only my knees were."
{CLOSING}

# teach learned
{OPENING}
{HAS_THING}
{H} was very good at it, but {F}, {a_fkind} and {his} best friend, was not.
"I will never learn to {play}," said {F}, and [kicked a pebble|hung {fhis} head].

"I could not do it either on my first day," said {H}. "[Watch me|Look], and go slowly."
The first time, {F} [dropped the {thing}|held the {thing} upside down]. The second time, {fhe} [fell over {fhis} own feet|sat down on it].
"[That was already better|Much better]," said {H} the {kind} kindly, though it was [only a little better|not].
?They practiced [all week|every day], before breakfast and after supper.

And on Sunday it worked! {F} the {fkind} [shouted with joy|could hardly believe it].
"You are a good teacher, {H}," said {F}.
"You are a good learner," said {H}. "You [never gave up|fell down seven times and got up eight times]."
{CLOSING}

# sick cheered
{OPENING}
{HAS_THING}
{His} best friend was {F}, {a_fkind}. But one [morning|day] {F} was [ill|sick] and had to stay in bed.
"[I am bored|I have counted all the cracks in the ceiling]," said {F} [in a small voice|with a sigh].

{H} the {kind} went home to think. [Soup?|Flowers?] Everybody brings [soup|flowers].
Then {he} looked at the {color} {thing} and had an idea.
{He} [climbed onto the chair by the bed|stood outside the window of {F}] and began to {play} as nobody had ever done it before, [backward|with {his} eyes closed], and on one leg.
?{He} fell over, [bump|plop], and got up, and fell over again.

{F} the {fkind} laughed until the bed shook.
"[Again|Do it again]!" said {F}, and the next morning {fhe} was [well|much better].
?"Laughing is better than medicine," said the doctor, "and it tastes better too."
{CLOSING}

# moon dream
{OPENING}
{HAS_THING}
One evening {H} looked up and said, "[I will go to the moon|I want to visit the moon], and the {thing} will come with me."
"How will you get there?" asked {his} friend {F}, {a_fkind}.
"[I will climb|On foot]," said {H}. "It is just behind the hill."

So they packed [two sandwiches|three apples and a cake] and the {color} {thing}, and off they went.
They climbed the first hill, but the moon was behind the second. They climbed the second hill, but the moon [was behind the third|had moved again].
"[The moon is shy|I think the moon is playing tag with us]," said {F} the {fkind}, and sat down.
?They ate everything they had packed.
Then {H} looked into the lake, and there was the moon, round and bright, [right at their feet|close enough to touch].

"It came to visit us!" [cried|said] {H}. So they stayed and showed the moon how to {play}.
{CLOSING}

# fear brave
{OPENING}
{HAS_THING}
{H} was afraid of only one thing in the world, and that was [thunder|the big dark forest|the creaking bridge].
{F}, {a_fkind}, lived on the other side [of it|of the bridge] and had [invited {H} to tea|asked {H} to come over].

"I cannot go," {H} told the {thing}. The {thing} said nothing, but [it looked brave|it did not look afraid].
So {H} held the {color} {thing} tightly and took one small step. Nothing happened. {He} took [another|a second step], and [a third|ten more].
"[We are not afraid|We are very brave]," {he} said to the {thing}[, quite loudly|, again and again], until there was {F}, waving at the door.

"Were you not afraid, all alone?" asked {F} the {fkind}.
"I was not alone," said {H}. "[I had my {thing}|The {thing} was with me], and somebody had to look after it."
{CLOSING}

# gift birthday
{OPENING}
{H} wanted to give {F} the best birthday present in the world. {F} was {a_fkind} and {his} best friend.
{H} saved [every coin|all {his} pocket money] for [a month|ten weeks] and bought {a_color_thing}.

But on the way to the party, {H} [only wanted to try it once|thought, just one little try].
{He} began to {play}. It was so much fun that {he} forgot [the time|the party], and when {he} looked up, the {thing} was [all muddy|covered with mud].
"Now I have [spoiled everything|no present at all]," said {H} the {kind}, and went to the party with slow steps.
"I am sorry, {F}. I played with your {thing}, and now it is dirty."

{F} looked at the muddy {color} {thing} and began to [laugh|smile].
"Then I know that it works!" said {F} the {fkind}. "[Clean things are boring|A present should be fun]. Come, let us {play} together."
{CLOSING}

# show proud
{OPENING}
{HAS_THING}
[Every year there was a big show {at_place}|There was to be a big show {at_place}], and everybody could show what they did best. "I will show them how I {play}," said {H}.
{He} practiced until {his} [friend|neighbor] {F}, {a_fkind}, could see it [even in {fhis} sleep|with {fhis} eyes closed].

Then the day came, and {H} [looked at all the people|stood in front of everybody]. {His} knees began to shake, and [{he} could not move|{he} forgot everything].
It was [very|terribly] quiet. Then somebody in the first row stood up, and it was {F}.
"[I am a little nervous|I cannot do it alone], {H}," said {F} loudly. "May I come up and help you?"

So they did it together, and it went wrong in [three|five] places, and everybody [clapped and shouted for more|laughed and clapped].
"You were not nervous at all," {H} whispered. "[No|Not a bit]," said {F} the {fkind}, "but you were."
They got [a prize for the funniest act|second prize], which was a [very large cake|plum cake].
{CLOSING}

# wind chase
{OPENING}
{HAS_THING}
One [stormy|windy] day, the wind took the {thing}, and off it went, [over the fence and down the road|across the field].
"Stop!" cried {H}, and ran after it. But a {thing} does not stop.

It rolled past {F}, {a_fkind} who was hanging up the washing. "[I will help you|Wait for me]!" called {F}, and ran too.
?Through the [gate|hedge] they ran, around the [well|church] and [twice around the market|over the little bridge].
{F} slipped on [a cabbage leaf|a plum], flew through the air, and landed [right on the {thing}|with both arms around the {thing}].
"[Got it|I have it]!" said {F} the {fkind}, with [a leaf on {fhis} head|mud up to {fhis} ears].

{H} laughed and helped {F} up. "I have never seen anybody [fly so well|catch a {thing} like that]."
"[I did it on purpose|I meant to do that]," said {F}, and that was [almost|not quite] true.
{CLOSING}

# monster kind
{OPENING}
{HAS_THING}
Everybody was afraid of {F}, {a_fkind} who lived alone in the crooked house and [never said a word|growled at everybody].
One day {H} [lost hold of|dropped] the {thing}, and it rolled right [through the garden gate of {F}|up to the door of {F}].

{H} took a deep breath and knocked. The door opened [with a creak|very slowly].
"[Please|Excuse me], may I have my {thing} back?" asked {H} in a very small voice.
{F} the {fkind} held the {color} {thing} and looked sad. "I had one like this when I was small," said {F}. "Nobody ever [comes to play|knocks at my door]."
"[I thought you were angry|They say you are always angry]," said {H}.
"[I am only shy|I am only lonely]," said {F}.

"Then show me how you used to {play}," said {H}. And [who would have believed it|what a surprise]: {F} was better at it than anybody in the village!
{CLOSING}

# cake bake
{OPENING}
{HAS_THING}
One day {F}, {a_fkind} and {his} neighbor, was sad because [a cake had burned|the cake for the feast had fallen on the floor].
"And the feast is tonight!" [cried|said] {F}. "I have no more flour, and the mill is far away."

"[I will go|I run fast]," said {H} the {kind}. {He} took the {color} {thing} along, for [luck|company].
{He} ran to the mill and got a sack of flour. But on the way home, the sack had a little hole, and when {H} came to the door, it was [empty|as flat as a pancake].
?Behind {him} ran a long line of flour, all the way [down the road|from the mill].
{F} the {fkind} looked at the empty sack and began to laugh.

So they [ate bread and honey|had fruit and honey] instead of cake, and {H} showed all the guests how to {play}.
?Everybody said that it was the best feast of the year.
{CLOSING}

# snow night
{OPENING}
{HAS_THING}
One winter [morning|day], {H} built a snowman as tall as a door, and {F}, {a_fkind}, came to help.
"He looks lonely," said {F}. "He needs something to do."

{H} looked at the {color} {thing} for a long time. Then {he} gave it to the snowman.
"[Only for today|Just for one day]," said {H} the {kind}. The snowman [seemed to smile|said nothing, but he looked pleased].
In the night it grew warm, and [drip, drop, drip|drop by drop], the snowman went away.
In the morning there was only a puddle, and in the middle of the puddle lay the {thing}.

"He gave it back," said {F} the {fkind} softly.
"[He was very polite|He kept his promise]," said {H}. "Next winter he may have it again."
{CLOSING}
"""


@dataclass(frozen=True)
class Sentence:
    template: str
    optional: bool


@dataclass(frozen=True)
class Plot:
    name: str
    paragraphs: list[list[Sentence]]


def _parse(source: str) -> list[Plot]:
    plots: list[Plot] = []
    for block in source.strip().split("\n# "):
        header, _, body = block.removeprefix("# ").partition("\n")
        paragraphs = [
            [Sentence(line.removeprefix("?"), line.startswith("?")) for line in paragraph.splitlines()]
            for paragraph in body.strip().split("\n\n")
        ]
        plots.append(Plot(header.split()[0], paragraphs))
    return plots


ALL_PLOTS = _parse(PLOTS)


@dataclass(frozen=True)
class Character:
    name: str
    kind: str
    female: bool

    def pronouns(self) -> dict[str, str]:
        return dict(he="she", him="her", his="her") if self.female else dict(he="he", him="him", his="his")


@dataclass(frozen=True)
class Story:
    """A finished story together with what a question about it may ask for."""

    text: str
    plot: str
    hero: Character
    friend: Character
    thing: str
    color: str


def pick_character(writer: Writer, kind: str | None = None, avoid: str = "", rare_name: bool = False) -> Character:
    """Choose a character. Girls have girls' names, and every name always goes with the same pronoun."""
    kind = kind or writer.choice(tables.KINDS)
    female = kind in ("girl", "hen") or (kind != "boy" and writer.random() < 0.5)
    if rare_name:
        names = tables.RARE_GIRL_NAMES if female else tables.RARE_BOY_NAMES
    else:
        names = tables.GIRL_NAMES if female else tables.BOY_NAMES
    name = writer.choice(names)
    while name == avoid:
        name = writer.choice(names)
    return Character(name, kind, female)


def write_story(writer: Writer, rare_name: bool = False) -> Story:
    """Write one story: choose plot, hero, thing and friend, then fill in the sentences of the plot."""
    # The plot with obstacles has many more variants than the others, so it comes more often.
    plot = ALL_PLOTS[0] if writer.random() < 0.16 else writer.choice(ALL_PLOTS[1:])
    hero = pick_character(writer, rare_name=rare_name)
    thing = writer.choice(tables.THINGS)
    color = writer.choice(tables.COLORS)
    friend_kind = writer.choice([kind for kind in tables.KINDS if kind != hero.kind])
    values: dict[str, str] = {}
    if plot.name == "lost":
        obstacles = [obstacle for obstacle in tables.OBSTACLES if thing.light or not obstacle.only_light]
        obstacle = writer.choice(obstacles)
        while all(kind == hero.kind for kind, _ in obstacle.helpers):
            obstacle = writer.choice(obstacles)
        friend_kind, deed = writer.choice([helper for helper in obstacle.helpers if helper[0] != hero.kind])
        attempt, attempt2 = writer.sample(obstacle.attempts, 2)
        values |= dict(
            how=writer.choice(obstacle.how), where=obstacle.where, attempt=attempt, attempt2=attempt2, deed=deed
        )
    friend = pick_character(writer, friend_kind, avoid=hero.name)
    place = writer.choice(list(tables.PLACES))
    values |= hero.pronouns() | {"f" + key: word for key, word in friend.pronouns().items()}
    values |= dict(
        H=hero.name,
        F=friend.name,
        kind=hero.kind,
        fkind=friend.kind,
        a_kind=with_article(hero.kind),
        a_fkind=with_article(friend.kind),
        thing=thing.name,
        color=color,
        a_color_thing=with_article(f"{color} {thing.name}"),
        at_place=tables.PLACES[place],
        play=thing.play.format(thing=thing.name),
        breaks=thing.breaks,
        mend=thing.mend,
        rescue=thing.rescue,
        trouble=thing.trouble,
    )
    values["He"], values["His"] = values["he"].capitalize(), values["his"].capitalize()
    # These stand for whole sentences with slots and choices of their own, so they are filled in first.
    for name, templates in (("OPENING", OPENINGS), ("HAS_THING", HAS_THING), ("CLOSING", CLOSINGS)):
        values[name] = writer.choice(templates)

    paragraphs: list[str] = []
    for paragraph in plot.paragraphs:
        sentences = []
        for sentence in paragraph:
            if sentence.optional and writer.random() < 0.5:
                continue
            # Filling in twice: a slot such as {OPENING} or {rescue} brings slots of its own.
            sentences.append(capitalized(writer.write(sentence.template, values)))
        paragraphs.append(" ".join(sentences))
    text = "\n\n".join(paragraphs)
    return Story(text, plot.name, hero, friend, thing.name, color)
