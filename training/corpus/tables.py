"""The small world that every text of the course's model is about: names, animals, things and places.

Only tables live here. How they become sentences is the business of the files beside this one.
Every word a story depends on (a kind of animal, a thing) appears in these tables exactly once, so that a check can
tell whether a sampled story kept to its own hero and its own thing.
"""

from __future__ import annotations

from dataclasses import dataclass

GIRL_NAMES = (
    "Mia Lily Anna Zoe Ruby Nora Emma Ivy Rosa Ella Dot Poppy Coco Hazel Willow Momo Bella Luna Tilly Wanda".split()
)
BOY_NAMES = "Tom Ben Sam Leo Max Finn Jack Noah Theo Omar Pip Bo Tuck Fizz Nib Dash Otto Rusty Bruno Gus".split()

# Names that occur only now and then, so that the model learns to copy a name it hardly knows.
RARE_GIRL_NAMES = (
    "Alice Clara Sara Julia Sofia Eva Maria Laura Lena Nina Ada Grace Amy Jane Mary Olive Vera Iris Flora Greta Heidi "
    "Ida Jasmin Kira Linda Mila Olga Paula Quinn Rita Stella Tina Ursula Yara Zara Amina Fatima Mei Aiko Priya Leila "
    "Carmen Chloe Daphne Elsa Fiona Gina Hanna Ines Judy Kate Molly Penny Sally Susie Trixie Bonnie Dolly"
).split()
RARE_BOY_NAMES = (
    "Peter Paul John David Adam Hugo Felix Oscar Simon Lukas Anton Emil Karl Jan Nils Oliver Henry George Arthur Alfred "
    "Bob Carlos Diego Eric Frank Hans Igor James Kevin Liam Mark Nick Owen Patrick Ralph Steve Tim Victor Walter Yusuf "
    "Ali Chen Ravi Kenji Ahmed Ivan Pedro Marco Luca Toby Barney Chip Ziggy Freddy Harvey Monty Rex Sparky"
).split()

# Beginnings of the syllables of made-up names and words.
SYLLABLE_STARTS = "b d f g k l m n p r s t v w z br dr fl gr kl pl sk sn tr zw".split()

COLORS = "red blue green yellow orange purple pink brown black white gray golden".split()


@dataclass(frozen=True)
class Animal:
    """A kind of animal, with one right answer to every question that may be asked about it."""

    name: str
    legs: str | None
    sound: str | None
    home: str
    food: str
    baby: str
    plural: str


