"""Makes models small and fast, measures them, and decides what is served."""
