"""Serves the model in production over gRPC."""
