"""Durable jobs: long work is a record in the object store, leased by one worker at a time."""
