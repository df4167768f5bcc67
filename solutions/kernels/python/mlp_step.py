"""mlp_step: the operators forwards, their backward operators in the other order."""

from llaisys_mini import answer, operators


@answer("mlp_step")
def mlp_step(x, labels, w1, b1, w2, b2, rate):
    ### BEGIN SOLUTION
    before = operators.linear(x, w1, b1)
    hidden = operators.relu(before)
    logits = operators.linear(hidden, w2, b2)
    loss = operators.cross_entropy(logits, labels).mean()
    grad_logits = operators.softmax_cross_entropy_backward(logits, labels)
    grad_hidden, grad_w2, grad_b2 = operators.linear_backward(grad_logits, hidden, w2)
    grad_before = operators.relu_backward(grad_hidden, before)
    _, grad_w1, grad_b1 = operators.linear_backward(grad_before, x, w1)
    return loss, w1 - rate * grad_w1, b1 - rate * grad_b1, w2 - rate * grad_w2, b2 - rate * grad_b2
    ### END SOLUTION
