"""Trains recognisers from scratch: DatasetReady in, ModelTrained out. The only package with torch."""
