# %% [markdown]
# # 20 · After training
#
# **Question:** a model has learned to continue text. How does it learn to answer, to prefer good answers, and to find right ones?
#
# | before this | you need | reading time | lab | next |
# |---|---|---|---|---|
# | [19 Training a language model](19_training_a_language_model.ipynb) | cross-entropy (03), training (04), sampling (14), the engine (16) | 24 minutes | [20 after training](../labs/20_after_training/20_after_training.ipynb) | a training of your own: `llaisys-mini grpo --out build/after-grpo` |

# %%
import json
from collections import Counter

import numpy as np

from llaisys_mini import exercises, load_model, operators, paths, plots
from llaisys_mini.kernels.choice import use_kernels
from llaisys_mini.text.sampling import SamplingParams
from llaisys_mini.training.sums import draw

use_kernels("expert")
model = load_model("mini")
tokenizer = model.tokenizer

# %% [markdown]
# ## 1. Learning from examples: what is learned of a conversation
#
# The first training, on plain text (*pre-training*), teaches a model to continue. *Supervised fine-tuning* (SFT) goes on with conversations: the same loss, the same gradient. One thing changes. A conversation is one
# text, and the model should learn to write the answers in it, not the questions. So a **mask** says which predictions count.
#
# > **Predict, then run.** Which tokens of this conversation should the model learn to predict? Also the token that ends an answer, and those that open one?

# %%
chat = [
    {"role": "user", "content": "What is 3 + 4?"},
    {"role": "assistant", "content": "3 + 4 = 7."},
    {"role": "user", "content": "Thank you!"},
    {"role": "assistant", "content": "You are welcome!"},
]
text = tokenizer.render_chat(chat, add_generation_prompt=False)
ids = np.array(tokenizer.encode(text, add_special_tokens=False))  # [T]
header = tokenizer.encode("<|im_start|>assistant\n", add_special_tokens=False)
end = tokenizer.encode("<|im_end|>", add_special_tokens=False)[0]
learned, inside = np.zeros(len(ids), bool), False
for t in range(len(ids)):
    learned[t] = inside
    inside = ids[t] != end if inside else list(ids[max(0, t + 1 - len(header)) : t + 1]) == header
shown = [tokenizer.bytes_of(i).decode().replace("\n", "\\n") for i in ids]
print("".join(f"[{word}]" if marked else word for word, marked in zip(shown, learned, strict=True)))

# %% [markdown]
# > **The common guess**, only the words of the answer, forgets the end: a model that never learned to write the end token writes on for ever.
#
# Brackets mark what is learned. The tokens that open an answer are always given and need not be learned. The empty `<think>` block is Qwen3's way to answer without thinking; its chat
# template puts it into the last answer only. The loss is then a mean over the marked predictions only. Place t of the mask belongs to the prediction **of** token t + 1:

# %%
logits = model.logits(ids)[:-1]  # [T - 1, V]
losses = operators.cross_entropy(logits, ids[1:])  # [T - 1]
mask = learned[1:]
print(f"loss of all {len(losses)} predictions {losses.mean():.3f}")
print(f"of the {mask.sum()} that are learned {losses[mask].mean():.3f}")
print(f"with the mask one place off  {losses[learned[:-1]].mean():.3f}")

# %% [markdown]
# The shipped model was trained with such a mask from the start: it predicts answers far better than questions. A mask that is one place off gives no error message. Depending on the direction,
# it leaves out the first token of each answer, or the token that ends it.

# %% [markdown]
# ## 2. Learning from a teacher: distillation
#
# An example names one next token. A larger model (the *teacher*) tells more: a probability for **every** token. A small model (the *student*) that learns these (*distillation*, Hinton et
# al., 2015) sees in each place what else was
# possible. The loss is the cross-entropy between two distributions,
#
# $$L = -\sum_{v} p_\text{teacher}(v)\,\log p_\text{student}(v)$$
#
# which is smallest where both agree. One-hot targets are the special case of a teacher that is always sure. The course's draft model (lecture 16) has two layers and learned in this way from the shipped model with its eight:

# %%
draft = load_model(paths.shipped_model().parent / "mini-draft")
story = paths.held_out_text().read_text().split("<|endoftext|>")[0].strip()
story_ids = np.array(tokenizer.encode(story))
teacher = operators.softmax(model.logits(story_ids)).astype(np.float64)  # [T, V]
student = operators.softmax(draft.logits(story_ids)).astype(np.float64)
soft = -(teacher * np.log(student + 1e-12)).sum(axis=1)
own = -(teacher * np.log(teacher + 1e-12)).sum(axis=1)
place = 8 + int(np.argsort(own[8:])[-3])  # a place where much is possible
print("...", tokenizer.decode(story_ids[place - 8 : place + 1].tolist()))
for v in np.argsort(-teacher[place])[:5]:
    word = tokenizer.decode([int(v)])
    print(f"  {word!r:10s} teacher {teacher[place, v]:.2f}, student {student[place, v]:.2f}")
