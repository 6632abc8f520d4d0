"""Synthetic speech to train on: which sentence is said by which voice, and the engines that say it."""
