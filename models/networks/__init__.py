"""Neural networks in Keras 3, written with `keras.ops` so that the same code trains on TensorFlow and on JAX."""