print(
    f"distillation loss {soft.mean():.3f} nats, of which {own.mean():.3f} is the teacher's own entropy"
)

# %% [markdown]
# ## 3. Learning from preferences: a reward model
#
# Which of two stories is better? No program can compute it, but people can choose. *Bradley and Terry* (1952) describe such choices by a number for each text, its reward $r$: text $a$ is preferred to $b$ with the
# probability
#
# $$P(a \succ b) = \sigma(r_a - r_b) = \frac{1}{1 + e^{-(r_a - r_b)}}$$
#
# The loss is again the mean of $-\log P$ over all pairs. Let 12 texts have a hidden quality; judges compare nearly 600 pairs, and often err. Twelve rewards are learned from these choices alone:

# %%
rng = np.random.default_rng(4)
quality = rng.normal(size=12)
a, b = rng.integers(0, 12, size=(2, 600))
a, b = a[a != b], b[a != b]
first_wins = rng.random(len(a)) < 1 / (1 + np.exp(-(quality[a] - quality[b])))
winner, loser = np.where(first_wins, a, b), np.where(first_wins, b, a)
reward = np.zeros(12)
for _ in range(300):
    wrong = 1 / (1 + np.exp(reward[winner] - reward[loser]))  # [pairs]: how sure of the wrong one
    gradient = np.bincount(loser, wrong, 12) - np.bincount(winner, wrong, 12)
    reward -= 0.02 * gradient
better = (quality[winner] > quality[loser]).mean()
found = (reward[winner] > reward[loser]).mean()
print(
    f"judges chose the better text in {better:.0%} of the pairs; the reward agrees with them in {found:.0%}"
)
print("correlation with the hidden quality", round(np.corrcoef(quality, reward)[0, 1], 3))

# %% [markdown]
# A *reward model* computes such a number for any text: it is a language model with one output in the place of the logits. It is trained with the same loss, and then judges texts that no
# person has compared. Only differences are learned: add 5 to all rewards, and nothing changes. A language model can then be trained to write texts with a high reward: *reinforcement learning
# from human feedback*, RLHF (Ouyang et al., 2022).

# %% [markdown]
# ## 4. Preferences without a reward model: DPO
#
# In this field a model that writes texts is called a *policy*: it gives them probabilities $\pi$. *Direct preference optimisation* (DPO; Rafailov et al., 2023) takes as reward how much
# likelier a text has become than it was under the *reference*, the model as it
# was before:
#
# $$r(y) = \beta \log\frac{\pi(y)}{\pi_\text{ref}(y)} \qquad\qquad L = -\log \sigma\bigl(r(y_\text{chosen}) - r(y_\text{rejected})\bigr)$$
#
# This reward is put into Bradley and Terry's formula, so no reward model is needed. Here the policy is a softmax over the twelve texts, and the pairs are those of above. To show a common error, we train once with a reference that
# stays, and once with one that moves along.
#
# > **Predict, then run.** What is the loss before the first step, and where does it end if the reference is always equal to the policy?


# %%
def dpo(reference_moves, beta=0.5, rate=2.0):
    policy, losses = np.zeros(12), []  # logits of the twelve texts
    for _ in range(150):
        log_pi = policy - np.log(np.exp(policy).sum())
        reference = log_pi if reference_moves else np.full(12, -np.log(12))
        r = beta * (log_pi - reference)
        z = r[winner] - r[loser]
        losses.append(np.log1p(np.exp(-z)).mean())
        wrong = beta / (1 + np.exp(z)) / len(z)
        gradient = np.bincount(loser, wrong, 12) - np.bincount(winner, wrong, 12)
        policy -= rate * gradient
    return losses


stays, moves = dpo(False), dpo(True)
print(
    f"at first {stays[0]:.4f}; at the end {stays[-1]:.4f}, with the moving reference {moves[-1]:.4f}"
)

