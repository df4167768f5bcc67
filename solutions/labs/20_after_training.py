# %% [markdown]
# # Lab 20: after training
#
# A model that only continues text is made to answer by three more kinds of training: examples, preferences, rewards. You write what each of them
# needs: the mask of the examples, the advantage of an answer over the others, the loss that makes it likelier without going too far. With these the course's
# program trains the shipped model. You also write how a model is measured that may try more than once.
#
# | part | minutes | |
# |---|---|---|
# | 1 what is learned of a conversation | 25 | required |
# | 2 pass@k | 15 | required |
# | 3 advantages within a group | 15 | required |
# | 4 the clipped loss | 35 | required |
# | 5 a training | 30 | required |
# | 6 the shipped model | 10 | to look at |
# | 7 preferences | 20 | extra |
# | 8 voting, and a judge | 20 | extra |
#
# All numbers here are float64 arrays of NumPy; no kernels are needed.

# %%
import numpy as np

from llaisys_mini import check, exercises
from llaisys_mini.kernels.choice import use_kernels
from llaisys_mini.training.grpo import GrpoRecipe, Run
from llaisys_mini.training.policy import Policy

# %% [markdown]
# ## 1. What is learned of a conversation
#
# In *supervised fine-tuning* (SFT) a model learns to answer from conversations. It predicts every next token as always, but the loss counts only the tokens of
# the answers: nobody wants it to learn to ask.
#
# `sft_mask(ids, header, end)`: `ids` [T] are the tokens of a conversation. An answer begins behind the tokens `header`, a list whose ids stand together in this
# order, and goes up to **and including** the next token `end`. If the conversation breaks off within an answer, it goes up to the last token.
#
# Return an array of T - 1 zeros and ones. Place t belongs to the *prediction* of `ids[t + 1]`, which the model makes when it has read `ids[t]`. It is 1 where `ids[t + 1]`
# is part of an answer.
#
# With `header = [91, 92, 93]` and `end = 99`:
#
# | t | 0 | 1 | 2 | 3 | 4 | 5 | 6 | 7 | 8 |
# |---|---|---|---|---|---|---|---|---|---|
# | ids[t] | 90 | 5 | 6 | 99 | 91 | 92 | 93 | 7 | 99 |
# | what it is | | question | question | end | header | header | header | answer | end |
# | mask[t] | 0 | 0 | 0 | 0 | 0 | 0 | 1 | 1 | |

# %% task="python/sft_mask"

# %% [markdown]
# <details><summary>Hint 1: two questions at each token</summary>
#
# Is an answer open before this token? Is one open after it? What changes the state in one direction, and what in the other?
#
# </details>
# <details><summary>Hint 2: the shift</summary>
#
# First mark the tokens that belong to an answer, all T of them. What has to be cut off, at which end, so that place t tells of token t + 1?
#
# </details>
# <details><summary>Hint 3: the header</summary>
#
# After token t the last tokens are `ids[t + 1 - len(header) : t + 1]`; at the beginning of the text the start must not become negative. `list(...) == header` compares them.
# Look for a header only where no answer is open.
#
# </details>

# %% test="mask-public" points=3
check("sft_mask")

# %% test="mask-hidden" points=2
# Other conversations, when it is graded.
### BEGIN HIDDEN TESTS
check("sft_mask", seed=42001)
### END HIDDEN TESTS

# %% [markdown]
# ## 2. pass@k
#
# A model that answers by chance is asked `k` times. With which probability is at least one answer right? This is *pass@k*. One could ask k times, again and again,
# and count. Far better: make `n` tries once, with `n` larger than `k`, find that `c` of them are right, and ask what would happen if `k` of these n were drawn, without putting
# back.
#
# `pass_at_k(n, c, k)` returns that probability, for 1 <= k <= n. There are $\binom{n}{k}$ ways to draw k of n. In how many of them is none right?
#
# With n = 4 and c = 1: pass@1 is 1/4, pass@2 is 1/2 (the right one is among the two in half of all draws), pass@4 is 1.

# %% task="python/pass_at_k"

