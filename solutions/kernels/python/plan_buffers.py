"""plan_buffers: the largest first, each in the lowest gap."""

from llaisys_mini import answer


@answer("plan_buffers")
def plan_buffers(lives):
    ### BEGIN SOLUTION
    places = [0] * len(lives)
    placed = []  # numbers of the arrays that have a place
    for number in sorted(range(len(lives)), key=lambda n: -lives[n][2]):
        born, dies, size = lives[number]
        meeting = [n for n in placed if born <= lives[n][1] and lives[n][0] <= dies]
        place = 0
        for other in sorted(meeting, key=lambda n: places[n]):
            if place + size > places[other]:  # the gap in front of it is too small
                place = max(place, places[other] + lives[other][2])
        places[number] = place
        placed.append(number)
    return places
    ### END SOLUTION