# %% jupyter={"source_hidden": true}
fig, axis = plots.figure(width=6.5, height=2.6)
axis.plot(stays, label="the reference stays")
axis.plot(moves, "--", label="the reference moves along")
axis.axhline(np.log(2), color=plots.GREY, linestyle=":", linewidth=1)
axis.text(0, np.log(2) + 0.005, "log 2", va="bottom", fontsize=9)
axis.set(xlabel="step", ylabel="DPO loss (nats)", ylim=(0.4, 0.75))
axis.grid(axis="y")
axis.legend(loc="lower left")
plots.show(
    fig,
    alt="The loss against steps. With a fixed reference it falls from 0.69 and levels off; with a moving one it is a "
    "level line at log 2.",
)

# %% [markdown]
# > **The common guess**, that a loss which does not move means that nothing is learned, is wrong here: with a moving reference it is $\log 2$ for any policy.
#
# ### One error, worked through
#
# The dashed line stays at $\log 2 = 0.6931$ to the last digit, although the gradient is not 0 and the weights move. This happens if the model is loaded once and used for both: `reference = policy` copies no
# weights. Then every ratio is 1 and every $z$ is 0. So a first loss of exactly $\log 2$ is right. If the tenth is still exactly $\log 2$, check whether both names stand for the same weights.

# %% [markdown]
# ## 5. Learning from a verifier: GRPO
#
# A program can say whether a sum is right. Then neither examples nor judges are needed: let the model answer, and reward it. The task: sums of a number of two digits and one of a single
# digit, **without** the steps that mini writes down when it may think.
# The verifier demands the whole answer, to the letter. GRPO (*group relative policy optimisation*, Shao et al., 2024) lets the model answer several times, and compares each answer with
# the others to the same question. The *advantage* of answer $s$ with reward $r_s$ is
#
# $$A_s = \frac{r_s - \operatorname{mean}(r)}{\operatorname{std}(r)}$$

# %%
run = json.loads((paths.shipped_model().parent / "grpo.json").read_text())
recipe = run["recipe"]
SEEN = np.random.default_rng(20)


def answers(asked, tries, thinking=False, seed=0):
    """So many answers to each question, as texts, and how many tokens each took."""
    engine = model.engine(max_texts=96, pages=1200)
    requests = []
    for number, each in enumerate(asked):
        question = [{"role": "user", "content": each.question}]
        prompt = tokenizer.render_chat(question, enable_thinking=thinking)
        ids = tokenizer.encode(prompt, add_special_tokens=False)
        for attempt in range(tries):
            seed_of_try = seed + 1000 * number + attempt
            params = SamplingParams(temperature=1.0, seed=seed_of_try, max_new_tokens=150)
            requests.append(engine.add(ids, params))
    while engine.is_busy:
        engine.step()
    texts = [tokenizer.decode(request.written) for request in requests]
    counts = np.array([len(request.tokens) for request in requests])
    return np.array(texts, object).reshape(-1, tries), counts.reshape(-1, tries)


numbers = recipe["digits"], recipe["second_digits"]
asked = [draw(SEEN, numbers, recipe["sign"], held_out=True) for _ in range(12)]
texts, tokens = answers(asked, 16)
rewards = np.array([[e.reward(t) for t in row] for e, row in zip(asked, texts, strict=True)])
mixed = np.flatnonzero((rewards[:, :4].min(axis=1) == 0) & (rewards[:, :4].max(axis=1) == 1))[0]
group = rewards[mixed, :4]
advantages = (group - group.mean()) / group.std()
for said, r, advantage in zip(texts[mixed], group, advantages, strict=False):
    print(f"{said:16s} reward {r:.0f}  advantage {advantage:+.2f}")

# %% [markdown]
# Answers better than the mean become likelier, worse ones less likely. If all answers get the same reward, all advantages are 0: such a question teaches nothing.
#
# For each token let $\rho = p_\text{new}/p_\text{old}$ be how much likelier it has become since the text was written. The loss is minus the mean of $\rho A$. But the advantage was measured with the old weights, so what is gained beyond $1 \pm 0.2$ does not
# count (*clipping*; Schulman et al., 2017):
#
# $$L = -\operatorname{mean}\;\min\bigl(\rho A,\ \operatorname{clip}(\rho,\, 0.8,\, 1.2)\,A\bigr) \qquad\qquad \frac{\partial L}{\partial \log p} = -\frac{\rho A}{N} \text{, or 0 where the clipped one is smaller}$$
#
# ($N$ tokens in all. Shao et al. average within each answer first, and add a penalty for moving far from the reference. Like Yu et al. (2025) we do neither.)
#
# > **Predict, then run.** Before the first update all $\rho$ are 1. What is the loss of the four texts above, if they have equally many tokens? What is its gradient?

# %%
print("loss", abs(round(-(1.0 * advantages).mean(), 6)))
print("gradient of each text", (-advantages / len(advantages)).round(2))