# %% [markdown]
# <details><summary>Hint 1: the other way round</summary>
#
# Not "at least one is right" but "all are wrong" is easy to count. From how many are they drawn then?
#
# </details>
# <details><summary>Hint 2: one after the other</summary>
#
# The first one drawn is wrong with probability (n - c) / n. The second one, if the first was wrong?
#
# </details>
# <details><summary>Hint 3: large numbers</summary>
#
# `math.comb` has exact whole numbers of any length, and dividing two of them is fine. What does `math.comb(3, 5)` give, and is that what is meant when fewer wrong ones are
# there than are drawn?
#
# </details>

# %% test="pass-public" points=2
check("pass_at_k")

# %% test="pass-hidden" points=1
# Other tries, when it is graded.
### BEGIN HIDDEN TESTS
check("pass_at_k", seed=42002)
### END HIDDEN TESTS

# %% [markdown]
# ## 3. Advantages within a group
#
# GRPO lets the model write S answers to each of Q questions. A verifier gives each a reward. Whether a reward of 1 is remarkable depends on the question: if all eight are right, it was
# easy. So each answer is compared with the others **to the same question**:
#
# $$A_{q,s} = \frac{r_{q,s} - \operatorname{mean}_s r_{q,s}}{\operatorname{std}_s r_{q,s}}$$
#
# The mean and the standard deviation are those of the S numbers of the row themselves, $\operatorname{std} = \sqrt{\operatorname{mean}\,(r - \operatorname{mean} r)^2}$. If all rewards of a
# row are **equal**, its advantages are 0.
#
# | rewards | advantages |
# |---|---|
# | 1 0 0 0 | 1.73 -0.58 -0.58 -0.58 |
# | 1 1 0 0 | 1 1 -1 -1 |
# | 0 0 0 0 | 0 0 0 0 |

# %% task="python/group_advantage"

# %% [markdown]
# <details><summary>Hint 1: along which axis?</summary>
#
# `rewards.mean(axis=...)` with which axis gives one number for each question? And what does `keepdims=True` do for the subtraction?
#
# </details>
# <details><summary>Hint 2: equal rewards</summary>
#
# Six times 0.1, added up and divided by 6, need not be 0.1 again in binary numbers. So asking whether the standard deviation is 0 is not safe. What can be compared exactly?
#
# </details>
# <details><summary>Hint 3: a common way out</summary>
#
# Many programs divide by `std + 0.0001`, which is accepted here: then equal rewards give nearly 0 / 0.0001. A row of which `min` equals `max` can also simply be left at 0.
#
# </details>

# %% test="advantage-public" points=2
check("group_advantage")

# %% test="advantage-hidden" points=2
# Other rewards, when it is graded.
### BEGIN HIDDEN TESTS
check("group_advantage", seed=42003)
### END HIDDEN TESTS

# %% [markdown]
# ## 4. The clipped loss
#
# The texts were written with the old weights. Now the weights move so that texts with a positive advantage A become likelier. How much likelier a token has become is the *ratio*
#
# $$r = \frac{p_\text{new}}{p_\text{old}} = e^{\,\text{logprob} - \text{old logprob}}$$
#
# One could make $rA$ as large as possible. But the advantage was measured with the old weights, and says little once the ratio is far from 1. So what is gained beyond $1 \pm c$ does not count
# (c is `clip`), and of the two values the **smaller**, more careful one is taken:
#
# $$\text{loss} = -\operatorname{mean}\;\min\bigl(r A,\; \operatorname{clip}(r, 1-c, 1+c)\, A\bigr)$$
#
# `clipped_loss(logprobs, old_logprobs, advantages, mask, clip)`: the log probabilities are [N, T], of N texts of up to T tokens; `advantages` [N], one for each text, which counts for all
# its tokens; `mask` [N, T] is 1 at the tokens that the model wrote. The mean is taken **over all tokens with mask 1**. Where the mask is 0 the log probabilities may be anything, even NaN.
#
# Return `(loss, gradient)`: the gradient of the loss with respect to each number of `logprobs`, [N, T]. The program below passes it on to the weights.
#
# One token, c = 0.2:
#
# | r | A | r A | clipped | loss | gradient |
# |---|---|---|---|---|---|
# | 1.0 | 1 | 1.0 | 1.0 | -1.0 | -1.0 |
# | 1.5 | 1 | 1.5 | 1.2 | -1.2 | 0 |
# | 0.5 | 1 | 0.5 | 0.8 | -0.5 | -0.5 |
# | 0.5 | -1 | -0.5 | -0.8 | 0.8 | 0 |
# | 1.5 | -1 | -1.5 | -1.2 | 1.5 | 1.5 |