ANIMALS = [
    Animal("fox", "four", "yip", "in a den", "berries", "a kit", "foxes"),
    Animal("rabbit", "four", None, "in a burrow", "carrots", "a bunny", "rabbits"),
    Animal("mouse", "four", "squeak", "in a mouse hole", "cheese", "a pinkie", "mice"),
    Animal("bear", "four", "growl", "in a cave", "honey", "a cub", "bears"),
    Animal("duck", "two", "quack", "on a pond", "water plants", "a duckling", "ducks"),
    Animal("frog", "four", "ribbit", "in a pond", "flies", "a tadpole", "frogs"),
    Animal("squirrel", "four", "chatter", "in a tree", "nuts", "a pup", "squirrels"),
    Animal("otter", "four", None, "by a river", "fish", "a pup", "otters"),
    Animal("cat", "four", "meow", "in a house", "fish", "a kitten", "cats"),
    Animal("dog", "four", "woof", "in a kennel", "bones", "a puppy", "dogs"),
    Animal("turtle", "four", None, "by a lake", "leaves", "a hatchling", "turtles"),
    Animal("pig", "four", "oink", "in a sty", "corn", "a piglet", "pigs"),
    Animal("goat", "four", "maa", "on a mountain", "leaves", "a kid", "goats"),
    Animal("hen", "two", "cluck", "in a coop", "seeds", "a chick", "hens"),
    Animal("mole", "four", None, "under the ground", "worms", "a pup", "moles"),
    Animal("owl", "two", "hoot", "in a hollow tree", "mice", "an owlet", "owls"),
    Animal("beaver", "four", None, "in a lodge", "bark", "a kit", "beavers"),
    Animal("hedgehog", "four", None, "in a hedge", "beetles", "a hoglet", "hedgehogs"),
    Animal("badger", "four", None, "in a sett", "worms", "a cub", "badgers"),
    Animal("crow", "two", "caw", "in a nest", "corn", "a chick", "crows"),
    Animal("elephant", "four", "trumpet", "on the plain", "leaves", "a calf", "elephants"),
    Animal("monkey", "two", None, "in the jungle", "bananas", "an infant", "monkeys"),
    Animal("sheep", "four", "baa", "on a farm", "grass", "a lamb", "sheep"),
    # The rest are asked about, and never are the hero of a story.
    Animal("cow", "four", "moo", "in a barn", "grass", "a calf", "cows"),
    Animal("horse", "four", "neigh", "in a stable", "hay", "a foal", "horses"),
    Animal("lion", "four", "roar", "on the plain", "meat", "a cub", "lions"),
    Animal("wolf", "four", "howl", "in a den", "meat", "a pup", "wolves"),
    Animal("bee", "six", "buzz", "in a hive", "nectar", "a larva", "bees"),
    Animal("ant", "six", None, "in an anthill", "crumbs", "a larva", "ants"),
    Animal("spider", "eight", None, "in a web", "flies", "a spiderling", "spiders"),
    Animal("snake", "no", "hiss", "in the grass", "eggs", "a snakelet", "snakes"),
    Animal("fish", "no", None, "in the water", "worms", "a fry", "fish"),
]
STORY_ANIMALS = [animal.name for animal in ANIMALS[:23]]
KINDS = [*STORY_ANIMALS, "girl", "boy"]
PLURALS = {animal.name: animal.plural for animal in ANIMALS} | {"girl": "girls", "boy": "boys"}


@dataclass(frozen=True)
class Thing:
    """Something a story can be about. Sentences refer to the friend as {F} and to the thing as {thing}."""

    name: str
    play: str  # what one does with it: "She loved to ..."
    light: bool  # the wind can carry it off
    breaks: str  # what goes wrong with it
    mend: str  # and how that is put right
    trouble: str  # a trouble of the friend ...
    rescue: str  # ... and how the thing gets the friend out of it


