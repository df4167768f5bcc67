# %% [markdown]
# # Lab 20: after training
#
# A model that only continues text learns to answer questions by further training with examples, preferences or rewards. You write the parts that
# this needs: the mask for the examples, the advantage of an answer over others, and the loss that makes good answers more likely without changing
# the model too much. With your parts the course's program trains the shipped model. You also write a measure for models that may try several
# times.
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
# | 9 in your own words | 10 | required |
#
# All arrays here are NumPy arrays of float64; you need no kernels.

# %%
import numpy as np

from llaisys_mini import check, exercises
from llaisys_mini.kernels.choice import use_kernels
from llaisys_mini.training.grpo import GrpoRecipe, Run
from llaisys_mini.training.policy import Policy

# %% [markdown]
# ## 1. What is learned of a conversation
#
# In *supervised fine-tuning* (SFT) a model learns from conversations how to answer. It predicts every next token as always, but only the tokens of
# the answers count in the loss, since it should not learn to write the questions.
#
# `sft_mask(ids, header, end)`: `ids` [T] are the tokens of a conversation. An answer begins after the tokens `header`, a list of ids that follow
# each other in this order, and ends with the next token `end`, which is **part of it**. If the conversation breaks off within an answer, the
# answer ends with the last token.
#
# Return an array of T - 1 zeros and ones. Element t belongs to the *prediction* of `ids[t + 1]`, which the model makes after it has read `ids[t]`.
# It is 1 if `ids[t + 1]` is part of an answer.
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
# Is the text before this token inside an answer? And after it? Which tokens begin an answer, and which end it?
#
# </details>
# <details><summary>Hint 2: the shift</summary>
#
# First mark, for all T tokens, which belong to an answer. Which element must be removed, at which end, so that element t is about token t + 1?
#
# </details>
# <details><summary>Hint 3: the header</summary>
#
# After token t the last tokens are `ids[t + 1 - len(header) : t + 1]`; at the beginning of the text the start must not become negative.
# `list(...) == header` compares them. Look for a header only outside of answers.
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
# A model that samples its answers is asked `k` times. What is the probability that at least one answer is right? This is *pass@k*. You could ask k
# times, repeat this often, and count. There is a better estimate: make `n` tries once, with `n` larger than `k`, find that `c` of them are right,
# and compute the probability of a right one among `k` of these n tries, drawn without replacement.
#
# `pass_at_k(n, c, k)` returns this probability, for 1 <= k <= n. There are $\binom{n}{k}$ ways to draw k of n. In how many of them is none right?
#
# With n = 4 and c = 1: pass@1 is 1/4, pass@2 is 1/2 (the right one is among the two in half of all draws), pass@4 is 1.

# %% task="python/pass_at_k"

