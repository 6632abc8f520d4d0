"""Corpora as others publish them: read on both sides of the wire, by the command line and by ingest."""
