"""schedule_step: the engine's own order, written plainly."""

from llaisys_mini import answer


@answer("schedule_step")
def schedule_step(running, waiting, free, total, size, budget):
    rows, preempted, refused = {}, [], []
    ### BEGIN SOLUTION
    left = budget
    running = list(running)
    writing = [text for text in running if text["ids"] - text["stored"] == 1]
    reading = [text for text in running if text["ids"] - text["stored"] > 1]
    for text in writing + reading:
        count = min(text["ids"] - text["stored"], left)
        if count == 0 or text not in running:
            continue
        wanted = -(-(text["stored"] + count) // size) - text["pages"]
        while wanted > free and text in running:
            youngest = running.pop()
            preempted.append(youngest["name"])
            free += youngest["pages"]
        if text in running:
            rows[text["name"]] = count
            left -= count
            free -= max(0, wanted)
    for text in waiting:
        wanted = -(-text["ids"] // size)
        if preempted or left == 0 or len(running) == budget:
            break
        if wanted > total:
            refused.append(text["name"])
        elif wanted > free:
            break
        else:
            running.append(text)
            rows[text["name"]] = min(text["ids"], left)
            left -= rows[text["name"]]
            free -= wanted
    ### END SOLUTION
    return rows, preempted, refused
