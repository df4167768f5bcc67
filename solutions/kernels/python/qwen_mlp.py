"""qwen_mlp: operators in a row."""

from llaisys_mini import answer, operators


@answer("qwen_mlp")
def qwen_mlp(x, norm, gate, up, down, eps):
    ### BEGIN SOLUTION
    h = operators.rms_norm(x, norm, eps)
    inner = operators.swiglu(operators.linear(h, gate), operators.linear(h, up))
    return operators.add(x, operators.linear(inner, down))
    ### END SOLUTION