# %% task="python/clipped_loss"

# %% [markdown]
# <details><summary>Hint 1: the table</summary>
#
# In which rows of the table is the gradient 0? What do these two have in common: did the token go where its advantage wants it, or the other way?
#
# </details>
# <details><summary>Hint 2: the derivative</summary>
#
# $r$ is an exponential of the log probability, so $\partial r / \partial\,\text{logprob} = r$. Where $rA$ is the smaller of the two (or both are equal) the derivative of $-rA$ counts, elsewhere the value does not depend on
# the log probability at all.
#
# </details>
# <details><summary>Hint 3: the mask</summary>
#
# NaN times 0 is NaN. `logprobs[mask == 1]` is a row of the written tokens alone; the same choice works for the advantages after `np.broadcast_to(advantages[:, None], mask.shape)`. At the
# end `gradient[mask == 1] = ...` puts the numbers back into an array of zeros.
#
# </details>

# %% test="loss-public" points=4
check("clipped_loss")

# %% test="loss-hidden" points=3
# Other texts, when it is graded.
### BEGIN HIDDEN TESTS
check("clipped_loss", seed=42004)
### END HIDDEN TESTS

# %% [markdown]
# ## 5. A training
#
# Now both work together. Take a model that is a table: for each of Q questions it has A logits, one for each answer it can give. It answers with softmax of its row. S answers to each
# question were drawn and rewarded.
#
# `grpo_update(logits, samples, rewards, rate, clip, updates)`: `logits` [Q, A]; `samples` [Q, S] are the numbers of the answers that were drawn (0 to A - 1, an answer may be there twice);
# `rewards` [Q, S]. Do `updates` steps of gradient descent, `logits - rate * gradient`, each with the gradient of your `clipped_loss`. Each answer is a text of one token. The old log probabilities
# are those **before the first step**, for all steps. Return the new logits, and leave the given ones alone.
#
# You need one more derivative, which lecture 03 has: for one text to question q with the answer y
#
# $$\frac{\partial \log p_{q,y}}{\partial\, \text{logits}_{q,a}} = [a = y] - p_{q,a}$$
#
# The last case trains: a table of 100 questions learns what a - b is, from nothing but rewards. Before it is compared, your update is called 60 times.

# %% task="python/grpo_update"

# %% [markdown]
# <details><summary>Hint 1: shapes</summary>
#
# `clipped_loss` takes [N, T]. How many texts are there in all, and how long is each? `reshape(-1, 1)` makes a column.
#
# </details>
# <details><summary>Hint 2: the chosen log probabilities</summary>
#
# `np.take_along_axis(logprobs, samples, axis=1)` takes from each row the columns that `samples` names: [Q, S]. What belongs to an answer that was drawn twice has to be added twice;
# `gradient[rows, samples] += ...` adds it only once.
#
# </details>
# <details><summary>Hint 3: the gradient</summary>
#
# With `one_hot = np.eye(A)[samples]` [Q, S, A] and `slope` [Q, S], the gradient that `clipped_loss` gave, all is one sum over the answers:
# `(slope[:, :, None] * (one_hot - p[:, None, :])).sum(axis=1)`.
#
# </details>

# %% test="update-public" points=3
check("grpo_update")

# %% test="update-hidden" points=2
# Other tables, when it is graded.
### BEGIN HIDDEN TESTS
check("grpo_update", seed=42005)
### END HIDDEN TESTS

# %% [markdown]
# ## 6. The shipped model
#
# The same with 1.8 million weights in place of a table. The engine of lab 16 writes the answers, the tape computes the gradients with the backward operators of the course, and your
# `group_advantage` and `clipped_loss` stand between them, if they passed. Two steps, to see that it runs:

# %%
recipe = GrpoRecipe(steps=2, questions=4)
with use_kernels("expert"):
    run = Run(recipe, Policy("mini"))
    for number in range(recipe.steps):
        step = run.take_step()
        print(
            f"step {number + 1}: {step.reward:.0%} right, {step.mixed} of {recipe.questions} questions with unequal rewards, "
            f"loss {step.loss:.4f} and then {step.last_loss:.4f}, length of the gradient {step.length:.2f}"
        )