# %% [markdown]
# > **The common guess**, that a loss of 0 leaves nothing to learn, takes the loss for a distance to a goal. Here only its gradient matters; what to watch is the reward.
#
# ## 6. A recorded training
#
# `llaisys-mini grpo` does all this with the course's operators: the engine writes, the verifier rewards, the tape (lecture 03, with arrays) computes the gradients of 1.8 million weights, AdamW steps. What follows is one such run of the shipped model, read from
# the file that the command wrote.

# %% jupyter={"source_hidden": true}
tries = recipe["tries"]
right = {
    kind: {when: np.array(c) for when, c in both.items()} for kind, both in run["right"].items()
}
for kind, both in right.items():
    before, after = (both[when].mean() / tries for when in ("before", "after"))
    print(f"{kind}: {before:.1%} right before, {after:.1%} after {recipe['steps']} steps")
held_out = run["held_out_loss"]
print(
    f"loss of stories that it was not trained on: {held_out['before']:.4f} before, {held_out['after']:.4f} after"
)

# %% jupyter={"source_hidden": true}
pass_at_k = exercises.get("pass_at_k")
fig, axes = plots.figure(1, 2, width=9, height=3.0)
steps = np.arange(1, recipe["steps"] + 1)
axes[0].plot(steps, run["rewards"], color=plots.SKY, linewidth=0.9, label="a step")
smooth = np.convolve(run["rewards"], np.ones(10) / 10, "valid")
axes[0].plot(steps[9:], smooth, color=plots.BLUE, label="the last 10 steps")
axes[0].set(xlabel="step", ylabel="share of right answers", ylim=(0, 1), title="reward")
axes[0].legend(loc="lower right")
ks = [k for k in (1, 2, 4, 8, 16, 32) if k <= tries]
for when, marker in (("before", "s--"), ("after", "o-")):
    counts = right[run["trained"]][when]
    axes[1].plot(
        ks, [np.mean([pass_at_k(tries, int(c), k) for c in counts]) for k in ks], marker, label=when
    )
axes[1].set_xscale("log", base=2)
axes[1].set(xlabel="k", ylabel="pass@k", ylim=(0, 1.04), xticks=ks, title=run["trained"])
axes[1].set_xticklabels(ks)
axes[1].legend(loc="lower right")
for axis in axes:
    axis.grid()
plots.show(
    fig,
    alt="Left: the share of right answers in each step, noisy and rising. Right: pass@k before and after against k; "
    "the curve after begins higher, and both come closer as k grows.",
)

# %% [markdown]
# On the right is *pass@k*: the probability that at least one of k answers is right. Where $c$ of $n$ tries were right, draw $k$ of them without putting back; all are wrong in $\binom{n-c}{k}$ of $\binom{n}{k}$ draws (Chen et al., 2021):
#
# $$\text{pass@}k = 1 - \binom{n-c}{k} \Big/ \binom{n}{k}$$
#
# The training raises pass@1 far more than pass@16. Much of what it did was to make answers reliable that the model could already give now and then (Yue et al., 2025). The printed figures of the differences, which were not
# trained, and of the stories show whether the model has lost anything else. Watch such figures whenever you train on a reward.

# %% [markdown]
# ## 7. Without training: more work at the answer
#
# We use the 12 questions of section 5 again, with their 16 answers each. Three ways to spend more computation on an answer (*test-time compute*):
#
# - **Voting**: the answer that most of the 16 give (*self-consistency*; Wang et al., 2022).
# - **A verifier**: any of the 16 that is right. This is possible where an answer is easier to check than to find.
# - **Chain of thought**: one answer, but the model may write down the digits and the carries first.
#
# > **Predict, then run.** Single answers are often wrong. Does voting over 16 come near the verifier?

# %%
voted = np.array([[Counter(row).most_common(1)[0][0]] for row in texts], object)
thought, thought_tokens = answers(asked, 1, thinking=True)


def share_right(texts):
    """texts [Q, 1]: of one answer to each question, how many are right."""
    return np.mean([e.reward(row[0]) for e, row in zip(asked, texts, strict=True)])


table = {
    "one answer": (rewards.mean(), tokens.mean()),
    "voting": (share_right(voted), tokens.sum(axis=1).mean()),
    "verifier": (rewards.max(axis=1).mean(), tokens.sum(axis=1).mean()),
    "thinking": (share_right(thought), thought_tokens.mean()),
}
for name, (share, cost) in table.items():
    print(f"{name:10s} {share:4.0%} right, {cost:4.0f} tokens a question")

