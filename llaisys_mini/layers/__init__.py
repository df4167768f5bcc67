"""The parts of a decoder, each one formula of operators. They compute; models/loading.py gives them their weights.

Shapes: T rows (new positions of one text or several), H query heads, K key/value heads, D head width, E hidden width.
"""
