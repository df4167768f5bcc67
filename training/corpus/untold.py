"""Words for questions that no story and no text answers: relatives, belongings and favorites that nobody has told of."""

from __future__ import annotations

from .writing import Writer

POOLS = {
    "relative": "mother father uncle aunt grandmother grandfather teacher neighbor doctor boss husband wife twin".split(),
    "belongings": "brothers sisters coins shoes pencils plates pockets friends teeth buttons rooms socks chairs toys stamps sons daughters nephews pets uncles aunts babies horses gloves houses beds".split(),
    "attribute": "age address job hobby size weight nickname secret wish mood plan telephone".split(),
    "favorite": "song color game food day animal place book story dance season flower sport holiday word".split(),
    "unknown_verb": ["dream about", "wish for", "think of", "study", "collect", "believe in", "hope for", "fear", "earn", "miss most"],
}  # fmt: skip


def untold_words(writer: Writer) -> dict[str, str]:
    """One of each pool, for the slots of the questions."""
    return {slot: writer.choice(words) for slot, words in POOLS.items()}