# %% jupyter={"source_hidden": true}
fig, axis = plots.figure(width=6.5, height=2.7)
for (name, (share, cost)), marker in zip(table.items(), plots.MARKERS, strict=False):
    axis.plot(cost, share, marker, markersize=8)
    axis.annotate(name, (cost, share), xytext=(7, -11), textcoords="offset points")
axis.set_xscale("log")
axis.xaxis.set_major_formatter("{x:g}")
axis.set(
    xlabel="tokens written for a question", ylabel="share right", ylim=(0, 1.08), xlim=(8, 600)
)
axis.grid()
plots.show(
    fig,
    alt="Share of right answers against tokens for each question: one answer is cheap and often wrong, voting costs "
    "many tokens and gains little, the verifier gains more, thinking costs fewer tokens than these and is right most often.",
)

# %% [markdown]
# > **The common guess**, that the majority is right, holds where wrong answers differ from each other. Here the model often gives the same wrong number, and then more votes only confirm it.
#
# Voting helps where the right answer is already the most frequent one. A verifier needs it only once. The thinking of this model costs fewer tokens than 16 short answers, and helps more
# than voting: a later step can look up each digit that was written, so no step has to do the whole
# work (Wei et al., 2022).

# %% [markdown]
# ## 8. With a pencil
#
# **1.** Eight answers to a question have the rewards 1 1 0 0 0 0 0 0. What are the advantages? What are they for 1 1 1 1 1 1 1 1?
#
# <details><summary>Answer</summary>
#
# The mean is $1/4$, the standard deviation $\sqrt{1/4 \cdot 3/4} = 0.433$. The right ones get $0.75 / 0.433 = 1.73$, the others $-0.25/0.433 = -0.58$; the sum is 0. In the second case all are 0: nothing can be learned from it.
#
# </details>
#
# **2.** Of 4 tries at a question 1 is right. What is pass@2? Somebody computes $1 - (1 - 1/4)^2$. Why is that another number, and for which question would it be right?
#
# <details><summary>Answer</summary>
#
# All wrong: $\binom{3}{2} = 3$ of $\binom{4}{2} = 6$ draws, so pass@2 is $1/2$. The other formula gives $0.44$. It puts each try back before the next, and so would be right if 1/4 were the **known** chance of a right answer; as an estimate from 4 tries it is too small on average.
#
# </details>

# %% [markdown]
# ## The answer
#
# - Examples: cross-entropy on the tokens of the answers, with the one that ends them. A teacher's probabilities say more than one token.
# - Preferences: a difference of rewards is the logit of a choice (Bradley and Terry). DPO makes the reward from the policy itself; a loss that stays at log 2 shows that the reference is the policy.
# - A verifier: in GRPO answers are compared with others to the same question. The loss is near 0 and says nothing; watch the reward, and what was not trained.
# - More work at the answer: voting helps where wrong answers differ, a verifier needs one right answer in k, and steps that are written down can beat both.
#
# ## Sources
#
# - G. Hinton, O. Vinyals, J. Dean (2015), [Distilling the knowledge in a neural network](https://arxiv.org/abs/1503.02531).
# - R. Bradley, M. Terry (1952), [Rank analysis of incomplete block designs](https://doi.org/10.1093/biomet/39.3-4.324); L. Ouyang et al. (2022),
#   [Training language models to follow instructions with human feedback](https://arxiv.org/abs/2203.02155).
# - R. Rafailov et al. (2023), [Direct preference optimization](https://arxiv.org/abs/2305.18290).
# - J. Schulman et al. (2017), [Proximal policy optimization algorithms](https://arxiv.org/abs/1707.06347); Z. Shao et al. (2024), [DeepSeekMath](https://arxiv.org/abs/2402.03300): GRPO;
#   Q. Yu et al. (2025), [DAPO](https://arxiv.org/abs/2503.14476).
# - M. Chen et al. (2021), [Evaluating large language models trained on code](https://arxiv.org/abs/2107.03374): pass@k; Y. Yue et al. (2025),
#   [Does reinforcement learning really incentivize reasoning capacity in LLMs beyond the base model?](https://arxiv.org/abs/2504.13837)
# - J. Wei et al. (2022), [Chain-of-thought prompting](https://arxiv.org/abs/2201.11903); X. Wang et al. (2022), [Self-consistency](https://arxiv.org/abs/2203.11171).
#
# ## Go on
#
# In [lab 20 after training](../labs/20_after_training/20_after_training.ipynb) you write the mask, pass@k, the advantages and the clipped loss, and they train the shipped model.
