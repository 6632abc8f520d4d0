"""Takes in live recordings: audio in, RecordingStored out."""
