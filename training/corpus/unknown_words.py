"""Words for questions that the model cannot answer: countries, persons, dishes, devices. One table."""

from __future__ import annotations


def _words(text: str) -> list[str]:
    return [word.strip() for word in text.replace("\n", " ").split(",")]


FILLERS = {
    "country": _words(
        "France, Italy, China, Japan, Spain, Germany, America, Egypt, Brazil, Russia, India, Canada, Mexico, Sweden, "
        "Norway, Poland, Turkey, Greece, Kenya, Nigeria, Peru, Chile, Korea, Vietnam, Iran, Iraq, Ireland, Scotland, "
        "Portugal, Austria, Hungary, Denmark, Finland, Cuba, Argentina, Morocco, Ethiopia, Israel, Thailand, Australia"
    ),
    "city": _words(
        "London, Paris, Rome, Berlin, Moscow, Tokyo, Beijing, New York, Madrid, Vienna, Athens, Cairo, Delhi, Boston, "
        "Chicago, Amsterdam, Prague, Warsaw, Lisbon, Dublin, Oslo, Istanbul, Shanghai, Sydney, Toronto, Lima"
    ),
    "person": _words(
        "Einstein, Newton, Mozart, Napoleon, Caesar, Shakespeare, Goethe, Darwin, Marie Curie, Gandhi, Lincoln, "
        "Cleopatra, Columbus, Galileo, Leonardo, Picasso, Beethoven, Socrates, Plato, Confucius, Turing, Gauss, Euler, "
        "the Queen of England, the president, the pope, the mayor, your boss, my uncle, my teacher, Doctor Smith"
    ),
    "event": _words(
        "the French Revolution, the First World War, the Second World War, the moon landing, the fall of Rome, the "
        "last election, the Olympic Games, the World Cup, the Renaissance, the Ice Age, the Middle Ages, the Cold War, "
        "the great fire, the invention of printing, the battle of Waterloo, the birth of Rome, the gold rush"
    ),
    "book": _words(
        "Hamlet, Faust, the Bible, Don Quixote, War and Peace, Robinson Crusoe, Alice in Wonderland, the Odyssey, "
        "Moby Dick, Dracula, the Iliad, Pinocchio, Romeo and Juliet, this book, the last Harry Potter, Treasure Island"
    ),
    "subject": _words(
        "electricity, gravity, physics, quantum mechanics, a neural network, democracy, a transformer, attention, "
        "machine learning, money, relativity, chemistry, evolution, photosynthesis, an atom, a molecule, a black hole, "
        "a volcano, magnetism, inflation, capitalism, philosophy, algebra, calculus, a logarithm, a prime number, "
        "entropy, a virus, a gene, radioactivity, an earthquake, the internet, artificial intelligence, statistics"
    ),
    "planet": _words(
        "the moon, the sun, Mars, Venus, Jupiter, Saturn, the nearest star, the Milky Way, Neptune, Pluto"
    ),
    "substance": _words(
        "water, iron, oxygen, sugar, salt, glass, steel, carbon, helium, plastic, alcohol, rust, copper"
    ),
    "device": _words(
        "a computer, a telephone, a car, a train, a plane, a camera, a radio, a television, a fridge, an engine, a "
        "battery, a printer, a washing machine, a microwave, a bicycle, a clock, a microscope, a robot, a rocket, a laser"
    ),
    "product": _words(
        "bread, a new bike, a house, a laptop, a ticket, a cup of coffee, a phone, milk, a used car, an apple, "
        "a good book, a chair, shoes, gasoline, a winter coat, a lamp, a toothbrush"
    ),
    "programming_language": _words("Python, Java, C, Rust, JavaScript, Go, C++, Haskell, SQL, Ruby code, Fortran"),
    "code_task": _words(
        "sort a list, read a file, reverse a string, print the primes, open a website, count words, draw a circle, "
        "add two matrices, parse a date, send an email, find the maximum, copy a folder, compute the mean"
    ),
    "code_word": _words(
        "a pointer, a compiler, recursion, a loop, a class, a hash table, an array, a thread, a function, an API, "
        "a kernel, a cache, a database, a server, the stack, a git commit, a data type, a bug"
    ),
    "tongue": _words(
        "German, French, Spanish, Chinese, Latin, Italian, Russian, Japanese, Dutch, Greek, Arabic, Polish"
    ),
    "foreign": _words(
        "bonjour, danke, gracias, ciao, arigato, merci, Haus, chat, perro, libro, agua, Fenster, amor, ni hao"
    ),
    "word": _words(
        "house, love, tree, window, thank you, water, friend, school, bread, summer, please, teacher, freedom"
    ),
    "dish": _words(
        "pasta, rice, an omelet, pizza, potato soup, lasagna, a steak, fried fish, pumpkin pie, sushi, noodles, "
        "curry, dumplings, a salad, tomato sauce, goulash, waffles, chili, a roast, mushrooms"
    ),
    "skill": _words(
        "tie a tie, swim, drive a car, learn French, lose weight, sleep better, write an essay, clean a window, "
        "paint a wall, make a fire, fix a tap, remove a stain, cut hair, draw a face, save money, make friends, "
        "get a job, pass an exam, speak in public, iron a shirt, knit, juggle, meditate, find a flat"
    ),
    "topic": _words(
        "politics, school, winter, coffee, football, music, television, war, love, modern art, the government, "
        "my new haircut, homework, the weather, work, city life, tea, computers, old films, space travel, religion"
    ),
    "object": _words(
        "a table, a chair, a house, a mountain, the Eiffel Tower, a whale, a ship, a bridge, a brick, a mile, an ocean, "
        "an airplane, a street, a skyscraper, a piano, a pyramid, a door, a desert, a cathedral, a marathon"
    ),
    "feast": _words(
        "Easter, Christmas, Halloween, Ramadan, Mother's Day, Thanksgiving, Diwali, the next full moon, Hanukkah"
    ),
    "text_form": _words(
        "a poem, a song, a letter, an essay, a riddle, a speech, a limerick, a report, a prayer, a recipe, a play"
    ),
    "animal": _words(  # none of which the model knows anything about
        "whale, camel, tiger, penguin, giraffe, zebra, kangaroo, parrot, shark, dolphin, eagle, crab, lizard, swan, "
        "donkey, octopus, panda, koala, moose, hippo, rhino, seal, snail, bat, peacock, goose, crocodile, gorilla, "
        "leopard, salmon, butterfly, scorpion, turkey, reindeer, jellyfish, worm, lobster, dragon, unicorn, dinosaur"
    ),
    "colorless": _words(  # things whose color is not among the known facts
        "a car, a house, the wind, a book, music, a shirt, a stone, a flower, my hair, a door, your voice, a dream, "
        "a bird, time, a chair, a table, a letter, the number seven, a sock, a dragon, a bicycle, my coat, water"
    ),
    "figure": _words(  # whom no story is about
        "a pirate, a princess, a knight, a witch, a wizard, a robot, a king, a queen, a giant, a fairy, a ghost, "
        "a mermaid, an astronaut, a cowboy, a detective, a monster, a superhero, a doctor, a vampire, an alien"
    ),
    "no_opposite": _words(
        "kitchen, banana, seven, table, Monday, book, purple, elephant, music, street, cheese, bread, chair, idea"
    ),
    "noun": _words(
        "table, window, idea, cloud, spoon, engine, river, shoe, dream, lamp, garden, phone, pencil, forest, coin"
    ),
    "relative": _words(
        "brother, sister, mother, father, uncle, aunt, neighbor, cousin, boss, teacher, cat, dog, son, daughter"
    ),
    "possession": _words("keys, glasses, shoes, phone, wallet, book, coat, bag, car, pencil, gloves, ticket"),
}