# %% [markdown]
# <details><summary>Hint 1: the opposite event</summary>
#
# It is easier to count the draws in which all are wrong. From how many tries are these drawn?
#
# </details>
# <details><summary>Hint 2: one after the other</summary>
#
# The first one drawn is wrong with probability (n - c) / n. The second one, if the first was wrong?
#
# </details>
# <details><summary>Hint 3: large numbers</summary>
#
# `math.comb` returns exact integers of any size, and you can divide two of them. What is `math.comb(3, 5)`? Is this the right value if there are
# fewer wrong tries than are drawn?
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
# In GRPO the model writes S answers to each of Q questions. A verifier gives each answer a reward. How good a reward of 1 is depends on the question:
# if all answers are right, the question was easy. So each answer is compared with the others **to the same question**:
#
# $$A_{q,s} = \frac{r_{q,s} - \operatorname{mean}_s r_{q,s}}{\operatorname{std}_s r_{q,s}}$$
#
# The mean and the standard deviation are those of the S numbers of the row, $\operatorname{std} = \sqrt{\operatorname{mean}\,(r - \operatorname{mean} r)^2}$.
# If all rewards of a row are **equal**, its advantages are 0.
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
# In floating-point numbers, six times 0.1, added up and divided by 6, need not be exactly 0.1. So it is not safe to test whether the standard
# deviation is 0. What can be compared exactly?
#
# </details>
# <details><summary>Hint 3: a common solution</summary>
#
# Many programs divide by `std + 0.0001`, which is accepted here: equal rewards then give nearly 0 / 0.0001. You can also leave a row at 0 if its
# `min` equals its `max`.
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
# The texts were written with the old weights. Now the weights are changed so that texts with a positive advantage A become more likely. How much
# more likely a token has become is its *ratio*
#
# $$r = \frac{p_\text{new}}{p_\text{old}} = e^{\,\text{logprob} - \text{old logprob}}$$
#
# We could simply make $rA$ as large as possible. But the advantage was measured with the old weights, and says little when the ratio is far from 1.
# So a gain beyond $1 \pm c$ does not count (c is `clip`), and of the two values the **smaller**, more careful one is taken:
#
# $$\text{loss} = -\operatorname{mean}\;\min\bigl(r A,\; \operatorname{clip}(r, 1-c, 1+c)\, A\bigr)$$
#
# `clipped_loss(logprobs, old_logprobs, advantages, mask, clip)`: the log probabilities are [N, T], for N texts of up to T tokens; `advantages` [N] has one
# number for each text, which applies to all its tokens; `mask` [N, T] is 1 at the tokens that the model wrote. The mean is taken **over all tokens
# with mask 1**. Where the mask is 0, the log probabilities may have any value, even NaN.
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
# In which rows of the table is the gradient 0? What do these two have in common: has the probability changed in the direction of the advantage, or
# in the opposite direction?
#
# </details>
# <details><summary>Hint 2: the derivative</summary>
#
# $r$ is an exponential of the log probability, so $\partial r / \partial\,\text{logprob} = r$. Where $rA$ is the smaller of the two (or both are equal),
# the gradient is that of $-rA$; elsewhere the value does not depend on the log probability at all.
#
# </details>
# <details><summary>Hint 3: the mask</summary>
#
# NaN times 0 is NaN. `logprobs[mask == 1]` contains only the written tokens; the same indexing works for the advantages after
# `np.broadcast_to(advantages[:, None], mask.shape)`. At the end `gradient[mask == 1] = ...` puts the numbers back into an array of zeros.
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
# Now combine both. The model is a table: for each of Q questions it has A logits, one for each possible answer. It samples an answer with the
# softmax of the question's row. S answers to each question were drawn and rewarded.
#
# `grpo_update(logits, samples, rewards, rate, clip, updates)`: `logits` [Q, A]; `samples` [Q, S] are the numbers of the answers that were drawn (0 to A - 1, an answer may be there twice);
# `rewards` [Q, S]. Do `updates` steps of gradient descent, `logits - rate * gradient`, each with the gradient of your `clipped_loss`. Each answer is a text of one token. The old log probabilities
# are those **before the first step**, for all steps. Return the new logits, and leave the given ones alone.
#
# You need one more derivative, which was derived in lecture 03. For question q and the answer y:
#
# $$\frac{\partial \log p_{q,y}}{\partial\, \text{logits}_{q,a}} = [a = y] - p_{q,a}$$
#
# The last case is a complete training: a table of 100 questions learns the results of a - b from rewards only. Your update is called 60 times before
# the results are compared.

# %% task="python/grpo_update"

# %% [markdown]
# <details><summary>Hint 1: shapes</summary>
#
# `clipped_loss` takes [N, T]. How many texts are there in all, and how long is each? `reshape(-1, 1)` makes a column.
#
# </details>
# <details><summary>Hint 2: the chosen log probabilities</summary>
#
# `np.take_along_axis(logprobs, samples, axis=1)` takes from each row the columns given in `samples`: [Q, S]. If an answer was drawn twice, its
# gradient must be added twice; `gradient[rows, samples] += ...` would add it only once.
#
# </details>
# <details><summary>Hint 3: the gradient</summary>
#
# With `one_hot = np.eye(A)[samples]` [Q, S, A] and `slope` [Q, S], the gradient returned by `clipped_loss`, the gradient of the logits is one sum
# over the answers:
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
# Now the same with 1.8 million weights instead of a table. The engine writes the answers; `group_advantage` and `clipped_loss` (yours, if they have
# passed) compute the loss; automatic differentiation computes the gradients with the backward operators. The next cell runs two steps, to show
# that it works:

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
# The first loss of each step is close to 0, although the gradient is not: all ratios are 1 before the first update, so the loss is minus the mean of
# the advantages. So which number tells you whether the model learns?
#
# A complete training is one command. Run it in a terminal, and look at the curve in `build/after-grpo/reward.png`:
#
# ```
# llaisys-mini grpo --out build/after-grpo
# llaisys-mini chat --model build/after-grpo
# ```

