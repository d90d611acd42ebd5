"""An epoch as one call, a file for each Keras backend; see `bench.work.epochs`."""