# The same for the evaluation, with words that never occur in a question of the training text.
HELD_OUT_FILLERS = {
    "country": _words("Belgium, Bolivia, Iceland, Malaysia, Romania, Senegal, Tunisia, Uruguay, Nepal, Croatia"),
    "city": _words("Hamburg, Naples, Seoul, Geneva, Denver, Glasgow, Havana, Kyoto, Brussels, Nairobi"),
    "person": _words(
        "Kepler, Bach, Rembrandt, Aristotle, Edison, Voltaire, the president of the bank, Florence Nightingale"
    ),
    "event": _words(
        "the Boston Tea Party, the sinking of the Titanic, the Black Death, the oil crisis, the Russian Revolution"
    ),
    "book": _words("Anna Karenina, Ulysses, Gulliver's Travels, Macbeth, Little Women, the Hobbit"),
    "subject": _words(
        "biology, a semiconductor, nuclear fusion, psychology, a glacier, osmosis, trigonometry, a tornado"
    ),
    "planet": _words("Mercury, Uranus, the North Star, Andromeda"),
    "substance": _words("gold dust, nitrogen, mercury, concrete, uranium, ammonia"),
    "device": _words("a vacuum cleaner, a submarine, a thermometer, a typewriter, a satellite, a helicopter"),
    "product": _words("a sofa, sunglasses, a violin, a guitar, toothpaste, a backpack"),
    "programming_language": _words("Kotlin, Perl, Swift, Lisp"),
    "code_task": _words("merge two tables, draw a histogram, rename a variable, encrypt a password"),
    "code_word": _words("a linked list, an operating system, a regular expression, a closure"),
    "tongue": _words("Swedish, Hindi, Turkish, Korean, Hebrew"),
    "foreign": _words("obrigado, Bruder, fromage, montagna, spasibo"),
    "word": _words("bridge, hunger, autumn, kitchen, courage"),
    "dish": _words("risotto, an apple strudel, ratatouille, scrambled eggs, a cheesecake, paella"),
    "skill": _words("plant a tree, whistle with two fingers, ski, write a will, bake rolls, change a tire"),
    "topic": _words("jazz, tourism, modern dance, vegetarians, the stock market, ballet"),
    "object": _words("a football field, the Great Wall, a sequoia, a canal, an iceberg, a violin"),
    "feast": _words("Epiphany, Labor Day, the spring equinox, Purim"),
    "text_form": _words("a sonnet, a diary entry, a press release, an obituary, a ballad"),
    "animal": _words("ostrich, walrus, hamster, raccoon, flamingo, cheetah, tortoise, pelican, cockroach, buffalo"),
    "colorless": _words("a guitar, a thought, the truth, a curtain, my bag, a ticket, a truck"),
    "figure": _words("a ninja, an elf, a clown, a sailor, a viking, a policeman, a dwarf, a zombie"),
    "no_opposite": _words("spoon, garden, nine, piano, April, window"),
    "noun": _words("bottle, curtain, ladder, island, needle"),
    "relative": _words("grandfather, niece, godmother, landlord, nephew"),
    "possession": _words("umbrella stand, watch, passport, scissors, notebook"),
}