# %% [markdown]
# ## 7. Extra: preferences
#
# If no program can decide what is right, people can say which of two answers they prefer. DPO learns from such pairs without a reward model. It uses
# the log probabilities of whole texts, the chosen and the rejected text of each of N pairs, given by the model that is trained and by the model
# before the training (the *reference*):
#
# $$z = \beta\,\bigl((\text{chosen} - \text{reference chosen}) - (\text{rejected} - \text{reference rejected})\bigr) \qquad \text{loss} = \operatorname{mean}\,(-\log \sigma(z)) = \operatorname{mean}\,\log(1 + e^{-z})$$
#
# `dpo_loss(chosen, rejected, reference_chosen, reference_rejected, beta)`, all [N]. Return `(loss, gradient)`, the gradient with respect to `chosen` [N]. z may be as large as 4,000, in either direction.
#
# As long as the model equals its reference, z = 0 and the loss is log 2 = 0.6931. If the loss **stays** there, the reference is probably being
# changed together with the model, a well-known mistake.

# %% task="python/dpo_loss"

# %% [markdown]
# <details><summary>Hint 1</summary>
#
# `np.exp(4000)` is inf. Which function of NumPy computes $\log(e^a + e^b)$ safely?
#
# </details>
# <details><summary>Hint 2</summary>
#
# The derivative of $\log(1 + e^{-z})$ with respect to z is $-\sigma(-z)$. And what is the derivative of z with respect to `chosen`?
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
# A model that may try n times can be better than with a single try, if the answer is chosen well among the tries.
#
# `majority(answers)`: `answers` is a list of numbers, with None where a text contained no answer. Return the most frequent answer; if there are
# several, the one that was given first; None if there is no answer at all.

# %% task="python/majority"

# %% [markdown]
# <details><summary>Hint 1</summary>
#
# Use a dictionary from answers to votes. In which order are its keys?
#
# </details>
# <details><summary>Hint 2</summary>
#
# 0 is an answer. Does your test for None treat it as one?
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
# `best_of_n(answers, scores, together)`: a judge, such as a reward model, has given each try a score, a float, or NaN if it failed. Tries without an
# answer (None) or without a score (NaN) do not count. With `together=False` return the answer of the try with the highest score. With
# `together=True` add up the scores of tries with the same answer, and return the answer with the highest sum. If several are equal, return the one
# given first; if no try counts, return None.

# %% task="python/best_of_n"

# %% [markdown]
# <details><summary>Hint 1</summary>
#
# Every comparison with NaN is false. So what does `max` return for a list that begins with NaN?
#
# </details>
# <details><summary>Hint 2</summary>
#
# Both variants differ in one line: how the number of an answer changes when the same answer occurs again.
#
# </details>
# <details><summary>Hint 3</summary>
#
# Scores may be negative. So for `together=False`, a new answer must not begin with the number 0.
#
# </details>

# %% test="best-public" points=1
check("best_of_n")

# %% [markdown]
# ## 9. In your own words
#
# A verifier only tests whether the right number occurs anywhere in the text. A model is trained with it by GRPO for a long time. What will it learn
# to write, and how would you notice, although the reward rises?

# %% [markdown] written="verifier" points=2
# It learns what is rewarded, not what was meant: texts with many numbers in them, of which one is right, since a longer list is right more often (reward hacking). The reward rises all the same. It shows when one reads some of the
# texts, or when something else is measured: the length of the answers, a stricter verifier that demands exactly one number in the right place, questions that were not trained on, and the loss on ordinary text. The verifier
# should demand the whole answer in its form, and a length that grows without need can be limited.
