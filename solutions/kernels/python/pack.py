"""pack: first-fit-decreasing, then each document is written into its place."""

import numpy as np

from llaisys_mini import answer


@answer("pack")
def pack(documents, length):
    ### BEGIN SOLUTION
    rows, room = [], []  # for each row its documents, and how many tokens are left
    for number in sorted(range(len(documents)), key=lambda n: -len(documents[n])):
        size = len(documents[number])
        row = next((r for r in range(len(rows)) if room[r] >= size), None)
        if row is None:
            row = len(rows)
            rows.append([])
            room.append(length)
        rows[row].append(number)
        room[row] -= size

    ids, positions = np.zeros((len(rows), length), np.int64), np.zeros((len(rows), length), np.int64)
    targets, texts = np.full((len(rows), length), -1), np.full((len(rows), length), -1)
    for r, row in enumerate(rows):
        start = 0
        for number in row:
            document = documents[number]
            end = start + len(document)
            ids[r, start:end] = document
            targets[r, start : end - 1] = document[1:]
            positions[r, start:end] = np.arange(len(document))
            texts[r, start:end] = number
            start = end
    return ids, targets, positions, texts
    ### END SOLUTION