THINGS = [
    Thing(
        "kite",
        "fly the {thing}",
        True,
        "the tail of the {thing} tore off",
        "tied on a new tail made of old socks",
        "{F} was lost in the tall corn and could not see the way home",
        "let the {thing} fly high above the corn, so that {F} could see which way to go",
    ),
    Thing(
        "ball",
        "bounce the {thing}",
        False,
        "the {thing} lost all its air",
        "put a patch on the tiny hole",
        "{F} was new in the village and sat all alone",
        "rolled the {thing} right to the feet of {F}",
    ),
    Thing(
        "drum",
        "beat the {thing}",
        False,
        "the {thing} got a big hole",
        "covered the hole with a piece of leather",
        "{F} was lost in the thick fog",
        "beat the {thing}, boom, boom, boom, so that {F} could follow the sound",
    ),
    Thing(
        "boat",
        "sail the {thing}",
        False,
        "the {thing} began to leak",
        "closed the leak with wax",
        "{F} was stuck on a tiny island in the pond",
        "pushed the {thing} across the pond, and {F} climbed in",
    ),
    Thing(
        "bell",
        "ring the {thing}",
        False,
        "the handle of the {thing} came off",
        "made a new handle out of wire",
        "{F} was lost in the deep snow",
        "rang the {thing}, ding, ding, ding, so that {F} could follow the sound",
    ),
    Thing(
        "hat",
        "bow with the {thing}",
        True,
        "the {thing} ripped in two",
        "sewed it up with needle and thread",
        "{F} was much too hot in the sun",
        "filled the {thing} with cold water and poured it over {F}",
    ),
    Thing(
        "whistle",
        "blow the {thing}",
        False,
        "the {thing} stopped making any sound",
        "shook a pea out of it",
        "{F} had fallen into a deep pit",
        "blew the {thing} so loudly that the farmer came and pulled {F} out",
    ),
    Thing(
        "flag",
        "wave the {thing}",
        True,
        "the stick of the {thing} broke",
        "found a longer and better stick",
        "{F} could not find the picnic",
        "climbed the hill and waved the {thing} until {F} saw it",
    ),
    Thing(
        "wagon",
        "pull the {thing}",
        False,
        "a wheel of the {thing} came off",
        "used a round cheese as a new wheel",
        "{F} had hurt a foot and could not walk home",
        "put {F} into the {thing} and pulled it all the way home",
    ),
    Thing(
        "lantern",
        "light the {thing}",
        False,
        "the {thing} went out",
        "gave it a new candle",
        "{F} was afraid to walk home in the dark",
        "held up the {thing} and lit the path for {F}",
    ),
    Thing(
        "umbrella",
        "spin the {thing}",
        True,
        "the {thing} turned inside out",
        "bent it back very gently",
        "{F} was standing in the rain under a very small leaf",
        "opened the {thing} and there was room for two",
    ),
    Thing(
        "blanket",
        "hide under the {thing}",
        True,
        "the {thing} got a big rip",
        "sewed a heart over the rip",
        "{F} had fallen into the cold pond and could not stop shaking",
        "wrapped {F} in the {thing} up to the nose",
    ),
    Thing(
        "flute",
        "play the {thing}",
        False,
        "the {thing} got stuck on one silly note",
        "blew a crumb out of it",
        "{F} had a baby brother who would not stop crying",
        "played a slow song on the {thing} until the baby was fast asleep",
    ),
    Thing(
        "scarf",
        "dance with the {thing}",
        True,
        "a long thread came out of the {thing}",
        "tied a very neat knot",
        "{F} was stuck in a deep ditch",
        "let the end of the {thing} down and pulled {F} out",
    ),
    Thing(
        "sled",
        "ride the {thing}",
        False,
        "the {thing} cracked down the middle",
        "tied it together with string",
        "{F} had to bring soup to Grandmother through the deep snow",
        "put the soup on the {thing} and pulled it through the snow",
    ),
    Thing(
        "spade",
        "dig with the {thing}",
        False,
        "the {thing} bent like a spoon",
        "hammered it flat on a stone",
        "{F} could not get out of the house because of the snow",
        "dug the door free with the {thing}",
    ),
    Thing(
        "basket",
        "balance the {thing}",
        False,
        "the bottom of the {thing} fell out",
        "wove a new bottom out of grass",
        "{F} had dropped the apples, and they were rolling down the hill",
        "ran ahead and caught the apples in the {thing}, one by one",
    ),
    Thing(
        "bucket",
        "splash with the {thing}",
        False,
        "the {thing} began to drip",
        "closed the hole with clay",
        "{F} had a little garden, and it was so dry that the beans hung their heads",
        "carried water in the {thing} until the beans stood up again",
    ),
    Thing(
        "balloon",
        "toss the {thing}",
        True,
        "the {thing} grew small and tired",
        "blew it up again, one big puff at a time",
        "{F} was giving a party, but nobody could find the house",
        "tied the {thing} to the gate so that everybody could see it",
    ),
    Thing(
        "pillow",
        "jump on the {thing}",
        True,
        "the {thing} burst open",
        "put the feathers back and sewed it shut",
        "{F} was sitting on a high wall and was afraid to jump down",
        "put the {thing} at the foot of the wall",
    ),
    Thing(
        "rope",
        "skip with the {thing}",
        False,
        "the {thing} got into a terrible knot",
        "pulled at it from the other end",
        "{F} was stuck in the mud",
        "threw one end of the {thing} to {F} and pulled",
    ),
    Thing(
        "teapot",
        "pour tea from the {thing}",
        False,
        "the handle of the {thing} broke",
        "stuck it back on with honey",
        "{F} was in bed with a bad cold",
        "came with the {thing} and poured cup after cup of hot tea",
    ),
    Thing(
        "crown",
        "parade with the {thing}",
        False,
        "the {thing} got a big dent",
        "pushed the dent out from inside",
        "{F} was sad because everybody had forgotten the birthday",
        "put the {thing} on the head of {F} and sang a birthday song",
    ),
    Thing(
        "cape",
        "twirl in the {thing}",
        True,
        "the {thing} got caught in the door and tore",
        "sewed it with a strong thread",
        "{F} was to be a king in the school play and had nothing to wear",
        "put the {thing} around the shoulders of {F}",
    ),
]
THING_NAMES = [thing.name for thing in THINGS]


