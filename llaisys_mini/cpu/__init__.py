"""What CPU kernels are written with where plain loops are not enough: vectors (`simd`) and a fast exponential."""
