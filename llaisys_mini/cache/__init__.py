"""The KV cache: keys and values of the positions computed so far, behind one face (`attend`)."""
