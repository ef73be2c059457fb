"""What learned methods share: the stream of training cases, the loss, the trainer, and weights on disk.

A learned method derives from :class:`~dexsy_bench.learning.method.LearnedMethod` and says how its network
is made; everything else, `dexsy-bench train` included, is here. Nothing of it imports torch until it is used.
"""