# %% [markdown]
# The first loss is close to 0 every time, and yet the gradient is not: all ratios are 1 before the first update, so the loss is minus the mean of the advantages. What would you see
# if the model did learn nothing?
#
# A whole training is a command. Let it run in a terminal, and look at the curve:
#
# ```
# llaisys-mini grpo --out build/after-grpo
# llaisys-mini chat --model build/after-grpo
# ```

# %% [markdown]
# ## 7. Extra: preferences
#
# Where no program can say what is right, people can say which of two answers they like better. DPO learns from such pairs without a reward model. With the log probabilities of whole texts,
# by the model that learns and by the model as it was before (the *reference*), of the chosen and of the rejected text of each of N pairs:
#
# $$z = \beta\,\bigl((\text{chosen} - \text{reference chosen}) - (\text{rejected} - \text{reference rejected})\bigr) \qquad \text{loss} = \operatorname{mean}\,(-\log \sigma(z)) = \operatorname{mean}\,\log(1 + e^{-z})$$
#
# `dpo_loss(chosen, rejected, reference_chosen, reference_rejected, beta)`, all [N]. Return `(loss, gradient)`, the gradient with respect to `chosen` [N]. z may be as large as 4,000, in either direction.
#
# As long as the model is its reference, z = 0 and the loss is log 2 = 0.6931. A loss that **stays** there is a well-known sign that the reference moves along.

# %% task="python/dpo_loss"

# %% [markdown]
# <details><summary>Hint 1</summary>
#
# `np.exp(4000)` is inf. Which function of NumPy computes $\log(e^a + e^b)$ safely?
#
# </details>
# <details><summary>Hint 2</summary>
#
# The derivative of $\log(1 + e^{-z})$ is $-\sigma(-z)$: how sure the model still is of the wrong one. And what is the derivative of z with respect to `chosen`?
#
# </details>
# <details><summary>Hint 3</summary>
#
# $\sigma(-z) = e^{-\log(1 + e^{z})}$, in which nothing overflows.
#
# </details>

# %% test="dpo-public" points=2
check("dpo_loss")

# %% [markdown]
# ## 8. Extra: voting, and a judge
#
# A model that may try n times can be better than a single try, if somebody chooses well.
#
# `majority(answers)`: `answers` is a list of numbers, None where a text held no answer. Return what was given most often; of several such the one that was given first; None if there is no answer at all.

# %% task="python/majority"

# %% [markdown]
# <details><summary>Hint 1</summary>
#
# A dictionary from answers to votes. In which order do its keys stand?
#
# </details>
# <details><summary>Hint 2</summary>
#
# 0 is an answer. Does your test for None know that?
#
# </details>
# <details><summary>Hint 3</summary>
#
# `max(votes, key=votes.get, default=None)` takes the first of several largest ones.
#
# </details>

# %% test="majority-public" points=1
check("majority")

# %% [markdown]
# `best_of_n(answers, scores, together)`: a judge, such as a reward model, has given each try a score, a float; NaN where it failed. Tries without an answer (None) or without a score (NaN) do not count. With
# `together=False` return the answer of the try with the highest score. With `together=True` add up the scores of tries with the same answer, and return the answer with the highest sum. Of several the one given first, None
# if no try counts.

# %% task="python/best_of_n"

# %% [markdown]
# <details><summary>Hint 1</summary>
#
# Every comparison with NaN is false. What does `max` do with a list that begins with NaN?
#
# </details>
# <details><summary>Hint 2</summary>
#
# Both ways differ in one line: what becomes of an answer's number when the same answer comes again.
#
# </details>
# <details><summary>Hint 3</summary>
#
# Scores may be below 0. So an answer that is new must not begin with 0 where the highest counts.
#
# </details>

# %% test="best-public" points=1
check("best_of_n")

# %% [markdown]
# ## 9. In your own words
#
# A verifier looks only whether the right number stands anywhere in the text. The model is trained with it by GRPO for a long time. What will it learn to write, and how would you notice, although the reward rises?

# %% [markdown] written="verifier" points=2
# It learns what is rewarded, not what was meant: texts with many numbers in them, of which one is right, since a longer list is right more often (reward hacking). The reward rises all the same. It shows when one reads some of the
# texts, or when something else is measured: the length of the answers, a stricter verifier that demands exactly one number in the right place, questions that were not trained on, and the loss on ordinary text. The verifier
# should demand the whole answer in its form, and a length that grows without need can be limited.
