"""What is kept back from training, to measure by: sentences, wordings of questions, families of unknown questions.

No sentence that is written with these can come from a training template; a test holds that over thousands of
documents. The plots kept back stand in `plots/held_out.txt` and `plots/held_out_short_texts.txt`.
"""

from __future__ import annotations

# The sentences that all stories share.
SENTENCES = {
    "opening": [
        "Many summers ago, {a_kind} named {H} had a home {at_place}.",
        "This is the tale of {a_kind} named {H}.",
        "Far from here, {at_place}, {a_kind} named {H} was at home.",
    ],
    "has_thing": [
        "Among all {his} belongings, {he} cherished {a_color_thing} the most.",
        "Nobody ever saw {him} without {a_color_thing}.",
        "An uncle had once sent {him} {a_color_thing} by mail.",
    ],
    "closing any": [
        "At bedtime {H} the {kind} told the {color} {thing} the whole adventure once more.",
        "People still talk about {H} the {kind} and the {color} {thing}.",
        "So ended a day that {H} the {kind} and the {color} {thing} would remember.",
    ],
    "closing given": [
        "Only the {color} {thing} knew how generous {H} the {kind} had been.",
        "{H} the {kind} missed the {color} {thing} a bit, yet regretted nothing.",
    ],
}

# Wordings of questions and requests.
WORDINGS = {
    "fact: legs": [
        "Do you know how many legs {a} has?",
        "Tell me the number of legs of {a}.",
        "Tell me how many legs {s} have.",
    ],
    "fact: sound": [
        "Tell me what sound {a} makes.",
        "What noise do {s} make?",
        "Can you make the sound of {a}?",
    ],
    "fact: home": [
        "Tell me where {a} lives.",
        "Where can I find {s}?",
        "Do you know where {s} live?",
    ],
    "fact: food": [
        "Tell me what {a} eats.",
        "What should I feed {s}?",
        "What food does {a} like?",
    ],
    "fact: baby": [
        "What do you call the baby of {a}?",
        "Tell me what a baby {k} is called.",
        "What do we call a young {k}?",
    ],
    "fact: opposite": [
        "Do you know the opposite of {w}?",
        "Which word is the opposite of {w}?",
        "Give me the opposite of the word {w}.",
    ],
    "fact: color": [
        "Which color does {w} have?",
        "Do you know the color of {w}?",
        "Can you tell me what color {w} is?",
    ],
    "fact: day after": [
        "Tell me what comes after {w}.",
        "Do you know which day is after {w}?",
        "Name the day after {w}.",
    ],
    "fact: day before": [
        "Tell me what comes before {w}.",
        "Do you know which day is before {w}?",
        "Name the day before {w}.",
    ],
    "fact: month after": [
        "Tell me what comes after {w}.",
        "Do you know which month is after {w}?",
        "Name the month after {w}.",
    ],
    "fact: month before": [
        "Tell me what comes before {w}.",
        "Do you know which month is before {w}?",
        "Name the month before {w}.",
    ],
    "fact: number after": [
        "Tell me what comes after {w}.",
        "Do you know which number is after {w}?",
        "Name the number after {w}.",
    ],
    "fact: number before": [
        "Tell me what comes before {w}.",
        "Do you know which number is before {w}?",
        "Name the number before {w}.",
    ],
    "fact: who says": [
        "Do you know which animal says {value}?",
        "Tell me who says {value}.",
        "Which animal goes {value}?",
    ],
    "fact: whose baby": [
        "Can you tell me what {value} is?",
        "Which animal is {value} the baby of?",
        "Tell me whose baby {value} is.",
    ],
    "sum": [
        "Can you calculate {sum}?",
        "Please tell me what {sum} is.",
        "Do you know how much {sum} is?",
        "What does {sum} give?",
    ],
    "story starts": [
        "May I hear a story",
        "Please think of a story",
        "Could I have a story",
        "Invent a story",
    ],
    "who are you": [
        "Hi! Who are you?",
        "Hello! What is your name?",
        "Please tell me who you are.",
        "Hello! What can you do?",
        "Hi, what are you called?",
        "Please tell me your name.",
    ],
    "my name is": [
        "Good morning, my name is {N}.",
        "Hey, I am {N}.",
        "Hello there, my name is {N}.",
        "People call me {N}.",
    ],
    "what is my name": [
        "Please tell me my name.",
        "Can you say my name?",
        "Which name did I tell you?",
        "So what is my name?",
    ],
    "repeat": [
        "Please repeat after me: {words}.",
        "Say the words: {words}.",
        "Can you repeat: {words}?",
    ],
    "story: color": [
        "Can you tell me what color the {thing} was?",
        "In what color was the {thing}?",
        "Do you remember the color of the {thing}?",
    ],
    "story: kind of the hero": [
        "Do you remember what animal {H} was?",
        "Tell me what kind of animal {H} was.",
        "{H} was which animal?",
    ],
    "story: kind of the friend": [
        "Do you remember what animal {F} was?",
        "Tell me what kind of animal {F} was.",
        "{F} was which animal?",
    ],
    "story: who was the hero": ["Can you tell me who {H} was?", "Do you remember who {H} was?"],
    "story: who was the friend": ["Can you tell me who {F} was?", "Do you remember who {F} was?"],
    "story: name of the hero": [
        "Which name did the {kind} have?",
        "Do you remember the name of the {kind}?",
        "The {kind} had what name?",
    ],
    "story: name of the friend": [
        "Which name did the {fkind} have?",
        "Do you remember the name of the {fkind}?",
        "The {fkind} had what name?",
    ],
    "story: what it was about": ["Can you tell me what {story} was about?", "Tell me what {story} was about."],
    "story: hero": ["Tell me who the hero of {story} was.", "Which hero did {story} have?"],
    "story: friend of the hero": ["Tell me who else was in {story}.", "Who came along in {story}?"],
    "story: thing": ["Tell me which thing was in {story}.", "What was the thing in {story}?"],
    "story: thing of a color": ["Tell me what was {color}.", "Do you remember what was {color}?"],
    "story: summary": ["Tell me what happened in {story}.", "Sum up {story}."],
    "story: title": ["Find a title for {story}.", "Which title would {story} have?"],
    "story: beginning": ["Tell me how {story} began.", "Which sentence of {story} was the first?"],
    "story: end": ["Tell me how {story} ended.", "Which sentence of {story} was the last?"],
    "story: untold": [
        "How many cousins did {H} have?",
        "In which month was {F} born?",
        "What was the surname of {F}?",
        "How many books did {H} own?",
        "What did {F} want to become?",
        "What was the favorite number of {H}?",
        "Tell me who {other_name} was.",
        "What was the color of the {other_thing}?",
        "What was the {other_kind} called?",
    ],
    "text: name to thing": ["Tell me what {N} owns.", "What is it that {N} owns?", "What thing does {N} own?"],
    "text: thing to name": [
        "Who owns the {color} {thing}?",
        "Tell me who has the {color} {thing}.",
        "Who is the one with the {thing}?",
    ],
    "text: thing to color": [
        "Tell me what color the {thing} is.",
        "What is the color of the {thing} of {N}?",
        "Which color has the {thing}?",
    ],
    "text: color to thing": ["Tell me which thing is {color}.", "Which of the things is {color}?"],
    "text: name to color": ["Tell me what color the thing of {N} has.", "In what color is the thing of {N}?"],
    "text: color to name": ["Tell me who has the {color} thing.", "Who owns something {color}?"],
    "text: name to place": ["Where can I find {N} now?", "Tell me where {N} sits.", "In what place does {N} sit?"],
    "text: place to name": [
        "Tell me who sits {place}.",
        "Who is it that sits {place}?",
        "Which one of them is {place}?",
    ],
    "text: name to kind": ["Can you tell me what animal {N} is?", "Tell me what kind of animal {N} is."],
    "text: kind to name": ["Tell me what the {kind} is called.", "What name has the {kind}?"],
    "text: name to food": ["Tell me what {N} eats.", "What food does {N} like?"],
    "text: food to name": ["Tell me who eats {food}.", "Who is it that likes {food}?"],
    "text: name to day": ["Tell me when {N} comes.", "On what day does {N} come?"],
    "text: day to name": ["Who is it that comes on {day}?", "Who is there on {day}?"],
    "text: kind to thing": ["Tell me which thing the {kind} has.", "What is it that the {kind} has?"],
    "text: thing to kind": ["Tell me which animal has the {thing}.", "Which animal owns the {thing}?"],
    "text: place to thing": ["Tell me which thing is {place}.", "Which of the things is {place}?"],
    "text: thing to place": ["Tell me where the {thing} is.", "Where is the {color} {thing}?"],
    "text: kind to place": ["Tell me where the {kind} is.", "In what place is the {kind}?"],
    "text: place to kind": ["Tell me which animal is {place}.", "Which of the animals is {place}?"],
    "text: kind to food": ["Tell me what the {kind} in the text likes."],
    "text: food to kind": ["Tell me which animal in the text likes {food}."],
    "text: untold": [
        "Tell me who has the {other_thing}.",
        "Tell me where {other_name} is.",
        "How many children does {N} have?",
        "What is the birthday of {N}?",
        "What did {N} say to them?",
        "Tell me the name of the {other_kind}.",
    ],
}

