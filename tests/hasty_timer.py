"""`bench.measure.timing`, but what was disturbed is not timed again at once: beside other tests, all of it is."""

from bench.measure import latency, timing

latency.AGAIN = 0
sample = timing.sample
