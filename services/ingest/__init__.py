"""Turns recordings and corpora into checked utterances and immutable datasets."""
