"""Looking at kernels: what the compiler made of one, what it asks of memory, how fast it is."""
