"""speculate: only the description changes."""

from llaisys_mini import answer


@answer("speculate")
def speculate(text, count, guess, model):
    ### BEGIN SOLUTION
    new = []
    while len(new) < count:
        room = count - len(new)
        guessed = guess(text + new)[: room - 1]
        said = model(text + new + guessed, len(guessed) + 1)
        for place, chosen in enumerate(said):
            new.append(chosen)
            if place == len(guessed) or guessed[place] != chosen:
                break
    return new
    ### END SOLUTION
