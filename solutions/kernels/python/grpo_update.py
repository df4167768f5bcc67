"""grpo_update: softmax, the clipped loss, and back through softmax."""

import numpy as np

from llaisys_mini import answer, exercises


@answer("grpo_update")
def grpo_update(logits, samples, rewards, rate, clip, updates):
    group_advantage, clipped_loss = exercises.get("group_advantage"), exercises.get("clipped_loss")
    ### BEGIN SOLUTION
    logits = np.array(logits)  # a copy
    (questions, answers), drawn = logits.shape, samples.shape[1]
    advantages = group_advantage(rewards).reshape(-1)  # one for each text
    mask = np.ones((questions * drawn, 1))
    one_hot = np.eye(answers)[samples]  # [Q, S, A]
    old = None
    for _ in range(updates):
        exponentials = np.exp(logits - logits.max(axis=1, keepdims=True))
        p = exponentials / exponentials.sum(axis=1, keepdims=True)  # [Q, A]
        logprobs = np.log(np.take_along_axis(p, samples, axis=1)).reshape(-1, 1)
        if old is None:
            old = logprobs
        _, slope = clipped_loss(logprobs, old, advantages, mask, clip)
        # d log p[y] / d logits = one-hot(y) - p, added up over the texts to a question
        gradient = (slope.reshape(questions, drawn, 1) * (one_hot - p[:, None, :])).sum(axis=1)
        logits = logits - rate * gradient
    return logits
    ### END SOLUTION