@dataclass(frozen=True)
class Obstacle:
    """A place from which a lost thing cannot simply be taken, and who can help."""

    only_light: bool
    how: list[str]
    where: str
    attempts: list[str]
    helpers: list[tuple[str, str]]  # (kind, what it does)


OBSTACLES = [
    Obstacle(
        True,
        ["a gust of wind blew it away", "the wind snatched it"],
        "at the very top of a tall tree",
        [
            "shook the tree, but only a pine cone fell down, right on {his} nose",
            "asked the tree politely, but the tree did not answer",
            "jumped and jumped, but the tree was far too tall",
        ],
        [
            ("squirrel", "ran up the tree as fast as lightning and tossed it down"),
            ("crow", "flew up and plucked it from the branch"),
            ("monkey", "swung from branch to branch and brought it down"),
            ("owl", "opened one sleepy eye, flew up, and dropped it down"),
        ],
    ),
    Obstacle(
        True,
        ["a gust of wind blew it away", "a naughty wind lifted it up"],
        "on the roof of the old barn",
        [
            "built a tower of boxes, but it fell over with a crash",
            "stood on the tips of {his} toes, but that was not enough",
            "threw a shoe at it, and now the shoe was on the roof too",
        ],
        [
            ("cat", "walked along the edge of the roof and pushed it down"),
            ("elephant", "reached up with a long trunk and took it down"),
            ("goat", "hopped up from wall to wall and brought it down"),
        ],
    ),
    Obstacle(
        False,
        ["it slipped away and went splash", "it rolled down the bank and went splash"],
        "in the middle of the pond",
        [
            "put one toe into the water, but it was as cold as ice",
            "blew as hard as {he} could, but it only floated farther away",
            "tried to reach it with a stick, but the stick was too short",
        ],
        [
            ("otter", "dived in without a sound and pushed it to the shore"),
            ("duck", "paddled out and pulled it to the shore"),
            ("beaver", "swam out and brought it back between two big teeth"),
            ("frog", "hopped from leaf to leaf and brought it back"),
        ],
    ),
    Obstacle(
        False,
        ["it rolled away and dropped out of sight", "it bounced once and was gone"],
        "at the bottom of a deep hole",
        [
            "reached down, but {his} arm was too short",
            "called into the hole, but only the echo called back",
            "looked down so long that {he} almost fell in",
        ],
        [
            ("mole", "dug a tunnel and pushed it up from below"),
            ("rabbit", "kicked the earth aside and pulled it out"),
            ("badger", "dug with both paws until it came out"),
            ("mouse", "slid down, tied a string to it, and they pulled it up"),
        ],
    ),
    Obstacle(
        False,
        ["it rolled down the hill, faster and faster", "it slid away over the wet grass"],
        "in the middle of a thorn bush",
        [
            "reached in and said ouch",
            "asked the thorns to move over, but thorns never listen",
            "pulled at a branch, and the branch pulled back",
        ],
        [
            ("hedgehog", "walked right in, for thorns are nothing new to someone with spikes"),
            ("turtle", "pulled in head and feet, pushed in like a small rock, and brought it out"),
            ("goat", "ate the thorns, one after another, and asked for more"),
            ("sheep", "walked in with a thick coat of wool and brought it out"),
        ],
    ),
    Obstacle(
        False,
        ["it rolled down the hill, faster and faster", "it tumbled down the slope"],
        "under a huge stone",
        [
            "pushed and pushed, but the stone did not even yawn",
            "sat down and told the stone to go away",
            "tickled the stone, but it was not that kind of stone",
        ],
        [
            ("bear", "rolled the stone away with one paw"),
            ("elephant", "leaned against the stone, and over it went"),
            ("pig", "dug with a strong nose until the stone tipped over"),
        ],
    ),
    Obstacle(
        False,
        ["it rolled away into the dark", "it slipped and rolled out of sight"],
        "deep inside a dark cave",
        [
            "went in three steps and came out four",
            "called hello, and a big voice called hello back",
            "held {his} breath, but that did not make it any brighter",
        ],
        [
            ("owl", "saw it at once, for owls can see in the dark"),
            ("mole", "went in happily, for moles like the dark best"),
            ("cat", "went in with big shining eyes and found it"),
            ("bear", "said that this was only the bedroom, and fetched it"),
        ],
    ),
    Obstacle(
        False,
        ["it fell down without a sound", "it slipped away and was gone"],
        "somewhere in the tall grass",
        [
            "looked to the left, and to the right, and twice under the same leaf",
            "crawled in circles until {he} met {his} own tracks",
            "called it by name, but it did not come",
        ],
        [
            ("dog", "sniffed twice and ran straight to it"),
            ("fox", "sniffed the wind and went straight to it"),
            ("pig", "put a clever nose to the ground and found it"),
            ("hen", "scratched here and scratched there, and there it was"),
        ],
    ),
]

