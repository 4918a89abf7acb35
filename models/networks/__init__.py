"""Neural networks that predict spend, written with `keras.ops` for TensorFlow and JAX."""
