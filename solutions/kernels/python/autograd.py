"""autograd: each operation remembers how to hand its gradient back; backward visits them in reverse order."""

import numpy as np

from llaisys_mini import answer, operators


@answer("autograd")
class Variable:
    def __init__(self, value, parents=(), back=None):
        self.value = np.asarray(value, np.float32)
        self.grad = np.zeros_like(self.value)
        self.parents = parents
        self.back = back

    def __add__(self, other):
        return Variable(self.value + other.value, (self, other), lambda g: (g, g))

    def __mul__(self, other):
        ### BEGIN SOLUTION
        def back(g):
            return g * other.value, g * self.value

        return Variable(self.value * other.value, (self, other), back)
        ### END SOLUTION

    def relu(self):
        ### BEGIN SOLUTION
        def back(g):
            return (operators.relu_backward(g, self.value),)

        return Variable(operators.relu(self.value), (self,), back)
        ### END SOLUTION

    def linear(self, weight, bias):
        ### BEGIN SOLUTION
        def back(g):
            return operators.linear_backward(g, self.value, weight.value)

        return Variable(operators.linear(self.value, weight.value, bias.value), (self, weight, bias), back)
        ### END SOLUTION

    def cross_entropy(self, labels):
        ### BEGIN SOLUTION
        def back(g):
            return (g * operators.softmax_cross_entropy_backward(self.value, labels),)

        return Variable(operators.cross_entropy(self.value, labels).mean(), (self,), back)
        ### END SOLUTION

    def backward(self):
        ### BEGIN SOLUTION
        order, seen = [], set()

        def visit(variable):
            if id(variable) not in seen:
                seen.add(id(variable))
                for parent in variable.parents:
                    visit(parent)
                order.append(variable)

        visit(self)
        self.grad = np.ones_like(self.value)
        for variable in reversed(order):
            if variable.back is not None:
                for parent, share in zip(variable.parents, variable.back(variable.grad), strict=True):
                    parent.grad += share
        ### END SOLUTION