# Sentences of short texts.
TEXT_SENTENCES = {
    ("thing",): [
        "{N} holds {a_color_thing}.",
        "{N} found {a_color_thing}.",
        "The owner of the {color} {thing} is {N}.",
    ],
    ("place",): ["{N} stands {place}.", "You can see {N} {place}."],
    ("kind",): ["{A_kind} is called {N}.", "{N}, {a_kind}, is here."],
    ("food",): ["{N} loves {food}.", "{N} would like some {food}."],
    ("day",): ["{N} arrives on {day}.", "{Day} is for {N}."],
    ("kind", "thing"): ["{N}, {a_kind}, holds {a_color_thing}.", "The {kind} {N} owns {a_color_thing}."],
    ("place", "thing"): ["{N} stands {place} and holds {a_color_thing}."],
    ("kind", "place"): ["{N}, {a_kind}, stands {place}.", "The {kind} {N} is {place}."],
    ("kind", "food"): ["{N}, {a_kind}, loves {food}.", "The {kind} {N} likes {food}."],
}

# Whole families of questions that the model cannot answer (see unknown.py for the slots).
UNKNOWN_FAMILIES = {
    "sports": [
        "Who won the football game?", "How many players has a tennis team?", "What are the rules of hockey?", "Who is the fastest runner alive?",
        "How long is a boxing match?", "Which club is at the top of the league?", "Who scored last night?",
    ],
    "medicine": [
        "What helps against a headache?", "Is a fever dangerous?", "Which pill should I take?", "How do vaccines protect us?",
        "What are the symptoms of measles?", "Should I see a doctor?", "How many bones has the human body?",
    ],
    "travel": [
        "When does the next train to {city} leave?", "Which hotel in {city} is best?", "Do I need a visa for {country}?", "Book me a flight to {city}.",
        "How do I get from {city} to {city2}?", "Where is the nearest station?", "What should I pack for {country}?",
    ],
    "music": [
        "Who composed the Ninth Symphony?", "Which key is this sonata in?", "How many strings has a violin?", "Who sings that hit?",
        "What is a chord?", "Recommend an album.", "How does one read notes?",
    ],
    "religion": [
        "Who was Buddha?", "What do Hindus believe?", "How many angels are there?", "What is in the Koran?", "Who founded that church?",
        "What happens after death?",
    ],
    "games": [
        "How does a knight move in chess?", "What beats a full house?", "Let us play chess.", "How many cards are in a deck?",
        "What is the best opening against e4?", "Guess my number.",
    ],
    "law": [
        "Is it legal to park here?", "What does a judge earn?", "How do I write a contract?", "Can my landlord raise the rent?",
        "What is the penalty for speeding?", "Who may vote?",
    ],
    "gardens and cars": [
        "When should roses be cut?", "Why does my engine smoke?", "How often must I change the oil?", "Which soil do tomatoes need?",
        "How do I get rid of weeds?", "What does this warning light mean?",
    ],
    "art": [
        "Who painted the Mona Lisa?", "What is cubism?", "In which museum hangs that picture?", "Which style is this building?",
        "What did the sculptor mean?", "How is porcelain painted?",
    ],
    "family trees": [
        "Who was the grandfather of {person}?", "How many children had {person}?", "Is {person} related to {person2}?",
        "Whom did {person} marry?", "What was the maiden name of your mother?",
    ],
}  # fmt: skip