PLACES = {  # place -> what it looks like in a sentence
    "forest": "in the forest",
    "meadow": "in the meadow",
    "village": "in the village",
    "garden": "in the garden",
    "river": "by the river",
    "lake": "by the lake",
    "hill": "on the hill",
    "farm": "on the farm",
    "valley": "in the valley",
    "mill": "by the old mill",
    "park": "in the park",
    "sea": "by the sea",
}

# What is known by heart, beside the animals.
OPPOSITES = (
    "hot cold, big small, happy sad, fast slow, old new, open closed, high low, wet dry, light heavy, day night, "
    "up down, left right, full empty, loud quiet, hard soft, clean dirty, early late, near far, thick thin, "
    "long short, strong weak, good bad, rich poor, brave afraid, first last, always never, yes no, push pull, "
    "win lose, inside outside, front back, begin end, sweet sour, tall tiny, wide narrow, asleep awake"
)
COLORED = {
    "grass": "green",
    "the sky": "blue",
    "snow": "white",
    "a banana": "yellow",
    "a tomato": "red",
    "coal": "black",
    "a carrot": "orange",
    "a lemon": "yellow",
    "the sun": "yellow",
    "a strawberry": "red",
    "a leaf": "green",
    "milk": "white",
    "chocolate": "brown",
    "a frog": "green",
    "an elephant": "gray",
    "a pumpkin": "orange",
    "a cucumber": "green",
    "a crow": "black",
    "the sea": "blue",
    "a cloud": "white",
    "salt": "white",
    "honey": "golden",
    "a plum": "purple",
    "mud": "brown",
    "a pig": "pink",
    "a cherry": "red",
    "a mouse": "gray",
    "a bear": "brown",
}
DAYS = "Monday Tuesday Wednesday Thursday Friday Saturday Sunday".split()
MONTHS = "January February March April May June July August September October November December".split()
