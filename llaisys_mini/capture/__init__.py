"""A step of the decoder recorded once as a list of operator calls, improved, and replayed without Python in between.

graph       the list of calls, and the arrays between them: a Graph
record      watch one step: which operator, with which arrays                  -> a Graph
passes      improve the list; each pass is a file that reads like its definition
loops       find the layers: the part of the list that repeats
emit        write the list as the source of one function that loops over the layers
native      arrays over addresses, and calls of kernels by address
captured    compile the function, lay out its memory, run it
device_step the same on a device that records its launches itself, as a GPU does
replay      when a step is recorded, replayed, or computed call by call
formulas    a recorded step as plain lists, for lecture and lab 18
"""
